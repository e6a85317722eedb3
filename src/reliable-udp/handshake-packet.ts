/**
 * The packets that carry the Noise handshake, and the answer to a version nobody here speaks.
 *
 *     0 1 0 0 S S P P | destination id (8) | length (2) | version (4) | source id (8)
 *       | token length (1) | token | message length (2) | Noise message | zeros …
 *
 * S: 0 initial, 1 response, 2 final. P: 0 IK, 1 XX. The token is the one of a RETRY packet, else empty. Nothing here is
 * secret; ids, version and pattern are proven by the Noise prologue and payloads.
 *
 *     0 1 1 0 r r r r | destination id (8) | length (2) | source id (8) | token length (1) | token          retry
 *     0 1 1 1 r r r r | destination id (8) | length (2) | source id (8) | supported version (4) …           versions
 */
import { type Decoded, decoded, malformed } from '../core/decoded.ts'
import { COMMON_HEADER_BYTES, CONNECTION_ID_BYTES, firstByte } from './packet.ts'
import { ByteReader, ByteWriter } from './varint.ts'

export const PROTOCOL_VERSION = 1

/** RFC 9000 §15: versions 0x?a?a?a?a are never spoken; naming one keeps peers from relying on a fixed list. */
export const RESERVED_VERSION = 0x1a2a3a4a

/** More than anybody will ever speak at once; the rest of a longer list is not looked at. */
const MAX_VERSIONS = 16

export const handshakeSteps = ['initial', 'response', 'final'] as const
export type HandshakeStep = (typeof handshakeSteps)[number]
export type HandshakePattern = 'IK' | 'XX'

export interface HandshakePacket {
  readonly step: HandshakeStep
  readonly pattern: HandshakePattern
  readonly version: number
  readonly destination: Uint8Array // 8 bytes
  readonly source: Uint8Array // 8 bytes
  /** What a RETRY gave; empty without one. */
  readonly token: Uint8Array // ≤ 255 bytes
  readonly message: Uint8Array
}

/** Under load: send the same initial once more, with this token. */
export interface RetryPacket {
  /** The initiator's own id. */
  readonly destination: Uint8Array // 8 bytes
  /** The id that the initial was sent to: who never saw it cannot name it. */
  readonly source: Uint8Array // 8 bytes
  readonly token: Uint8Array // ≤ 255 bytes
}

export interface VersionNegotiation {
  readonly destination: Uint8Array // 8 bytes
  readonly source: Uint8Array // 8 bytes
  readonly versions: readonly number[] // ≤ MAX_VERSIONS
}

// version, source id, token length, message length
const FIXED_BYTES = COMMON_HEADER_BYTES + 4 + CONNECTION_ID_BYTES + 1 + 2

/** `paddedTo` fills up with zeros to at least that length. */
export function encodeHandshakePacket(packet: HandshakePacket, paddedTo = 0): Uint8Array {
  const { token, message } = packet
  const length = Math.max(FIXED_BYTES + token.length + message.length, paddedTo)
  const writer = new ByteWriter(new Uint8Array(length))
  const lowBits = (handshakeSteps.indexOf(packet.step) << 2) | (packet.pattern === 'IK' ? 0 : 1)
  writer.unsigned(firstByte('handshake', lowBits), 1)
  writer.raw(packet.destination)
  writer.unsigned(length, 2)
  writer.unsigned(packet.version, 4)
  writer.raw(packet.source)
  writer.unsigned(token.length, 1)
  writer.raw(token)
  writer.unsigned(message.length, 2)
  writer.raw(message)
  return writer.bytes
}

/** `bytes` is one packet, already cut out by its length. The result's fields are views into it. */
export function decodeHandshakePacket(bytes: Uint8Array): Decoded<HandshakePacket> {
  const reader = new ByteReader(bytes)
  const first = reader.unsigned(1)
  const destination = reader.take(CONNECTION_ID_BYTES)
  reader.skip(2)
  const version = reader.unsigned(4)
  const source = reader.take(CONNECTION_ID_BYTES)
  const token = reader.take(reader.unsigned(1))
  const message = reader.take(reader.unsigned(2))
  if (reader.isBroken) return malformed('handshake packet too short')
  const step = handshakeSteps[(first >> 2) & 3]
  if (step === undefined) return malformed('unknown handshake step')
  if ((first & 3) > 1) return malformed('unknown handshake pattern')
  const pattern = (first & 3) === 0 ? 'IK' : 'XX'
  return decoded({ step, pattern, version, destination, source, token, message })
}

export function encodeRetry({ destination, source, token }: RetryPacket): Uint8Array {
  const length = COMMON_HEADER_BYTES + CONNECTION_ID_BYTES + 1 + token.length
  const writer = new ByteWriter(new Uint8Array(length))
  writer.unsigned(firstByte('retry', 0), 1)
  writer.raw(destination)
  writer.unsigned(length, 2)
  writer.raw(source)
  writer.unsigned(token.length, 1)
  writer.raw(token)
  return writer.bytes
}

/** `bytes` is one packet, already cut out by its length. The result's fields are views into it. */
export function decodeRetry(bytes: Uint8Array): Decoded<RetryPacket> {
  const reader = new ByteReader(bytes)
  reader.skip(1)
  const destination = reader.take(CONNECTION_ID_BYTES)
  reader.skip(2)
  const source = reader.take(CONNECTION_ID_BYTES)
  const token = reader.take(reader.unsigned(1))
  if (reader.isBroken) return malformed('retry too short')
  return decoded({ destination, source, token })
}

export function encodeVersionNegotiation(packet: VersionNegotiation): Uint8Array {
  const length = COMMON_HEADER_BYTES + CONNECTION_ID_BYTES + 4 * packet.versions.length
  const writer = new ByteWriter(new Uint8Array(length))
  writer.unsigned(firstByte('version-negotiation', 0), 1)
  writer.raw(packet.destination)
  writer.unsigned(length, 2)
  writer.raw(packet.source)
  for (const version of packet.versions) writer.unsigned(version, 4)
  return writer.bytes
}

export function decodeVersionNegotiation(bytes: Uint8Array): Decoded<VersionNegotiation> {
  const reader = new ByteReader(bytes)
  reader.skip(1)
  const destination = reader.take(CONNECTION_ID_BYTES)
  reader.skip(2)
  const source = reader.take(CONNECTION_ID_BYTES)
  const versions: number[] = []
  while (reader.remaining >= 4 && versions.length < MAX_VERSIONS) versions.push(reader.unsigned(4))
  if (reader.isBroken) return malformed('version negotiation too short')
  return decoded({ destination, source, versions })
}
