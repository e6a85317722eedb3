/** Routers that people know by name, and all nine of RFC 4787's combinations. */
import type { NatProfile, PortRule } from '../../src/protocol/server/nat-profile.ts'
import type { Dependence, NatBehaviour } from './nat.ts'
import type { PortAllocation } from './port-allocator.ts'

export const dependences: readonly Dependence[] = [
  'endpoint-independent',
  'address-dependent',
  'address-and-port-dependent',
]

/** Short names for test titles: `APDM/ADF`. */
export function natName({ mapping, filtering }: NatBehaviour): string {
  return `${initials[mapping]}M/${initials[filtering]}F`
}

const initials: Record<Dependence, string> = {
  'endpoint-independent': 'EI',
  'address-dependent': 'AD',
  'address-and-port-dependent': 'APD',
}

/** Mapping × filtering, in the order of the table. */
export function allNats(ports: PortAllocation): NatBehaviour[] {
  return dependences.flatMap((mapping) =>
    dependences.map((filtering) => ({ mapping, filtering, ports })),
  )
}

const cone = { mapping: 'endpoint-independent' } as const

export const natKinds = {
  fullCone: { ...cone, filtering: 'endpoint-independent' },
  restrictedCone: { ...cone, filtering: 'address-dependent' },
  portRestricted: { ...cone, filtering: 'address-and-port-dependent' },
  /** Linux masquerade as most home routers have it; the poisonable one lets packets into its INPUT chain. */
  linux: { ...cone, filtering: 'address-and-port-dependent', ports: { kind: 'preserve' } },
  linuxPoisonable: {
    ...cone,
    filtering: 'address-and-port-dependent',
    ports: { kind: 'preserve' },
    isPoisonable: true,
  },
  symmetricSequential: {
    mapping: 'address-and-port-dependent',
    filtering: 'address-and-port-dependent',
    ports: { kind: 'sequential' },
  },
  symmetricRandom: {
    mapping: 'address-and-port-dependent',
    filtering: 'address-and-port-dependent',
    ports: { kind: 'random' },
  },
} as const satisfies Record<string, NatBehaviour>

/** What a perfect test would tell of a NAT; of a host without one where there is none. */
export function profileOf(nat: NatBehaviour | undefined): NatProfile {
  if (nat === undefined) {
    return {
      mapping: 'none',
      filtering: 'endpoint-independent',
      ports: { kind: 'preserve' },
      isPooled: false,
    }
  }
  return {
    mapping: nat.mapping,
    filtering: nat.filtering,
    ports: ruleOf(nat.ports ?? { kind: 'preserve' }),
    isPooled: nat.pooling === 'arbitrary',
  }
}

function ruleOf(ports: PortAllocation): PortRule {
  switch (ports.kind) {
    case 'preserve':
      return { kind: 'preserve' }
    case 'sequential':
      return { kind: 'sequential', step: ports.step ?? 1 }
    case 'random':
    case 'parity':
      return { kind: ports.kind, low: ports.low ?? 1024, high: ports.high ?? 65_535 }
    case 'block':
      return { kind: 'block', low: ports.low ?? 1024, high: (ports.low ?? 1024) + ports.size - 1 }
  }
}
