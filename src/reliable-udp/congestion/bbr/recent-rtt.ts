/** RFC 9406 §4.3 N_RTT_SAMPLE: fewer may be jitter alone. */
const SAMPLES = 8

/**
 * The least of the last eight round trips: it rises only when all of them did. A round's least one would tell the same a
 * round later, which in start-up is twice the queue.
 */
export class RecentRtt {
  readonly #ring = new Float64Array(SAMPLES)
  #count = 0

  /** 0 until there were eight. */
  get leastMs(): number {
    if (this.#count < SAMPLES) return 0
    let least = Infinity
    for (const rttMs of this.#ring) least = Math.min(least, rttMs)
    return least
  }

  add(rttMs: number): void {
    this.#ring[this.#count % SAMPLES] = rttMs
    this.#count += 1
  }

  /** What comes is compared with a new beginning. */
  clear(): void {
    this.#count = 0
  }
}
