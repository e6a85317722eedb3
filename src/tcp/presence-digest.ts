/**
 * A short name for everything that a daemon has been told of its buddies' presence. Both sides make it of what they
 * know; where the two are the same, nothing need be told anew.
 */
import { utf8 } from '../core/bytes.ts'
import { sha256 } from '../crypto/hash.ts'
import type { PresenceEntry } from '../protocol/server/messages.ts'

/** 128 bits: a change is never overlooked. */
export const PRESENCE_DIGEST_BYTES = 16

/** Of those who are not offline, in any order. */
export function presenceDigest(entries: Iterable<PresenceEntry>): Uint8Array {
  const sorted = [...entries].sort((a, b) => a.number - b.number)
  // JSON, so that no text can look like the end of an entry.
  const lines = sorted.map(({ number, state, text }) => JSON.stringify([number, state, text]))
  return sha256(utf8(lines.join('\n'))).subarray(0, PRESENCE_DIGEST_BYTES)
}
