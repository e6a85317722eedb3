/** The names of the fresh sockets that the tests of one family are run on. */
import { type SocketId, socketNamed } from '../core/machine.ts'
import { ALLOCATOR_SOCKETS } from './allocator-probe.ts'
import { DEPTH_SOCKETS } from './depth-probe.ts'
import { bucketsOf, type LifetimeMode } from './lifetime-probe.ts'
import type { Mode } from './timing.ts'

/** The one whose mapping is tested: the user may choose its port. */
export const MAIN = socketNamed('natprobe:mapping')
export const FILTERING = numbered('filtering', 2)
export const HAIRPIN = numbered('hairpin', 2)
export const ALLOCATION = numbered('allocation', ALLOCATOR_SOCKETS)
export const LATENCY = socketNamed('natprobe:latency')

export const EGRESS = numbered('egress', 2)
/** The one that forbids fragments, and the two that need them. */
export const UNFRAGMENTED = socketNamed('natprobe:unfragmented')
export const SIZE = numbered('size', 2)

export const POISON = numbered('poison', 2)
export const DEPTH = numbered('depth', DEPTH_SOCKETS)

/** Then two for each idle time. */
export const LIFETIME = {
  caller: socketNamed('natprobe:lifetime:caller'),
  listener: socketNamed('natprobe:lifetime:listener'),
  refreshed: socketNamed('natprobe:lifetime:refreshed'),
} as const

export function lifetimeBuckets(
  lifetime: LifetimeMode,
): readonly { readonly seconds: number; readonly idle: SocketId; readonly unreplied: SocketId }[] {
  return bucketsOf(lifetime).map((seconds) => ({
    seconds,
    idle: socketNamed(`natprobe:idle:${seconds}`),
    unreplied: socketNamed(`natprobe:unreplied:${seconds}`),
  }))
}

/** In the order in which they are to be opened. */
export function wantedSockets(mode: Mode, lifetime: LifetimeMode): readonly SocketId[] {
  const quick = [MAIN, ...FILTERING]
  const buckets = lifetimeBuckets(lifetime)
  if (mode === 'quick') return quick
  if (mode === 'profile') return [...quick, ...DEPTH, ...ALLOCATION]
  if (mode === 'lifetime') {
    const { caller, listener } = LIFETIME
    return [MAIN, caller, listener, ...buckets.map(({ idle }) => idle)]
  }
  const sizes = [UNFRAGMENTED, ...SIZE]
  const fresh = [...HAIRPIN, ...POISON, ...DEPTH, ...ALLOCATION, LATENCY, ...EGRESS, ...sizes]
  const full = [...quick, ...fresh]
  if (buckets.length === 0) return full
  return [
    ...full,
    ...Object.values(LIFETIME),
    ...buckets.flatMap(({ idle, unreplied }) => [idle, unreplied]),
  ]
}

function numbered(name: string, count: number): readonly SocketId[] {
  return Array.from({ length: count }, (_, index) => socketNamed(`natprobe:${name}:${index + 1}`))
}
