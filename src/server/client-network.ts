import { prefixOf, scopeOf } from '../core/address-scope.ts'
import type { Endpoint } from '../core/endpoint.ts'

/**
 * The network that a limit is counted for: /24 of IPv4, /56 of IPv6, which is what one customer gets (RFC 6177).
 *
 * `undefined` for loopback, whose members cannot be told apart: behind a proxy on this host everybody comes from
 * there, and one attacker would use up what is everybody's.
 */
export function networkOf(client: Endpoint): string | undefined {
  return scopeOf(client) === 'loopback'
    ? undefined
    : prefixOf(client, client.family === 4 ? 24 : 56)
}
