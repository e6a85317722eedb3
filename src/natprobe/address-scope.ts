import type { Endpoint } from '../core/endpoint.ts'

export type AddressScope =
  'public' | 'private' | 'carrier' | 'link-local' | 'loopback' | 'unspecified'

/** How far an address reaches: RFC 1918, RFC 6598 (carrier-grade NAT), RFC 3927, RFC 4193, RFC 4291. */
export function scopeOf({ family, address }: Endpoint): AddressScope {
  return family === 4 ? ipv4Scope(address) : ipv6Scope(address)
}

function ipv4Scope(address: string): AddressScope {
  const [a = 0, b = 0] = address.split('.').map(Number)
  if (a === 0) return 'unspecified'
  if (a === 127) return 'loopback'
  if (a === 10 || (a === 172 && b >= 16 && b < 32) || (a === 192 && b === 168)) return 'private'
  if (a === 100 && b >= 64 && b < 128) return 'carrier'
  if (a === 169 && b === 254) return 'link-local'
  return 'public'
}

function ipv6Scope(address: string): AddressScope {
  if (address === '::') return 'unspecified'
  if (address === '::1') return 'loopback'
  if (/^f[cd]/.test(address)) return 'private'
  if (/^fe[89ab]/.test(address)) return 'link-local'
  return 'public'
}

/**
 * Whether a server's OTHER-ADDRESS can be what it says: another address, of the same family, and no inner address of a
 * server that is itself asked at an outer one (RFC 5780 says the first; servers behind address translation do the last).
 */
export function isCredibleOther(server: Endpoint, other: Endpoint): boolean {
  if (other.family !== server.family || other.address === server.address) return false
  return scopeOf(other) === 'public' || scopeOf(other) === scopeOf(server)
}
