/** A device's long-term Ed25519 signing key (RFC 8032), and the check of anybody's signature. */
import { sign, verify } from 'node:crypto'
import { fromHex, equalBytes, copyOf } from '../core/bytes.ts'
import { importPrivateKey, importPublicKey, rawPublicKey } from './raw-key.ts'

export const SIGNATURE_BYTES = 64

export interface Identity {
  readonly publicKey: Uint8Array // 32 bytes
  /** 64 bytes; the same message always gets the same signature (RFC 8032 §5.1.6). */
  sign(message: Uint8Array): Uint8Array
}

/** The seed is RFC 8032's 32-byte private key: whoever has it is this device. */
export function identityFromSeed(seed: Uint8Array): Identity {
  const key = importPrivateKey('ed25519', seed)
  return {
    publicKey: rawPublicKey(key),
    sign: (message) => sign(null, message, key),
  }
}

/** `false` for anything that is not a valid signature, whatever bytes a stranger sends. */
export function verifySignature(
  publicKey: Uint8Array,
  message: Uint8Array,
  signature: Uint8Array,
): boolean {
  if (signature.length !== SIGNATURE_BYTES || isSmallOrder(publicKey)) return false
  const key = importPublicKey('ed25519', publicKey)
  if (key === undefined) return false
  try {
    return verify(null, message, key, signature)
  } catch {
    return false // a key that is not a point of the curve
  }
}

// The y coordinates of the eight points of small order, with their second encodings where p or p + 1 still fits.
// With such a key OpenSSL accepts one signature for every message, so it could not name a device.
const SMALL_ORDER_Y = [
  '0000000000000000000000000000000000000000000000000000000000000000',
  '0100000000000000000000000000000000000000000000000000000000000000',
  '26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05',
  'c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a',
  'ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
  'edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
  'eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
].map(fromHex)

function isSmallOrder(publicKey: Uint8Array): boolean {
  const y = copyOf(publicKey)
  y[31] = (y[31] ?? 0) & 0x7f // the top bit is the sign of x
  return SMALL_ORDER_Y.some((smallOrder) => equalBytes(smallOrder, y))
}
