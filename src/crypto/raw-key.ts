/**
 * Raw 32-byte keys of RFC 7748 and RFC 8032 as node:crypto's key objects. The DER encoding of a private key (RFC 8410 §7)
 * is a fixed prefix before the 32 bytes, so no ASN.1 is needed. A public key goes in as JWK (RFC 8037): OpenSSL is handed
 * the bytes then, while for DER it asks all of its decoders, ten times as long.
 */
import { createPrivateKey, createPublicKey, type KeyObject } from 'node:crypto'
import { asBuffer, concatBytes, copyOf, fromHex } from '../core/bytes.ts'

export const KEY_BYTES = 32

export type RawKeyKind = 'x25519' | 'ed25519'

// The two differ in the last byte of the algorithm's object identifier: 1.3.101.110 and 1.3.101.112.
const PRIVATE_PREFIX = {
  x25519: fromHex('302e020100300506032b656e04220420'),
  ed25519: fromHex('302e020100300506032b657004220420'),
} as const
const CURVES = { x25519: 'X25519', ed25519: 'Ed25519' } as const

/** @throws TypeError when the seed is not 32 bytes: seeds are ours, never a stranger's. */
export function importPrivateKey(kind: RawKeyKind, seed: Uint8Array): KeyObject {
  if (seed.length !== KEY_BYTES) throw new TypeError(`A ${kind} seed has ${KEY_BYTES} bytes`)
  const key = concatBytes(PRIVATE_PREFIX[kind], seed) as Buffer
  return createPrivateKey({ key, format: 'der', type: 'pkcs8' })
}

/** `undefined` unless there are exactly 32 bytes. Any 32 bytes import; what they are good for shows in use. */
export function importPublicKey(kind: RawKeyKind, raw: Uint8Array): KeyObject | undefined {
  if (raw.length !== KEY_BYTES) return undefined
  const x = asBuffer(raw).toString('base64url')
  return createPublicKey({ key: { kty: 'OKP', crv: CURVES[kind], x }, format: 'jwk' })
}

export function rawPublicKey(privateKey: KeyObject): Uint8Array {
  const der = createPublicKey(privateKey).export({ format: 'der', type: 'spki' })
  return copyOf(der.subarray(-KEY_BYTES))
}
