import type { Instant } from '../core/instant.ts'

export interface RateLimits {
  readonly burst: number
  readonly perSecond: number
}

/** So many at once, and so many a second in the long run. */
export class TokenBucket {
  readonly #limits: RateLimits
  #tokens: number
  #filledAt: Instant | undefined

  constructor(limits: RateLimits) {
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
