/**
 * The stateless retry cookie (RFC 9000 §8.1.2): under load a responder answers an initial with a token and forgets it;
 * whoever sends the initial once more with the token has shown that it receives where it sends from.
 *
 *     issued at (4, seconds) | HMAC-SHA256( secret, issued at | port | address | initiator's id ), first 16 bytes
 *
 * The secret is random and changes; the one before it stays valid as long as its tokens do.
 */
import { addressBytes } from '../core/address-bytes.ts'
import { concatBytes } from '../core/bytes.ts'
import type { Endpoint } from '../core/endpoint.ts'
import type { Instant } from '../core/instant.ts'
import type { Random } from '../core/random.ts'
import { hmacSha256, timingSafeEqual } from '../crypto/hash.ts'
import { ByteReader, ByteWriter } from './varint.ts'

const MAC_BYTES = 16
export const RETRY_TOKEN_BYTES = 4 + MAC_BYTES

/** The whole handshake has no longer either. */
const TOKEN_LIFETIME_S = 15

/** One secret signs a minute's tokens: what was learnt of it is soon worth nothing. */
const SECRET_LIFETIME_MS = 60_000

export class RetryTokens {
  readonly #random: Random
  #secret: Uint8Array
  #previous: Uint8Array
  #changesAt: number | undefined

  constructor(random: Random) {
    this.#random = random
    this.#secret = random.bytes(32)
    this.#previous = random.bytes(32)
  }

  issue(now: Instant, from: Endpoint, initiatorId: Uint8Array): Uint8Array {
    this.#rotate(now)
    const issuedAt = seconds(now)
    return tokenOf(this.#secret, issuedAt, from, initiatorId)
  }

  /** Whether we issued it to this address, for this handshake, not long ago. */
  isValid(now: Instant, from: Endpoint, initiatorId: Uint8Array, token: Uint8Array): boolean {
    if (token.length !== RETRY_TOKEN_BYTES) return false
    this.#rotate(now)
    const issuedAt = new ByteReader(token).unsigned(4)
    const ageS = seconds(now) - issuedAt
    if (ageS < 0 || ageS > TOKEN_LIFETIME_S) return false
    return [this.#secret, this.#previous].some((secret) =>
      timingSafeEqual(token, tokenOf(secret, issuedAt, from, initiatorId)),
    )
  }

  #rotate(now: Instant): void {
    this.#changesAt ??= now + SECRET_LIFETIME_MS
    if (now < this.#changesAt) return
    this.#previous = this.#secret
    this.#secret = this.#random.bytes(32)
    this.#changesAt = now + SECRET_LIFETIME_MS
  }
}

function seconds(now: Instant): number {
  return Math.floor(now / 1000) % 2 ** 32
}

function tokenOf(
  secret: Uint8Array,
  issuedAt: number,
  { family, address, port }: Endpoint,
  initiatorId: Uint8Array,
): Uint8Array {
  const head = new ByteWriter(new Uint8Array(6))
  head.unsigned(issuedAt, 4)
  head.unsigned(port, 2)
  const mac = hmacSha256(secret, head.bytes, addressBytes({ family, address }), initiatorId)
  return concatBytes(head.bytes.subarray(0, 4), mac.subarray(0, MAC_BYTES))
}
