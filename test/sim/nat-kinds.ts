/** Routers that people know by name, and all nine of RFC 4787's combinations. */
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
