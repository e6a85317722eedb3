import type { Instant } from '../../../core/instant.ts'

/**
 * A half of what is remembered is so many round trips, and those of an eighth of the least one. Few may be jitter alone; but
 * many may be one moment: a receiver that was away for 15 ms then acknowledges ten times within one.
 */
const HALF_SAMPLES = 3
const HALF_SHARE = 1 / 8

/**
 * The least of the round trips of late: it rises only when all of them did. A round's least one would tell the same a round
 * later, which in start-up is twice the queue.
 */
export class RecentRtt {
  #formerMs = 0
  #presentMs = Infinity
  #count = 0
  #startedAt: Instant | undefined

  /** 0 until there were enough. */
  get leastMs(): number {
    return Math.min(this.#formerMs, this.#presentMs)
  }

  /** `minRttMs`: the path's, as far as it is known. */
  add(now: Instant, rttMs: number, minRttMs: number): void {
    this.#startedAt ??= now
    if (this.#count >= HALF_SAMPLES && now - this.#startedAt >= HALF_SHARE * minRttMs) {
      this.#formerMs = this.#presentMs
      this.#presentMs = Infinity
      this.#count = 0
      this.#startedAt = now
    }
    this.#presentMs = Math.min(this.#presentMs, rttMs)
    this.#count += 1
  }
}
