import { addressBytes } from '../core/address-bytes.ts'
import type { Endpoint } from '../core/endpoint.ts'

export const FAMILY_NUMBERS = { 4: 2, 6: 10 } as const // AF_INET, AF_INET6

/** Where in it the address begins; the port is at 2. */
export const ADDRESS_AT = { 4: 4, 6: 8 } as const

const SOCKADDR_BYTES = { 4: 16, 6: 28 } as const // sockaddr_in, sockaddr_in6

/** An endpoint as `struct sockaddr_in` or `sockaddr_in6`. */
export function sockaddrOf(to: Endpoint): Uint8Array {
  const sockaddr = Buffer.alloc(SOCKADDR_BYTES[to.family])
  sockaddr.writeUInt16LE(FAMILY_NUMBERS[to.family], 0)
  sockaddr.writeUInt16BE(to.port, 2)
  sockaddr.set(addressBytes(to), ADDRESS_AT[to.family])
  return sockaddr
}
