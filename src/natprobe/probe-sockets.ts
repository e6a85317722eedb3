/** The names of the fresh sockets that the tests of one family are run on. */
import { type SocketId, socketNamed } from '../core/machine.ts'
import { ALLOCATOR_SOCKETS } from './allocator-probe.ts'
import type { Mode } from './timing.ts'

/** The one whose mapping is tested: the user may choose its port. */
export const MAIN = socketNamed('natprobe:mapping')
export const FILTERING = numbered('filtering', 2)
export const HAIRPIN = numbered('hairpin', 2)
export const ALLOCATION = numbered('allocation', ALLOCATOR_SOCKETS)
export const LATENCY = socketNamed('natprobe:latency')

/** In the order in which they are to be opened. */
export function wantedSockets(mode: Mode): readonly SocketId[] {
  const quick = [MAIN, ...FILTERING]
  return mode === 'quick' ? quick : [...quick, ...HAIRPIN, ...ALLOCATION, LATENCY]
}

function numbered(name: string, count: number): readonly SocketId[] {
  return Array.from({ length: count }, (_, index) => socketNamed(`natprobe:${name}:${index + 1}`))
}
