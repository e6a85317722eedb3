import { isIPv4, isIPv6, SocketAddress } from 'node:net'
import { type Decoded, decoded, malformed } from './decoded.ts'

/** An IP address and a UDP or TCP port. The address is canonical (RFC 5952 for IPv6, no zone). */
export interface Endpoint {
  readonly family: 4 | 6
  readonly address: string
  readonly port: number
}

declare const endpointKey: unique symbol

/** An endpoint as one comparable string, for maps and sets: `192.0.2.1:5000`, `[2001:db8::1]:5000`. */
export type EndpointKey = string & { readonly [endpointKey]: true }

/**
 * Makes an endpoint from a literal address.
 * IPv4-mapped IPv6 (`::ffff:192.0.2.1`) becomes plain IPv4, so that one peer never has two names.
 */
export function endpoint(address: string, port: number): Decoded<Endpoint> {
  if (!Number.isInteger(port) || port < 0 || port > 65535) return malformed('port out of range')
  if (isIPv4(address)) return decoded({ family: 4, address, port })
  if (!isIPv6(address)) return malformed('not an IP address')
  const canonical = new SocketAddress({ address: withoutZone(address), family: 'ipv6' }).address
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/.exec(canonical)?.[1]
  if (mapped !== undefined) return decoded({ family: 4, address: mapped, port })
  return decoded({ family: 6, address: canonical, port })
}

/** Reads `192.0.2.1:5000` or `[2001:db8::1]:5000`. Host names are not endpoints. */
export function parseEndpoint(text: string): Decoded<Endpoint> {
  const match = /^(?:\[([^\]]+)\]|([^:]+)):(\d{1,5})$/.exec(text)
  const address = match?.[1] ?? match?.[2]
  if (match === null || address === undefined) return malformed('not ADDRESS:PORT')
  return endpoint(address, Number(match[3]))
}

/** The text form, which `parseEndpoint` reads back. */
export function formatEndpoint({ family, address, port }: Endpoint): string {
  return family === 4 ? `${address}:${port}` : `[${address}]:${port}`
}

export function keyOf(subject: Endpoint): EndpointKey {
  return formatEndpoint(subject) as EndpointKey
}

export function sameEndpoint(a: Endpoint, b: Endpoint): boolean {
  return a.port === b.port && a.address === b.address
}

function withoutZone(address: string): string {
  return address.split('%', 1)[0] ?? address
}
