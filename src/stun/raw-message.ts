/**
 * The strict look at raw bytes that comes before anything is believed or built (RFC 8489 §5, §14):
 *
 *      0                   1                   2                   3
 *     |0 0|  message type 14      |         length of attributes      |
 *     |                      magic cookie 0x2112a442                  |
 *     |                    transaction id (96 bits)                   |
 *     |      attribute type       |          length                   |  value, padded to 4 bytes; and so on
 */
import { asBuffer } from '../core/bytes.ts'
import { type Decoded, decoded, malformed } from '../core/decoded.ts'
import { HEADER_BYTES, MAGIC_COOKIE } from './message.ts'

/** No message of RFC 8489 or RFC 5780 has a dozen; the rest is room, and keeps a 64 KiB datagram of empty ones cheap. */
const MAX_ATTRIBUTES = 64

export interface RawAttribute {
  readonly type: number
  /** Where its type field begins: what MESSAGE-INTEGRITY and FINGERPRINT cover ends here. */
  readonly offset: number
  /** A view of the message's own bytes, without the padding. */
  readonly value: Buffer
}

/** The attributes of a whole, well-formed message; nothing is said about their values. */
export function walkAttributes(bytes: Uint8Array): Decoded<readonly RawAttribute[]> {
  if (bytes.length < HEADER_BYTES) return malformed('shorter than a STUN header')
  const buffer = asBuffer(bytes)
  if (buffer.readUInt16BE(0) >= 0x4000) return malformed('not STUN')
  if (buffer.readUInt16BE(2) !== bytes.length - HEADER_BYTES) return malformed('wrong length')
  if (buffer.readUInt32BE(4) !== MAGIC_COOKIE) return malformed('no magic cookie')
  return walk(buffer)
}

/** The attributes alone, of a message whose header was looked at by someone else (RFC 3489 has no cookie). */
export function walk(buffer: Buffer): Decoded<readonly RawAttribute[]> {
  if (buffer.length % 4 !== 0) return malformed('length not a multiple of 4')
  const attributes: RawAttribute[] = [] // ≤ MAX_ATTRIBUTES
  let offset = HEADER_BYTES
  while (offset < buffer.length) {
    const length = buffer.readUInt16BE(offset + 2)
    const end = offset + 4 + length
    if (end > buffer.length) return malformed('attribute beyond the end')
    if (attributes.length === MAX_ATTRIBUTES) return malformed('too many attributes')
    const type = buffer.readUInt16BE(offset)
    attributes.push({ type, offset, value: buffer.subarray(offset + 4, end) })
    offset += 4 + paddedLength(length)
  }
  return decoded(attributes)
}

/** RFC 8489 §14: values are padded to a multiple of 4 bytes; the length field does not count the padding. */
export function paddedLength(length: number): number {
  return (length + 3) & ~3
}
