/**
 * How many handshakes a responder begins. Each costs half a millisecond of elliptic curves, whoever asks: so strangers
 * are asked to prove their address first as soon as there are more of them than anybody expects, and even proven ones
 * are served only so fast.
 */
import type { Instant } from '../core/instant.ts'

export interface ThrottleLimits {
  readonly burst: number
  readonly perSecond: number
}

/** One session has one true initiator: its retries are known, its restarts are few. */
export const SESSION_LIMITS = {
  unproven: { burst: 8, perSecond: 2 },
  proven: { burst: 16, perSecond: 8 },
} as const

export type Admission = 'admitted' | 'retry' | 'dropped'

export class HandshakeThrottle {
  readonly #unproven: Bucket
  readonly #proven: Bucket

  constructor(limits: { readonly unproven: ThrottleLimits; readonly proven: ThrottleLimits }) {
    this.#unproven = new Bucket(limits.unproven)
    this.#proven = new Bucket(limits.proven)
  }

  /** `isProven`: it came with a valid retry token. */
  admit(now: Instant, isProven: boolean): Admission {
    if (this.#unproven.take(now)) return 'admitted'
    if (!isProven) return 'retry'
    return this.#proven.take(now) ? 'admitted' : 'dropped'
  }
}

class Bucket {
  readonly #limits: ThrottleLimits
  #tokens: number
  #filledAt: Instant | undefined

  constructor(limits: ThrottleLimits) {
    this.#limits = limits
    this.#tokens = limits.burst
  }

  take(now: Instant): boolean {
    const { burst, perSecond } = this.#limits
    const elapsedMs = now - (this.#filledAt ?? now)
    this.#filledAt = now
    this.#tokens = Math.min(burst, this.#tokens + (elapsedMs / 1000) * perSecond)
    if (this.#tokens < 1) return false
    this.#tokens -= 1
    return true
  }
}
