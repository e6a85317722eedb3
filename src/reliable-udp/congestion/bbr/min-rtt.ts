import type { Instant } from '../../../core/instant.ts'

/** draft-ietf-ccwg-bbr §2.13: also how often all flows of a bottleneck make room at about the same time. */
export const MIN_RTT_FILTER_MS = 10_000

/** What clocks and timers add to a round trip without any queue; as good as the least one. */
const RESOLUTION_MS = 0.1

/** The path's own round trip: the least one of the last 10 s. When it was not seen again for so long, it is stale. */
export class MinRtt {
  #value = Infinity
  #seenAt = -Infinity
  #isExpired = false

  /** `Infinity` before the first sample. */
  get ms(): number {
    return this.#value
  }

  /** Not seen for 10 s at the last ACK. */
  get isExpired(): boolean {
    return this.#isExpired
  }

  /** Notes whether the estimate is stale, before a sample may replace it. */
  checkExpiry(now: Instant): void {
    this.#isExpired = this.#value !== Infinity && now - this.#seenAt > MIN_RTT_FILTER_MS
  }

  /** `rttMs` is 0 when the ACK gave no sample. */
  update(now: Instant, rttMs: number): void {
    if (rttMs === 0) return
    if (rttMs <= this.#value + RESOLUTION_MS || this.#isExpired) this.#seenAt = now
    if (rttMs < this.#value || this.#isExpired) this.#value = rttMs
  }

  /** Everything was done to see it: what was seen stands for the next 10 s. */
  confirm(now: Instant): void {
    this.#seenAt = now
    this.#isExpired = false
  }

  /** The path is another one, or longer than it was. */
  replace(now: Instant, rttMs: number): void {
    this.#value = rttMs
    this.confirm(now)
  }
}
