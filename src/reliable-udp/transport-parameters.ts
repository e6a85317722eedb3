/**
 * What each side tells of itself inside the authenticated handshake payload: a list of (id, length, value), each a
 * varint but the value itself. Ids are RFC 9000 §18.2's where the meaning is. Unknown ones are skipped.
 */
import { type Decoded, decoded, malformed } from '../core/decoded.ts'
import { RESET_TOKEN_BYTES } from './frame.ts'
import { BASE_DATAGRAM_BYTES, CONNECTION_ID_BYTES } from './packet.ts'
import { ByteReader, ByteWriter, varintLength } from './varint.ts'

export interface TransportParameters {
  /** 0: never. */
  readonly idleTimeoutMs: number
  /** The longest datagram it takes. */
  readonly maxDatagramBytes: number
  /** Flow control at first: for the connection, for each stream, and streams of each kind. */
  readonly maxBytes: number
  readonly maxStreamBytes: number
  readonly maxStreams: number
  readonly maxAckDelayMs: number
  /** The id it chose for itself: must be the one in the packet's header, which nothing else protects. */
  readonly sourceId: Uint8Array
  /** What its stateless reset of a packet under `sourceId` carries, 16 bytes. */
  readonly resetToken: Uint8Array | undefined
}

const IDS = {
  idleTimeout: 0x01,
  resetToken: 0x02,
  maxDatagram: 0x03,
  maxBytes: 0x04,
  maxStreamBytes: 0x05,
  maxStreams: 0x08,
  maxAckDelay: 0x0b,
  sourceId: 0x0f,
} as const

/** RFC 9000 §18.2: longer would make every timer meaningless. */
const LONGEST_ACK_DELAY_MS = 2 ** 14

/** Six numbers, an id, a token. */
const LONGEST_BYTES = 6 * (1 + 1 + 8) + (1 + 1 + CONNECTION_ID_BYTES) + (1 + 1 + RESET_TOKEN_BYTES)

export function encodeTransportParameters(parameters: TransportParameters): Uint8Array {
  const writer = new ByteWriter(new Uint8Array(LONGEST_BYTES))
  const put = (id: number, value: number): void => {
    writer.varint(id)
    writer.varint(varintLength(value))
    writer.varint(value)
  }
  put(IDS.idleTimeout, parameters.idleTimeoutMs)
  put(IDS.maxDatagram, parameters.maxDatagramBytes)
  put(IDS.maxBytes, parameters.maxBytes)
  put(IDS.maxStreamBytes, parameters.maxStreamBytes)
  put(IDS.maxStreams, parameters.maxStreams)
  put(IDS.maxAckDelay, parameters.maxAckDelayMs)
  writer.varint(IDS.sourceId)
  writer.varint(CONNECTION_ID_BYTES)
  writer.raw(parameters.sourceId)
  if (parameters.resetToken !== undefined) {
    writer.varint(IDS.resetToken)
    writer.varint(RESET_TOKEN_BYTES)
    writer.raw(parameters.resetToken)
  }
  return writer.bytes.subarray(0, writer.at)
}

export function decodeTransportParameters(bytes: Uint8Array): Decoded<TransportParameters> {
  const reader = new ByteReader(bytes)
  const numbers = new Map<number, number>() // ≤ half the payload's bytes
  let sourceId: Uint8Array | undefined
  let resetToken: Uint8Array | undefined
  while (reader.remaining > 0) {
    const id = reader.varint()
    const value = reader.take(reader.varint())
    if (reader.isBroken) return malformed('transport parameter too short')
    if (id === IDS.sourceId) sourceId = Uint8Array.from(value)
    else if (id === IDS.resetToken) resetToken = Uint8Array.from(value)
    else if (numbers.has(id)) return malformed('transport parameter given twice')
    else numbers.set(id, new ByteReader(value).varint())
  }
  if (sourceId?.length !== CONNECTION_ID_BYTES) return malformed('source id missing')
  const isTokenWrong = resetToken !== undefined && resetToken.length !== RESET_TOKEN_BYTES
  if (isTokenWrong) return malformed('reset token of another length')
  return checked(numbers, sourceId, resetToken)
}

function checked(
  numbers: Map<number, number>,
  sourceId: Uint8Array,
  resetToken: Uint8Array | undefined,
): Decoded<TransportParameters> {
  const maxDatagramBytes = numbers.get(IDS.maxDatagram) ?? BASE_DATAGRAM_BYTES
  if (maxDatagramBytes < BASE_DATAGRAM_BYTES) return malformed('longest datagram too short')
  const maxAckDelayMs = numbers.get(IDS.maxAckDelay) ?? 25
  if (maxAckDelayMs >= LONGEST_ACK_DELAY_MS) return malformed('ACK delay too long')
  return decoded({
    idleTimeoutMs: numbers.get(IDS.idleTimeout) ?? 0,
    maxDatagramBytes: Math.min(maxDatagramBytes, 65_535),
    maxBytes: numbers.get(IDS.maxBytes) ?? 0,
    maxStreamBytes: numbers.get(IDS.maxStreamBytes) ?? 0,
    maxStreams: numbers.get(IDS.maxStreams) ?? 0,
    maxAckDelayMs,
    sourceId,
    resetToken,
  })
}
