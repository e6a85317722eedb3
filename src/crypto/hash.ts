/** Digests, MACs and HKDF over any number of parts, which are hashed as if they were one. */
import { createHmac, hash, hkdfSync, timingSafeEqual as equalInConstantTime } from 'node:crypto'
import { concatBytes } from '../core/bytes.ts'

export function sha256(...parts: readonly Uint8Array[]): Uint8Array {
  return digest('sha256', parts)
}

export function sha512(...parts: readonly Uint8Array[]): Uint8Array {
  return digest('sha512', parts)
}

/** For STUN's long-term credentials alone (RFC 8489 §9.2.2); nothing else may rest on MD5. */
export function md5(...parts: readonly Uint8Array[]): Uint8Array {
  return digest('md5', parts)
}

export function hmacSha256(key: Uint8Array, ...parts: readonly Uint8Array[]): Uint8Array {
  return mac('sha256', key, parts)
}

/** For STUN's MESSAGE-INTEGRITY (RFC 8489 §14.5). */
export function hmacSha1(key: Uint8Array, ...parts: readonly Uint8Array[]): Uint8Array {
  return mac('sha1', key, parts)
}

/** RFC 5869, extract and expand. `length` is at most 8160 (255 blocks). */
export function hkdfSha256(
  secret: Uint8Array,
  salt: Uint8Array,
  info: Uint8Array,
  length: number,
): Uint8Array {
  return new Uint8Array(hkdfSync('sha256', secret, salt, info, length))
}

/** Compares secrets without telling by its duration where they differ. Lengths are no secret: unequal ones are `false`. */
export function timingSafeEqual(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && equalInConstantTime(a, b)
}

// In one call: an object that takes one part after the other costs half as much again, and more to collect.
function digest(algorithm: string, parts: readonly Uint8Array[]): Uint8Array {
  const [only] = parts
  const isOne = parts.length === 1 && only !== undefined
  return hash(algorithm, isOne ? only : concatBytes(...parts), 'buffer')
}

function mac(algorithm: string, key: Uint8Array, parts: readonly Uint8Array[]): Uint8Array {
  const hmac = createHmac(algorithm, key)
  for (const part of parts) hmac.update(part)
  return hmac.digest()
}
