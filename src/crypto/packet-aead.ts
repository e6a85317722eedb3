/**
 * ChaCha20-Poly1305 (RFC 8439 §2.8) for packets: in the caller's memory, since it is done for each one. There are two
 * implementations that give the same bytes; which one runs depends on what is installed
 * (docs/adr/0014-optional-native-helpers.md).
 */
import { openAead, sealAead, TAG_BYTES } from './aead.ts'

export interface PacketAead {
  readonly name: 'sodium-native' | 'node:crypto'
  /**
   * Seals `bytes[bodyStart..bodyEnd)` where it lies, with `bytes[headerStart..bodyStart)` as associated data. The tag
   * goes into the 16 bytes from `bodyEnd`. `nonce` is used once with a key: callers count.
   */
  seal(
    key: Uint8Array,
    nonce: Uint8Array,
    bytes: Uint8Array,
    headerStart: number,
    bodyStart: number,
    bodyEnd: number,
  ): void
  /**
   * Opens `bytes[bodyStart..end)`, tag included, into `target`, which is 16 bytes shorter. False when the tag does not
   * fit: forged, damaged, or sealed otherwise; `target` holds nothing of use then.
   */
  open(
    key: Uint8Array,
    nonce: Uint8Array,
    bytes: Uint8Array,
    headerStart: number,
    bodyStart: number,
    end: number,
    target: Uint8Array,
  ): boolean
}

export const portablePacketAead: PacketAead = {
  name: 'node:crypto',
  seal(key, nonce, bytes, headerStart, bodyStart, bodyEnd) {
    const header = bytes.subarray(headerStart, bodyStart)
    bytes.set(sealAead(key, nonce, header, bytes.subarray(bodyStart, bodyEnd)), bodyStart)
  },
  open(key, nonce, bytes, headerStart, bodyStart, end, target) {
    if (end - bodyStart !== target.length + TAG_BYTES) return false
    const header = bytes.subarray(headerStart, bodyStart)
    const opened = openAead(key, nonce, header, bytes.subarray(bodyStart, end))
    if (opened === undefined) return false
    target.set(opened)
    return true
  },
}
