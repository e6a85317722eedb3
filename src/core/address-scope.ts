/** What an IP address is good for, after RFC 6890's registries. */
import { addressBytes, endpointOfBytes } from './address-bytes.ts'
import { type Endpoint, endpoint } from './endpoint.ts'

type Address = Pick<Endpoint, 'family' | 'address'>

/**
 * `unusable`: no single host is reached under it. `shared`: RFC 6598's carrier networks. `private`: RFC 1918 and
 * RFC 4193, which mean something in their own network only. `global`: the rest.
 */
export type AddressScope = 'unusable' | 'loopback' | 'link-local' | 'private' | 'shared' | 'global'

const SUBNETS: readonly (readonly [AddressScope, address: string, prefix: number])[] = [
  ['loopback', '127.0.0.0', 8],
  ['loopback', '::1', 128],
  ['link-local', '169.254.0.0', 16],
  ['link-local', 'fe80::', 10],
  ['private', '10.0.0.0', 8],
  ['private', '172.16.0.0', 12],
  ['private', '192.168.0.0', 16],
  ['private', 'fc00::', 7],
  ['shared', '100.64.0.0', 10],
  ['unusable', '0.0.0.0', 8], // this network; some systems take 0.0.0.0 for themselves
  ['unusable', '192.0.0.0', 24], // protocol assignments
  ['unusable', '224.0.0.0', 4], // multicast
  ['unusable', '240.0.0.0', 4], // reserved, limited broadcast
  ['unusable', '::', 96], // unspecified, and IPv4-compatible; ::1 is found before
  ['unusable', '64:ff9b::', 96], // NAT64, RFC 6052: it hides an IPv4 address of whatever kind
  ['unusable', '64:ff9b:1::', 48], // local NAT64, RFC 8215
  ['unusable', '100::', 64], // discard only, RFC 6666
  ['unusable', '2001::', 32], // Teredo
  ['unusable', '2002::', 16], // 6to4
  ['unusable', 'fec0::', 10], // site-local, deprecated
  ['unusable', 'ff00::', 8], // multicast
]

const TABLE = SUBNETS.map(([scope, address, prefix]) => {
  const made = endpoint(address, 0)
  return { scope, prefix, bytes: made.ok ? addressBytes(made.value) : new Uint8Array(0) }
})

export function scopeOf(subject: Address): AddressScope {
  const bytes = addressBytes(subject)
  const row = TABLE.find((candidate) => {
    return (
      candidate.bytes.length === bytes.length && agree(candidate.bytes, bytes, candidate.prefix)
    )
  })
  return row?.scope ?? 'global'
}

/** Whether the first `prefix` bits of two addresses of the same family are equal. */
export function sharePrefix(a: Address, b: Address, prefix: number): boolean {
  return a.family === b.family && agree(addressBytes(a), addressBytes(b), prefix)
}

/** The network that an address is in, as text: `192.0.2.0/24`, `2001:db8::/56`. */
export function prefixOf(subject: Address, prefix: number): string {
  const bytes = addressBytes(subject).map((byte, at) => byte & maskOf(prefix - 8 * at))
  return `${endpointOfBytes(bytes, 0)?.address ?? ''}/${prefix}`
}

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

function agree(a: Uint8Array, b: Uint8Array, prefix: number): boolean {
  return a.every((byte, at) => ((byte ^ (b[at] ?? 0)) & maskOf(prefix - 8 * at)) === 0)
}

/** The byte whose first `bits` bits are ones. */
function maskOf(bits: number): number {
  return bits >= 8 ? 0xff : bits <= 0 ? 0 : (0xff << (8 - bits)) & 0xff
}
