/** Where clients are told to find the server: the host of its link, and its UDP service. */
import { scopeOf } from '../core/address-scope.ts'
import { type Endpoint, endpoint } from '../core/endpoint.ts'
import { isWildcard } from './host-port.ts'

/** How a client's TCP session stands: what it took for the server's address, and where it comes from. */
export interface Arrival {
  readonly local: Endpoint
  readonly remote: Endpoint
}

/**
 * The UDP service's endpoints as this client reaches them, at most four, the primary one first. A service that listens
 * on all addresses is where the client's TCP session has arrived; one behind a port forward or a cloud's 1:1 NAT has a
 * public address that only the operator knows (`--public-host`), and is told to whoever comes from outside.
 */
export function advertisedUdp(
  sockets: readonly Endpoint[],
  { local, remote }: Arrival,
  publicAddresses: readonly string[],
): readonly Endpoint[] {
  const isFromOutside = scopeOf(remote) === 'global' && scopeOf(local) !== 'global'
  return sockets
    .filter(({ family }) => family === local.family)
    .flatMap((bound) => {
      const inside = isWildcard(bound) ? local.address : bound.address
      const outside = isFromOutside && scopeOf({ ...bound, address: inside }) !== 'global'
      const address = outside ? (publicOf(publicAddresses, bound.family) ?? inside) : inside
      const told = endpoint(address, bound.port)
      return told.ok ? [told.value] : []
    })
}

/** The host of the link: what the operator says, else the address listened on, else the first of the machine's own. */
export function linkHost(options: {
  readonly publicHost?: string
  readonly listenHost: string
  readonly listening: Endpoint
  readonly hostAddresses: readonly string[]
}): string {
  const { publicHost, listenHost, listening, hostAddresses } = options
  if (publicHost !== undefined) return publicHost
  if (!isWildcard(listening)) return listenHost
  const isReachable = (address: string): boolean => listening.family === 6 || !address.includes(':')
  return hostAddresses.find(isReachable) ?? '127.0.0.1'
}

function publicOf(addresses: readonly string[], family: 4 | 6): string | undefined {
  return addresses.find((address) => address.includes(':') === (family === 6))
}
