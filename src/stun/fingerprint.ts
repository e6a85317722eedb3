/** FINGERPRINT (RFC 8489 §14.7): a CRC-32 over the received bytes, to tell STUN from other packets on one port. */
import { crc32 } from 'node:zlib'
import { asBuffer } from '../core/bytes.ts'
import { attributeTypes } from './message.ts'
import type { RawAttribute } from './raw-message.ts'

/** "STUN" in ASCII; keeps the value apart from the CRC that the packet itself may carry. */
const XOR_MASK = 0x5354554e

const ATTRIBUTE_BYTES = 8

/** The same message with FINGERPRINT as its last attribute. */
export function withFingerprint(message: Uint8Array): Uint8Array {
  const bytes = Buffer.alloc(message.length + ATTRIBUTE_BYTES)
  bytes.set(message)
  bytes.writeUInt16BE(bytes.length - 20, 2)
  bytes.writeUInt16BE(attributeTypes.fingerprint, message.length)
  bytes.writeUInt16BE(4, message.length + 2)
  bytes.writeUInt32BE(fingerprint(bytes.subarray(0, message.length)), message.length + 4)
  return bytes
}

/** Whether FINGERPRINT, where there is one, is right. It must be the last attribute. */
export function hasSoundFingerprint(
  bytes: Uint8Array,
  attributes: readonly RawAttribute[],
): boolean {
  const at = attributes.findIndex(({ type }) => type === attributeTypes.fingerprint)
  const found = attributes[at]
  if (found === undefined) return true
  if (at !== attributes.length - 1 || found.value.length !== 4) return false
  return found.value.readUInt32BE(0) === fingerprint(bytes.subarray(0, found.offset))
}

function fingerprint(covered: Uint8Array): number {
  return (crc32(asBuffer(covered)) ^ XOR_MASK) >>> 0
}
