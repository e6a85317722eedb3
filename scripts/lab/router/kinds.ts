/** The kinds of routers that the laboratory knows by name. */
import type { FirewallBehaviour } from '../../../test/sim/firewall.ts'
import type { NatBehaviour } from '../../../test/sim/nat.ts'
import { natKinds } from '../../../test/sim/nat-kinds.ts'

/** What a router does with UDP: it translates by a NAT, or lets through by a firewall. */
export type RouterKind =
  | { readonly nat: NatBehaviour; readonly firewall?: never }
  | { readonly firewall: FirewallBehaviour; readonly nat?: never }

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
} as const satisfies Record<string, RouterKind>

export type RouterKindName = keyof typeof routerKinds
