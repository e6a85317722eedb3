import type { Instant } from '../core/instant.ts'

/** What a buddy may have us keep at once: five hundred of the longest texts. */
const BURST_BYTES = 32 * 1024 * 1024

/** …and in an hour: more than anybody reads, and a day of it is a disk's small change. */
const HOURLY_BYTES = 64 * 1024 * 1024
const HOUR_MS = 3_600_000

/** How much of our disk one buddy may still fill. */
export class ByteBudget {
  #left = BURST_BYTES
  #at: Instant

  constructor(now: Instant) {
    this.#at = now
  }

  /** Takes so much; `false`, and takes nothing, when there is less. */
  take(now: Instant, bytes: number): boolean {
    const earned = ((now - this.#at) * HOURLY_BYTES) / HOUR_MS
    this.#left = Math.min(BURST_BYTES, this.#left + earned)
    this.#at = now
    if (bytes > this.#left) return false
    this.#left -= bytes
    return true
  }
}
