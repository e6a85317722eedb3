import type { Instant } from '../core/instant.ts'

/** A token bucket: `perSecond` on average, as many at once after a quiet second. */
export class RateLimit {
  readonly #perSecond: number
  #tokens: number
  #filledAt: Instant

  constructor(perSecond: number, now: Instant) {
    this.#perSecond = perSecond
    this.#tokens = perSecond
    this.#filledAt = now
  }

  /** 0 when it may go ahead; otherwise how long to wait, in milliseconds. */
  take(now: Instant): number {
    const gained = ((now - this.#filledAt) * this.#perSecond) / 1000
    this.#tokens = Math.min(this.#perSecond, this.#tokens + gained)
    this.#filledAt = now
    if (this.#tokens < 1) return ((1 - this.#tokens) * 1000) / this.#perSecond
    this.#tokens -= 1
    return 0
  }
}
