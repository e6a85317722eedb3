/**
 * How many handshakes a responder begins. Each costs half a millisecond of elliptic curves, whoever asks: so strangers
 * are asked to prove their address first as soon as there are more of them than anybody expects, and even proven ones
 * are served only so fast.
 */
import type { Instant } from '../core/instant.ts'
import { type RateLimits, TokenBucket } from './token-bucket.ts'

/** One session has one true initiator: its retries are known, its restarts are few. */
export const SESSION_LIMITS = {
  unproven: { burst: 8, perSecond: 2 },
  proven: { burst: 16, perSecond: 8 },
} as const

export type Admission = 'admitted' | 'retry' | 'dropped'

export class HandshakeThrottle {
  readonly #unproven: TokenBucket
  readonly #proven: TokenBucket

  constructor(limits: { readonly unproven: RateLimits; readonly proven: RateLimits }) {
    this.#unproven = new TokenBucket(limits.unproven)
    this.#proven = new TokenBucket(limits.proven)
  }

  /** `isProven`: it came with a valid retry token. */
  admit(now: Instant, isProven: boolean): Admission {
    if (this.#unproven.take(now)) return 'admitted'
    if (!isProven) return 'retry'
    return this.#proven.take(now) ? 'admitted' : 'dropped'
  }
}
