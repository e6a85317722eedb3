/** Invitations and codes: secrets that are shown once, typed by people, and kept as hashes alone. */
import { toHex, utf8 } from '../core/bytes.ts'
import type { Random } from '../core/random.ts'
import { sha256 } from '../crypto/hash.ts'
import type { SecretHash } from './store/admin-store.ts'

/** Crockford's base 32: no letter that is taken for a digit, or for another letter. */
const ALPHABET = '0123456789ABCDEFGHJKMNPQRSTVWXYZ'

/** 25 letters of 5 bits: with 125 bits no number of guesses helps, and no slow hash is needed. */
const LETTERS = 25
const GROUP = 5

/** `7QK2M-0XW8Z-…`, five groups of five. */
export function makeToken(random: Random): string {
  const letters = [...random.bytes(LETTERS)].map((byte) => ALPHABET[byte % ALPHABET.length] ?? '')
  const groups = letters.map((letter, index) =>
    index > 0 && index % GROUP === 0 ? `-${letter}` : letter,
  )
  return groups.join('')
}

/** However it was typed: capitals or not, with or without hyphens, with an O for the 0. */
export function hashOfToken(typed: string): SecretHash {
  const text = typed.toUpperCase().replace(/[\s-]/g, '').replace(/O/g, '0').replace(/[IL]/g, '1')
  return toHex(sha256(utf8(`holler token ${text}`)))
}
