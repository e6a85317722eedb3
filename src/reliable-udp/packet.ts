/**
 * Packet headers. The first two bits are 01, so that a packet is never taken for STUN (RFC 9443).
 *
 *     0 1 T T K K A r | connection id (8, receiver's) | length (2) | packet number (4, truncated) | AEAD( frames ) + tag (16)
 *
 * T: 0 handshake, 1 data, 2 retry, 3 version negotiation. K: key phase, the key generation modulo 4.
 * A: the sender falls silent after this packet, so acknowledge at once. r: zero when sent, not looked at when received.
 * `length` is the whole packet's, from the first byte on: it splits datagrams that the kernel or the sender
 * put together. The whole header is the AEAD's associated data.
 */
import { toHex } from '../core/bytes.ts'

export const CONNECTION_ID_BYTES = 8
/** First byte, connection id, length: what all kinds of packets share. */
export const COMMON_HEADER_BYTES = 11
export const DATA_HEADER_BYTES = 15
export const TAG_BYTES = 16
/** What a data packet costs beyond its frames. */
export const DATA_OVERHEAD_BYTES = DATA_HEADER_BYTES + TAG_BYTES

/** Every path that IPv6 allows carries this much, and so every packet may be as long (RFC 9000 §14). */
export const BASE_DATAGRAM_BYTES = 1200

export const packetKinds = ['handshake', 'data', 'retry', 'version-negotiation'] as const
export type PacketKind = (typeof packetKinds)[number]

declare const connectionId: unique symbol

/** Names a connection at its receiver: 8 bytes as 16 hex digits, comparable and fit for maps. */
export type ConnectionId = string & { readonly [connectionId]: true }

/** @throws RangeError unless there are 8 bytes: ids are read from fields of that size. */
export function connectionIdOf(bytes: Uint8Array): ConnectionId {
  if (bytes.length !== CONNECTION_ID_BYTES) throw new RangeError('A connection id has 8 bytes')
  return toHex(bytes) as ConnectionId
}

/** Whom a datagram is for, by its first packet; `undefined` when it is none of this protocol. */
export function packetConnectionId(bytes: Uint8Array): ConnectionId | undefined {
  if (((bytes[0] ?? 0) & 0xc0) !== 0x40 || bytes.length < COMMON_HEADER_BYTES) return undefined
  return connectionIdOf(bytes.subarray(1, 1 + CONNECTION_ID_BYTES))
}

/** How long the packet that begins here says it is; only for one of this protocol. */
export function packetBytes(bytes: Uint8Array): number | undefined {
  if (bytes.length < COMMON_HEADER_BYTES) return undefined
  return (byteAt(bytes, 9) << 8) | byteAt(bytes, 10)
}

/** Of the first packet of a datagram that is known to be of this protocol. */
export function packetKindOf(bytes: Uint8Array): PacketKind {
  return packetKinds[(((bytes[0] ?? 0) >> 4) & 3) as 0 | 1 | 2 | 3]
}

export function firstByte(kind: PacketKind, lowBits: number): number {
  return 0x40 | (packetKinds.indexOf(kind) << 4) | lowBits
}

export interface DataHeader {
  readonly destination: Uint8Array
  readonly packetBytes: number
  readonly number: number
  readonly keyPhase: number
  readonly asksForAck: boolean
}

/** Writes the 15 bytes at `offset`. */
export function writeDataHeader(target: Uint8Array, offset: number, header: DataHeader): void {
  const { destination, packetBytes, number } = header
  target[offset] = 0x50 | (header.keyPhase << 2) | (header.asksForAck ? 2 : 0)
  for (let i = 0; i < CONNECTION_ID_BYTES; i++) target[offset + 1 + i] = destination[i] ?? 0
  target[offset + 9] = packetBytes >> 8
  target[offset + 10] = packetBytes
  target[offset + 11] = number >>> 24
  target[offset + 12] = number >>> 16
  target[offset + 13] = number >>> 8
  target[offset + 14] = number
}

/** Looks at one packet after another in a datagram. One reader serves all datagrams: nothing is allocated. */
export class PacketReader {
  kind: PacketKind = 'data'
  start = 0
  end = 0
  keyPhase = 0
  asksForAck = false
  /** The low 32 bits; `expandPacketNumber` finds the rest. Data packets only. */
  truncatedNumber = 0

  /** Reads the header at `start`; false when no whole packet begins there. */
  read(bytes: Uint8Array, start: number): boolean {
    const first = bytes[start] ?? 0
    if ((first & 0xc0) !== 0x40 || bytes.length - start < COMMON_HEADER_BYTES) return false
    const length = (byteAt(bytes, start + 9) << 8) | byteAt(bytes, start + 10)
    this.kind = packetKinds[((first >> 4) & 3) as 0 | 1 | 2 | 3]
    this.start = start
    this.end = start + length
    if (length < COMMON_HEADER_BYTES || this.end > bytes.length) return false
    return this.kind !== 'data' || this.#readDataHeader(bytes, first, length)
  }

  #readDataHeader(bytes: Uint8Array, first: number, length: number): boolean {
    if (length < DATA_OVERHEAD_BYTES) return false
    this.keyPhase = (first >> 2) & 3
    this.asksForAck = (first & 2) !== 0
    const at = this.start + COMMON_HEADER_BYTES
    const high = (byteAt(bytes, at) << 8) | byteAt(bytes, at + 1)
    this.truncatedNumber = high * 0x1_0000 + ((byteAt(bytes, at + 2) << 8) | byteAt(bytes, at + 3))
    return true
  }
}

const NUMBER_SPAN = 2 ** 32

/** The whole packet number: the one nearest to the next expected whose low 32 bits these are (RFC 9000 §A.3). */
export function expandPacketNumber(truncated: number, expected: number): number {
  const candidate = expected - (expected % NUMBER_SPAN) + truncated
  if (candidate <= expected - NUMBER_SPAN / 2) return candidate + NUMBER_SPAN
  if (candidate > expected + NUMBER_SPAN / 2 && candidate >= NUMBER_SPAN) {
    return candidate - NUMBER_SPAN
  }
  return candidate
}

function byteAt(bytes: Uint8Array, index: number): number {
  return bytes[index] ?? 0
}
