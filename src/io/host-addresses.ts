import { networkInterfaces } from 'node:os'

/**
 * The addresses of this host's interfaces that a peer could use: no link-local IPv6 (it would need a zone),
 * and loopback only where there is nothing else or it is asked for (everything on one machine).
 */
export function hostAddresses({ includeLoopback = false } = {}): readonly string[] {
  const all = Object.values(networkInterfaces()).flatMap((addresses) => addresses ?? [])
  const usable = all.filter(({ address }) => !/^fe[89ab]/i.test(address))
  const routed = usable.filter(({ internal }) => !internal)
  const chosen = includeLoopback || routed.length === 0 ? usable : routed
  return chosen.map(({ address }) => address)
}
