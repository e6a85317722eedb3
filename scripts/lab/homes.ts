/** Where people live: a host behind one router or two, of every kind that they have at home. */
import type { LineConditions } from './router/control.ts'
import { type RouterKindName, routerKinds } from './router/kinds.ts'
import type { Gateway, LabHost, LabRouter } from './router/lab-router.ts'
import type { RouterInternet } from './router/router-internet.ts'

export interface Home {
  readonly host: LabHost
  /** From the host outwards. */
  readonly gateways: readonly [Gateway, ...Gateway[]]
  /** How the internet sees the host. */
  readonly addresses: readonly string[]
}

export interface HomeOnLine extends Home {
  /** The user-space router that stands at the internet: its line can be impaired, its UDP blocked. */
  readonly edge: LabRouter
}

/** The kinds whose pairs make the table; the order is that of the table. */
export const matrixKinds = [
  'public',
  'firewall only',
  'full cone',
  'address-restricted cone',
  'port-restricted cone',
  'masquerade',
  'carrier and home',
  'symmetric sequential',
  'symmetric random',
] as const

export type HomeKind =
  | (typeof matrixKinds)[number]
  | RouterKindName
  | 'accepting masquerade'
  | 'symmetric carrier and home'

interface HomeOptions {
  readonly line?: LineConditions
  /** Of the routers' random choices; 1 when absent. */
  readonly seed?: number
}

export async function buildHome(
  internet: RouterInternet,
  kind: HomeKind,
  options: HomeOptions = {},
): Promise<HomeOnLine> {
  if (isRouterKind(kind)) {
    const edge = await internet.addRouter({ kind: routerKinds[kind], ...options })
    const host = await edge.addHost()
    const isTranslating = 'nat' in routerKinds[kind]
    return {
      ...{ host, gateways: [edge], edge },
      addresses: isTranslating ? edge.publicAddresses : [host.address],
    }
  }
  switch (kind) {
    case 'public':
      return buildHome(internet, 'open', options)
    case 'masquerade':
      return behindKernel(internet, 'drop', options)
    case 'accepting masquerade':
      return behindKernel(internet, 'accept', options)
    case 'carrier and home':
      return behindCarrier(internet, 'carrier', options)
    case 'symmetric carrier and home':
      return behindCarrier(internet, 'symmetric carrier', options)
  }
}

function isRouterKind(kind: HomeKind): kind is RouterKindName {
  return kind in routerKinds
}

/** The line to the internet is a router of its own: the kernel here knows no delay and no loss. */
async function behindKernel(
  internet: RouterInternet,
  input: 'drop' | 'accept',
  options: HomeOptions,
): Promise<HomeOnLine> {
  const edge = await internet.addRouter({ kind: routerKinds.open, ...options })
  const router = await internet.addKernelRouter({ ipv4: 'masquerade', input }, { behind: edge })
  const host = await router.addHost()
  return { host, gateways: [router, edge], edge, addresses: router.publicAddresses }
}

async function behindCarrier(
  internet: RouterInternet,
  carrier: RouterKindName,
  options: HomeOptions,
): Promise<HomeOnLine> {
  const edge = await internet.addRouter({
    kind: routerKinds[carrier],
    lan: '100.64.0', // RFC 6598
    ...options,
  })
  const kind = routerKinds['port-restricted cone']
  const router = await internet.addRouter({ kind, behind: edge, lan: '192.168.1' })
  const host = await router.addHost()
  return { host, gateways: [router, edge], edge, addresses: edge.publicAddresses }
}
