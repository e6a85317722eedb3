/**
 * Stateless reset (RFC 9000 §10.3): whoever lost a connection with its memory tells the other side so, which ends it at
 * once instead of after its idle time.
 *
 *     0 1 0 1 r r r r | random (8) | length 31 (2) | random (4) | token (16)
 *
 * A reset is a data packet without frames, which nobody else ever sends, with the token in place of the tag. The token
 * belongs to the connection id that the lost packet came under: HMAC-SHA256 of the id under a key that outlives us,
 * told to the peer inside the handshake. A reset is shorter than every other data packet and answers only longer ones,
 * so it is never answered itself, and never amplifies. It goes out for ids that nobody here knows, so that a living
 * connection's token is never shown to a stranger.
 */
import { concatBytes } from '../core/bytes.ts'
import type { Random } from '../core/random.ts'
import { hmacSha256 } from '../crypto/hash.ts'
import { RESET_TOKEN_BYTES } from './frame.ts'
import { CONNECTION_ID_BYTES, DATA_HEADER_BYTES, DATA_OVERHEAD_BYTES, firstByte } from './packet.ts'

export const RESET_BYTES = DATA_OVERHEAD_BYTES

export function resetTokenOf(resetKey: Uint8Array, connectionId: Uint8Array): Uint8Array {
  return hmacSha256(resetKey, connectionId).subarray(0, RESET_TOKEN_BYTES)
}

/** The answer to a data packet for an id that nobody knows; `undefined` where there must be none. */
export function encodeReset(
  resetKey: Uint8Array,
  random: Random,
  packet: Uint8Array,
): Uint8Array | undefined {
  const isData = ((packet[0] ?? 0) & 0xf0) === firstByte('data', 0)
  if (!isData || packet.length <= RESET_BYTES) return undefined
  const header = Uint8Array.from(random.bytes(DATA_HEADER_BYTES))
  header[0] = firstByte('data', (header[0] ?? 0) & 0x0f)
  header[9] = 0
  header[10] = RESET_BYTES
  const id = packet.subarray(1, 1 + CONNECTION_ID_BYTES)
  return concatBytes(header, resetTokenOf(resetKey, id))
}

/** The token of what may be a reset: `packet` is one whole data packet. */
export function resetTokenIn(packet: Uint8Array): Uint8Array | undefined {
  return packet.length === RESET_BYTES ? packet.subarray(DATA_HEADER_BYTES) : undefined
}
