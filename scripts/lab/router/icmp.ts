/** ICMP (RFC 792) as a translator needs it: echoes have an identifier for a port, errors carry the packet they mean. */
import { type Decoded, decoded, malformed } from '../../../src/core/decoded.ts'
import type { Endpoint } from '../../../src/core/endpoint.ts'
import { internetChecksum } from './checksum.ts'
import { addressAt, IPV4_HEADER_BYTES, type Ipv4Packet, octetsOf } from './ipv4.ts'
import { type Endpoints, readUint16, writeUint16 } from './transport.ts'

export type IcmpMessage =
  | { readonly kind: 'echo-request' | 'echo-reply'; readonly identifier: number }
  | { readonly kind: 'error'; readonly about: Quoted }

/** What an error quotes of a packet that did not arrive: its endpoints, as they were where it died. */
export interface Quoted extends Endpoints {
  readonly protocol: number
}

const ECHO_REPLY = 0
const ECHO_REQUEST = 8
const ERRORS = new Set([3, 11, 12]) // destination unreachable, time exceeded, parameter problem
const HEADER_BYTES = 8

export function decodeIcmp({ payload }: Ipv4Packet): Decoded<IcmpMessage> {
  if (payload.length < HEADER_BYTES) return malformed('shorter than an ICMP header')
  if (internetChecksum(payload) !== 0) return malformed('ICMP checksum')
  const [type = 0] = payload
  if (type === ECHO_REQUEST || type === ECHO_REPLY) {
    const kind = type === ECHO_REQUEST ? 'echo-request' : 'echo-reply'
    return decoded({ kind, identifier: readUint16(payload, 4) })
  }
  if (!ERRORS.has(type)) return malformed(`ICMP type ${type}`)
  const about = decodeQuoted(payload.subarray(HEADER_BYTES))
  return about.ok ? decoded({ kind: 'error', about: about.value }) : about
}

/** The echo with another identifier and between other hosts. */
export function readdressedEcho(packet: Ipv4Packet, { from, to }: Endpoints): Ipv4Packet {
  const payload = Uint8Array.from(packet.payload)
  const isRequest = payload[0] === ECHO_REQUEST
  writeUint16(payload, 4, isRequest ? from.port : to.port)
  return { ...withChecksum(packet, payload), source: from.address, destination: to.address }
}

/**
 * The error about a packet between other endpoints, for another receiver. The sum of the quoted packet's own checksum is
 * left as it is: nobody can check it, since the quote is not whole.
 */
export function readdressedError(
  packet: Ipv4Packet,
  receiver: { readonly source: string; readonly destination: string },
  { from, to }: Endpoints,
): Ipv4Packet {
  const payload = Uint8Array.from(packet.payload)
  const quote = payload.subarray(HEADER_BYTES)
  const headerBytes = ((quote[0] ?? 0) & 0x0f) * 4
  quote.set(octetsOf(from.address), 12)
  quote.set(octetsOf(to.address), 16)
  writeUint16(quote, 10, 0)
  writeUint16(quote, 10, internetChecksum(quote.subarray(0, headerBytes)))
  if (quote[9] === 1) {
    writeUint16(quote, headerBytes + 4, from.port)
  } else {
    writeUint16(quote, headerBytes, from.port)
    writeUint16(quote, headerBytes + 2, to.port)
  }
  return { ...withChecksum(packet, payload), ...receiver }
}

function decodeQuoted(quote: Uint8Array): Decoded<Quoted> {
  const headerBytes = ((quote[0] ?? 0) & 0x0f) * 4
  if (headerBytes < IPV4_HEADER_BYTES || quote.length < headerBytes + 8) {
    return malformed('quotes too little')
  }
  const protocol = quote[9] ?? 0
  const end = (at: number, port: number): Endpoint => ({
    family: 4,
    address: addressAt(quote, at),
    port,
  })
  if (protocol === 1) {
    const isEcho = quote[headerBytes] === ECHO_REQUEST
    if (!isEcho) return malformed('quotes no echo request')
    return decoded({
      protocol,
      from: end(12, readUint16(quote, headerBytes + 4)),
      to: end(16, 0),
    })
  }
  return decoded({
    protocol,
    from: end(12, readUint16(quote, headerBytes)),
    to: end(16, readUint16(quote, headerBytes + 2)),
  })
}

function withChecksum(packet: Ipv4Packet, payload: Uint8Array): Ipv4Packet {
  writeUint16(payload, 2, 0)
  writeUint16(payload, 2, internetChecksum(payload))
  return { ...packet, payload }
}
