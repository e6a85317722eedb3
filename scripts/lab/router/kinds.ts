/** The kinds of user-space routers that the laboratory knows by name. */
import type { FirewallBehaviour } from '../../../test/sim/firewall.ts'
import type { NatBehaviour } from '../../../test/sim/nat.ts'
import { natKinds } from '../../../test/sim/nat-kinds.ts'

/** What a router does with UDP: it translates by a NAT, or lets through by a firewall. */
export type RouterKind =
  | { readonly nat: NatBehaviour; readonly firewall?: never }
  | { readonly firewall: FirewallBehaviour; readonly nat?: never }

/** Ports in blocks of so many to each customer (RFC 7422 §2): what carriers give. */
const CARRIER_BLOCK = 512

export const routerKinds = {
  'full cone': { nat: natKinds.fullCone },
  'address-restricted cone': { nat: natKinds.restrictedCone },
  'port-restricted cone': { nat: natKinds.portRestricted },
  'symmetric sequential': { nat: natKinds.symmetricSequential },
  'symmetric random': { nat: natKinds.symmetricRandom },
  'address-dependent mapping': {
    nat: {
      mapping: 'address-dependent',
      filtering: 'address-dependent',
      ports: { kind: 'sequential' },
    },
  },
  'full cone with hairpinning': { nat: { ...natKinds.fullCone, hairpin: 'external-source' } },
  'firewall only': { firewall: { inbound: 'stateful' } },
  /** RFC 6888 REQ-1 wants carriers' NATs to map endpoint-independently. */
  carrier: { nat: { ...natKinds.portRestricted, ports: { kind: 'block', size: CARRIER_BLOCK } } },
  'carrier with hairpinning': {
    nat: {
      ...natKinds.portRestricted,
      ports: { kind: 'block', size: CARRIER_BLOCK },
      hairpin: 'external-source',
    },
  },
  'symmetric carrier': {
    nat: { ...natKinds.symmetricRandom, ports: { kind: 'block', size: CARRIER_BLOCK } },
  },
  'port-restricted cone with hairpinning': {
    nat: { ...natKinds.portRestricted, hairpin: 'external-source' },
  },
  /** A Linux masquerade router whose INPUT chain accepts: an early probe spoils the mapping. */
  'poisonable cone': { nat: natKinds.linuxPoisonable },
  /** Refuses a source for long after one packet that nobody asked for. */
  'blocking cone': { nat: { ...natKinds.portRestricted, blocksUnsolicitedMs: 60_000 } },
  /** Forgets mappings as fast as some do. */
  'forgetful cone': {
    nat: { ...natKinds.portRestricted, lifetimeMs: 15_000, unrepliedMs: 15_000 },
  },
  /** No NAT and no filter: a host behind it is public. */
  open: { firewall: { inbound: 'open' } },
} as const satisfies Record<string, RouterKind>

export type RouterKindName = keyof typeof routerKinds
