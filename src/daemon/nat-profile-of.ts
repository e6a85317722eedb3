/** What the tests of `src/natprobe` found, in the words that an introduction carries. */
import type { NatProfile, PortRule } from '../protocol/server/nat-profile.ts'
import { MOST_NAT_DEPTH } from '../protocol/server/nat-profile.ts'
import type { NatProbeResult } from '../natprobe/nat-probe.ts'
import type { PortAllocation } from '../natprobe/port-allocation.ts'

/** What is less sure than this is taken for unknown: both sides then reckon with the worst. */
const SURE = 0.8

/** `undefined` where nobody answered: nothing was found out. */
export function natProfileOf(result: NatProbeResult): NatProfile | undefined {
  const { mapping, filtering, allocation, natDepth, lifetime } = result
  if (mapping.answered.length === 0 || mapping.isNatted === undefined) return undefined
  const publicAddresses = [...mapping.public, ...(allocation?.mapped ?? [])]
  const depth = natDepth?.value
  const lifetimeMs = lifetime?.value.atLeastMs ?? 0
  return {
    mapping: mappingOf(result),
    filtering: filtering !== undefined && isSure(filtering) ? filtering.value : 'unknown',
    ports:
      allocation !== undefined && isSure(allocation.allocation)
        ? ruleOf(allocation.allocation.value)
        : { kind: 'unknown' },
    isPooled: new Set(publicAddresses.map(({ address }) => address)).size > 1,
    ...(typeof depth === 'number' && depth <= MOST_NAT_DEPTH ? { depth } : {}),
    ...(lifetimeMs > 0 ? { lifetimeMs } : {}),
  }
}

function mappingOf({ mapping: { mapping, isNatted } }: NatProbeResult): NatProfile['mapping'] {
  if (isNatted === false) return 'none'
  // One server address cannot tell these two apart; for its further ports the mapping is the same.
  if (!isSure(mapping) || mapping.value === 'eim-or-adm') return 'unknown'
  return mapping.value
}

function isSure({ confidence }: { readonly confidence: number }): boolean {
  return confidence >= SURE
}

function ruleOf(value: PortAllocation): PortRule {
  switch (value.kind) {
    case 'preserve':
    case 'unknown':
      return { kind: value.kind }
    case 'step':
      return { kind: 'sequential', step: value.step }
    case 'random':
    case 'parity':
      return { kind: value.kind, low: value.low, high: value.high }
    case 'block':
      return { kind: 'block', ...blockAround(value) }
  }
}

/** Blocks begin at multiples of their size, after the ports that carriers leave out; where it cannot be told, the seen ones. */
function blockAround({
  low,
  high,
  blockSize,
}: Extract<PortAllocation, { readonly kind: 'block' }>): { low: number; high: number } {
  for (const origin of [0, 1024]) {
    const first = origin + Math.floor((low - origin) / blockSize) * blockSize
    if (first >= 1 && high < first + blockSize && first + blockSize <= 65_536) {
      return { low: first, high: first + blockSize - 1 }
    }
  }
  return { low, high }
}
