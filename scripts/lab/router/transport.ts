/** UDP and TCP as a translator needs them: ports out of a packet, other endpoints and a right checksum into it. */
import { type Decoded, decoded, malformed } from '../../../src/core/decoded.ts'
import type { Endpoint } from '../../../src/core/endpoint.ts'
import { internetChecksum, pseudoHeaderSum } from './checksum.ts'
import { type Ipv4Packet, PROTOCOLS } from './ipv4.ts'

export interface Endpoints {
  readonly from: Endpoint
  readonly to: Endpoint
}

const HEADER_BYTES = { [PROTOCOLS.udp]: 8, [PROTOCOLS.tcp]: 20 } as const
const CHECKSUM_AT = { [PROTOCOLS.udp]: 6, [PROTOCOLS.tcp]: 16 } as const

type TransportProtocol = keyof typeof HEADER_BYTES

export function isTransport(protocol: number): protocol is TransportProtocol {
  return protocol in HEADER_BYTES
}

/** The endpoints of a whole UDP or TCP packet, whose checksum is right. */
export function decodeEndpoints(packet: Ipv4Packet): Decoded<Endpoints> {
  const { protocol, payload, source, destination } = packet
  if (!isTransport(protocol)) return malformed(`protocol ${protocol} has no ports`)
  if (payload.length < HEADER_BYTES[protocol]) return malformed('shorter than its header')
  if (protocol === PROTOCOLS.udp && readUint16(payload, 4) !== payload.length) {
    return malformed('UDP length does not fit')
  }
  const isUnchecked = protocol === PROTOCOLS.udp && readUint16(payload, 6) === 0
  const sum = pseudoHeaderSum(source, destination, protocol, payload.length)
  if (!isUnchecked && internetChecksum(payload, sum) !== 0) return malformed('checksum')
  return decodeLeadingEndpoints(packet)
}

/** The same from the first eight bytes alone, which is all that an ICMP error need carry (RFC 792). */
export function decodeLeadingEndpoints(packet: Ipv4Packet): Decoded<Endpoints> {
  if (packet.payload.length < 8) return malformed('no ports')
  return decoded({
    from: { family: 4, address: packet.source, port: readUint16(packet.payload, 0) },
    to: { family: 4, address: packet.destination, port: readUint16(packet.payload, 2) },
  })
}

/** The packet between other endpoints. */
export function readdressed(packet: Ipv4Packet, { from, to }: Endpoints): Ipv4Packet {
  const { protocol } = packet
  const payload = Uint8Array.from(packet.payload)
  writeUint16(payload, 0, from.port)
  writeUint16(payload, 2, to.port)
  if (isTransport(protocol)) {
    const at = CHECKSUM_AT[protocol]
    const isUnchecked = protocol === PROTOCOLS.udp && readUint16(payload, at) === 0 // RFC 768: none
    if (!isUnchecked && payload.length >= HEADER_BYTES[protocol]) {
      writeUint16(payload, at, 0)
      const sum = pseudoHeaderSum(from.address, to.address, protocol, payload.length)
      const checksum = internetChecksum(payload, sum)
      writeUint16(payload, at, checksum === 0 ? 0xffff : checksum) // zero would mean "unchecked"
    }
  }
  return { ...packet, source: from.address, destination: to.address, payload }
}

/** A UDP packet from scratch. */
export function udpPacket({ from, to }: Endpoints, body: Uint8Array, ttl = 64): Ipv4Packet {
  const payload = new Uint8Array(8 + body.length)
  writeUint16(payload, 4, payload.length)
  writeUint16(payload, 6, 1) // anything but "unchecked"
  payload.set(body, 8)
  const packet = { ...bare, source: from.address, destination: to.address, ttl, payload }
  return readdressed({ ...packet, protocol: PROTOCOLS.udp }, { from, to })
}

const bare = {
  trafficClass: 0,
  identification: 0,
  isFragmentable: true,
  hasMoreFragments: false,
  fragmentOffset: 0,
} as const

export function readUint16(bytes: Uint8Array, at: number): number {
  return ((bytes[at] ?? 0) << 8) | (bytes[at + 1] ?? 0)
}

export function writeUint16(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value >> 8
  bytes[at + 1] = value & 0xff
}
