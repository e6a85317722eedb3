/**
 * MESSAGE-INTEGRITY (HMAC-SHA1, RFC 8489 §14.5) and MESSAGE-INTEGRITY-SHA256 (§14.6).
 *
 * A check is made over the bytes as they were received: re-encoding a parsed message, as some do, changes paddings and
 * unknown attributes and finds honest messages forged (three of the four vectors of RFC 5769).
 */
import { asBuffer, concatBytes, utf8 } from '../core/bytes.ts'
import { hmacSha1, hmacSha256, md5, timingSafeEqual } from '../crypto/hash.ts'
import { attributeTypes, HEADER_BYTES } from './message.ts'
import { type RawAttribute, walkAttributes } from './raw-message.ts'

export type IntegrityKind = 'message-integrity' | 'message-integrity-sha256'

const MAC_BYTES = { 'message-integrity': 20, 'message-integrity-sha256': 32 } as const

/** RFC 8489 §14.6: a SHA-256 MAC may be cut, in steps of 4 bytes, down to this. */
const MIN_SHA256_BYTES = 16

/** RFC 8489 §9.1.1. The password has been through OpaqueString (SASLprep) already. */
export function shortTermKey(password: string): Uint8Array {
  return utf8(password)
}

/** RFC 8489 §9.2.2, for the MD5 algorithm that every server knows. The strings have been through OpaqueString already. */
export function longTermKey(username: string, realm: string, password: string): Uint8Array {
  return md5(utf8(`${username}:${realm}:${password}`))
}

/** The same message with its MAC appended. Only FINGERPRINT (and SHA-256 after SHA-1) may follow. */
export function withIntegrity(
  message: Uint8Array,
  kind: IntegrityKind,
  key: Uint8Array,
): Uint8Array {
  const header = Buffer.alloc(4)
  header.writeUInt16BE(attributeTypes[kind], 0)
  header.writeUInt16BE(MAC_BYTES[kind], 2)
  const covered = coveredBytes(message, message.length, MAC_BYTES[kind])
  return concatBytes(covered, header, mac(kind, key, covered))
}

/** `absent` is for the caller to judge: some messages need none. */
export function checkIntegrity(
  bytes: Uint8Array,
  kind: IntegrityKind,
  key: Uint8Array,
): 'valid' | 'wrong' | 'absent' {
  const attributes = walkAttributes(bytes)
  if (!attributes.ok) return 'wrong'
  const found = attributes.value.find(({ type }) => type === attributeTypes[kind])
  if (found === undefined) return 'absent'
  if (!hasAllowedLength(kind, found)) return 'wrong'
  const expected = mac(kind, key, coveredBytes(bytes, found.offset, found.value.length))
  return timingSafeEqual(expected.subarray(0, found.value.length), found.value) ? 'valid' : 'wrong'
}

function hasAllowedLength(kind: IntegrityKind, { value }: RawAttribute): boolean {
  if (value.length === MAC_BYTES[kind]) return true
  if (kind === 'message-integrity') return false
  return (
    value.length >= MIN_SHA256_BYTES && value.length < MAC_BYTES[kind] && value.length % 4 === 0
  )
}

// Everything before the attribute, with a header length that counts up to the attribute's end, whatever follows it.
function coveredBytes(bytes: Uint8Array, offset: number, macBytes: number): Uint8Array {
  const covered = asBuffer(Uint8Array.from(bytes.subarray(0, offset)))
  covered.writeUInt16BE(offset + 4 + macBytes - HEADER_BYTES, 2)
  return covered
}

function mac(kind: IntegrityKind, key: Uint8Array, covered: Uint8Array): Uint8Array {
  return kind === 'message-integrity' ? hmacSha1(key, covered) : hmacSha256(key, covered)
}
