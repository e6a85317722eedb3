/** IPv4 packets (RFC 791) as a router sees them. Options are dropped on the way, as many routers do. */
import { type Decoded, decoded, malformed } from '../../../src/core/decoded.ts'
import { internetChecksum } from './checksum.ts'

export const PROTOCOLS = { icmp: 1, tcp: 6, udp: 17 } as const

export interface Ipv4Packet {
  readonly source: string
  readonly destination: string
  readonly protocol: number
  readonly ttl: number
  /** DSCP and ECN: passed on untouched. */
  readonly trafficClass: number
  readonly identification: number
  readonly isFragmentable: boolean
  readonly hasMoreFragments: boolean
  /** In bytes. */
  readonly fragmentOffset: number
  readonly payload: Uint8Array
}

export const IPV4_HEADER_BYTES = 20

const DONT_FRAGMENT = 0x4000
const MORE_FRAGMENTS = 0x2000

/** Reads one packet; what follows its total length is ignored. The payload is a view of `bytes`. */
export function decodeIpv4(bytes: Uint8Array): Decoded<Ipv4Packet> {
  if (bytes.length < IPV4_HEADER_BYTES) return malformed('shorter than an IPv4 header')
  const [first = 0, trafficClass = 0] = bytes
  if (first >> 4 !== 4) return malformed(`IP version ${first >> 4}`)
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  const headerBytes = (first & 0x0f) * 4
  const totalBytes = view.getUint16(2)
  if (headerBytes < IPV4_HEADER_BYTES || totalBytes < headerBytes || totalBytes > bytes.length) {
    return malformed('lengths do not fit')
  }
  if (internetChecksum(bytes.subarray(0, headerBytes)) !== 0) return malformed('header checksum')
  const fragment = view.getUint16(6)
  return decoded({
    source: addressAt(bytes, 12),
    destination: addressAt(bytes, 16),
    protocol: view.getUint8(9),
    ttl: view.getUint8(8),
    trafficClass,
    identification: view.getUint16(4),
    isFragmentable: (fragment & DONT_FRAGMENT) === 0,
    hasMoreFragments: (fragment & MORE_FRAGMENTS) !== 0,
    fragmentOffset: (fragment & 0x1fff) * 8,
    payload: bytes.subarray(headerBytes, totalBytes),
  })
}

export function encodeIpv4(packet: Ipv4Packet): Uint8Array {
  const bytes = new Uint8Array(IPV4_HEADER_BYTES + packet.payload.length)
  const view = new DataView(bytes.buffer)
  bytes[0] = 0x45
  bytes[1] = packet.trafficClass
  view.setUint16(2, bytes.length)
  view.setUint16(4, packet.identification)
  view.setUint16(
    6,
    (packet.isFragmentable ? 0 : DONT_FRAGMENT) |
      (packet.hasMoreFragments ? MORE_FRAGMENTS : 0) |
      (packet.fragmentOffset >> 3),
  )
  bytes[8] = packet.ttl
  bytes[9] = packet.protocol
  bytes.set(octetsOf(packet.source), 12)
  bytes.set(octetsOf(packet.destination), 16)
  view.setUint16(10, internetChecksum(bytes.subarray(0, IPV4_HEADER_BYTES)))
  bytes.set(packet.payload, IPV4_HEADER_BYTES)
  return bytes
}

export function addressAt(bytes: Uint8Array, at: number): string {
  return bytes.subarray(at, at + 4).join('.')
}

export function octetsOf(address: string): number[] {
  return address.split('.').map(Number)
}
