/**
 * Sixty digits that two people compare by voice or on paper, to know that each holds the other's true identity: thirty of
 * each one's, the smaller first, so that both see the same. The construction is that of Signal's numeric fingerprints,
 * which are of other keys and other rounds.
 */
import { asBuffer, utf8 } from '../core/bytes.ts'
import { sha512 } from './hash.ts'

/**
 * Whoever looks for an identity with given digits works so much longer for each try. Nobody finds all thirty, but people
 * do not compare all of them. Some milliseconds for one number: the daemon has other things to do meanwhile.
 */
const ROUNDS = 500

const LABEL = utf8('holler safety number 1')

/** Groups of five digits, which people can read out: six of each side. */
const GROUPS = 6
const BYTES_OF_GROUP = 5

/** Both are Ed25519 public keys; the order does not matter. Groups of five digits, with blanks between. */
export function safetyNumber(one: Uint8Array, other: Uint8Array): string {
  return [digitsOf(one), digitsOf(other)].sort().join(' ')
}

/** However it was typed or copied. */
export function isSafetyNumber(typed: string, number: string): boolean {
  return /^[\d\s-]*$/.test(typed) && typed.replace(/\D/g, '') === number.replaceAll(' ', '')
}

function digitsOf(identity: Uint8Array): string {
  let digest = sha512(LABEL, identity)
  for (let round = 0; round < ROUNDS; round++) digest = sha512(digest, identity)
  const bytes = asBuffer(digest)
  return Array.from({ length: GROUPS }, (_, index) => {
    // 40 bits for 16.6: every group of digits is as likely as any other, but for one in ten million.
    const value = bytes.readUIntBE(index * BYTES_OF_GROUP, BYTES_OF_GROUP) % 100_000
    return String(value).padStart(5, '0')
  }).join(' ')
}
