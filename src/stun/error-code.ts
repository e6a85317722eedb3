/**
 * ERROR-CODE (RFC 8489 §14.8), read from raw bytes: the npm package multiplies class and number where it should add
 * (401 becomes 404, 420 becomes 480), which cannot be undone.
 *
 *     |        reserved, 21 bits        |class| number  |  reason, UTF-8 …
 */
import { type Decoded, decoded, malformed } from '../core/decoded.ts'
import type { ErrorCodeAttribute } from './message.ts'

/** What our server says. Reasons are for people; they are left out where they would make the answer too long. */
export const BAD_REQUEST = { code: 400, reason: 'Bad Request' } as const
export const UNKNOWN_ATTRIBUTE = { code: 420, reason: 'Unknown Attribute' } as const

/** RFC 8656 §19: that of a relay, and as true here. */
export const INSUFFICIENT_CAPACITY = { code: 508, reason: 'Insufficient Capacity' } as const

/** RFC 8489 §14.8: fewer than 128 characters of UTF-8, "which can be as long as 763 bytes" in RFC 5389's reckoning. */
const MAX_REASON_BYTES = 763

export function decodeErrorCode(value: Buffer): Decoded<ErrorCodeAttribute> {
  if (value.length < 4) return malformed('ERROR-CODE too short')
  if (value.length > 4 + MAX_REASON_BYTES) return malformed('ERROR-CODE too long')
  const hundreds = value.readUInt8(2) & 0b111 // the other bits are reserved and ignored
  const number = value.readUInt8(3)
  if (hundreds < 3 || hundreds > 6 || number > 99) return malformed('ERROR-CODE out of range')
  const reason = value.toString('utf8', 4)
  return decoded({ kind: 'error-code', code: hundreds * 100 + number, reason })
}
