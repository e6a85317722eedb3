/** ChaCha20-Poly1305 with 96-bit nonces (RFC 8439 §2.8). A nonce is used once with a key: callers count. */
import { createCipheriv, createDecipheriv } from 'node:crypto'

export const TAG_BYTES = 16
export const NONCE_BYTES = 12

const ALGORITHM = 'chacha20-poly1305'
const OPTIONS = { authTagLength: TAG_BYTES } as const

/** The ciphertext, as long as the plaintext, then the 16-byte tag. */
export function sealAead(
  key: Uint8Array,
  nonce: Uint8Array,
  associatedData: Uint8Array,
  plaintext: Uint8Array,
): Uint8Array {
  const cipher = createCipheriv(ALGORITHM, key, nonce, OPTIONS)
  cipher.setAAD(associatedData, { plaintextLength: plaintext.length })
  const ciphertext = cipher.update(plaintext)
  cipher.final()
  const sealed = new Uint8Array(ciphertext.length + TAG_BYTES)
  sealed.set(ciphertext)
  sealed.set(cipher.getAuthTag(), ciphertext.length)
  return sealed
}

/** The plaintext, or `undefined` when the tag does not fit: forged, damaged, or sealed otherwise. */
export function openAead(
  key: Uint8Array,
  nonce: Uint8Array,
  associatedData: Uint8Array,
  sealed: Uint8Array,
): Uint8Array | undefined {
  const length = sealed.length - TAG_BYTES
  if (length < 0) return undefined
  const decipher = createDecipheriv(ALGORITHM, key, nonce, OPTIONS)
  decipher.setAAD(associatedData, { plaintextLength: length })
  decipher.setAuthTag(sealed.subarray(length))
  const plaintext = decipher.update(sealed.subarray(0, length))
  try {
    decipher.final() // the only place that throws: the tag is wrong
    return plaintext
  } catch {
    return undefined
  }
}
