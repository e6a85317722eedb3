/** A password on its way to SCRAM: one normal form, then argon2id (RFC 9106, version 0x13). */
import saslprep from '@mongodb-js/saslprep'
import { type Algorithm, hashRaw, type Version } from '@node-rs/argon2'
import { type Decoded, decoded, malformed } from '../core/decoded.ts'
import type { PasswordHashing } from './password-hashing.ts'

export { DEFAULT_HASHING } from './password-hashing.ts'

// The package's own names are `const enum`s, which isolated modules cannot read.
const ARGON2ID: Algorithm = 2 // eslint-disable-line @typescript-eslint/no-unsafe-enum-assignment -- see above
const VERSION_0X13: Version = 1 // eslint-disable-line @typescript-eslint/no-unsafe-enum-assignment -- see above
const SALTED_PASSWORD_BYTES = 32
// A passphrase of many words fits; a megabyte of paste does not.
const MAX_PASSWORD_CHARS = 1024
const LONE_SURROGATE = /\p{Surrogate}/u

/** SCRAM's SaltedPassword, 32 bytes. Takes tens of milliseconds of a core, off the main thread. */
export async function saltedPassword(
  password: string,
  salt: Uint8Array,
  hashing: PasswordHashing,
): Promise<Uint8Array> {
  return hashRaw(password, {
    algorithm: ARGON2ID,
    version: VERSION_0X13,
    memoryCost: hashing.memoryKiB,
    timeCost: hashing.passes,
    parallelism: hashing.lanes,
    outputLen: SALTED_PASSWORD_BYTES,
    salt,
  })
}

/**
 * SASLprep (RFC 4013), so that every keyboard's way of typing the same password is the same password.
 * Departure: characters unknown to Unicode 3.2 are allowed also when a password is first set, or it could hold no emoji.
 */
export function normalisePassword(text: string): Decoded<string> {
  if (text.length > MAX_PASSWORD_CHARS) return malformed('password too long')
  if (LONE_SURROGATE.test(text)) return malformed('password is not well-formed Unicode')
  try {
    const password = saslprep(text, { allowUnassigned: true })
    if (password.length === 0) return malformed('password empty')
    if (password.length > MAX_PASSWORD_CHARS) return malformed('password too long')
    return decoded(password)
  } catch {
    return malformed('password holds a character that cannot be used')
  }
}
