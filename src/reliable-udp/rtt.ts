/** RFC 9002 §6.2.2: what the round trip is taken for before anything was measured. */
export const INITIAL_RTT_MS = 333

/** RFC 9002 §6.1.2: timers finer than this do not fire on time. */
export const GRANULARITY_MS = 1

/** On loopback the clock's own noise is this large; a shorter "round trip" would make pacing rates meaningless. */
const SHORTEST_RTT_MS = 0.1

/** Round-trip times of one path (RFC 9002 §5). */
export class RttEstimator {
  #latest = INITIAL_RTT_MS
  #smoothed: number
  #variance: number
  #min = 0
  #hasSample = false

  /** `hintMs`: what the path's finder measured; the first sample replaces it. */
  constructor(hintMs: number = INITIAL_RTT_MS) {
    this.#smoothed = Math.max(hintMs, SHORTEST_RTT_MS)
    this.#variance = this.#smoothed / 2
  }

  get latestMs(): number {
    return this.#latest
  }

  get smoothedMs(): number {
    return this.#smoothed
  }

  get variationMs(): number {
    return this.#variance
  }

  /** 0 before the first sample. */
  get minMs(): number {
    return this.#min
  }

  get hasSample(): boolean {
    return this.#hasSample
  }

  /** RFC 9002 §6.2.1, before doubling. */
  ptoMs(maxAckDelayMs: number): number {
    return this.#smoothed + Math.max(4 * this.#variance, GRANULARITY_MS) + maxAckDelayMs
  }

  /** RFC 9002 §5.3. `ackDelayMs` is what the peer says it waited, already capped at what it may wait. */
  update(sampleMs: number, ackDelayMs: number): void {
    const sample = Math.max(sampleMs, SHORTEST_RTT_MS)
    this.#latest = sample
    if (!this.#hasSample) {
      this.#hasSample = true
      this.#min = sample
      this.#smoothed = sample
      this.#variance = sample / 2
      return
    }
    this.#min = Math.min(this.#min === 0 ? sample : this.#min, sample)
    // The peer's word is not taken below the least ever seen.
    const adjusted = sample >= this.#min + ackDelayMs ? sample - ackDelayMs : sample
    this.#variance = (3 * this.#variance + Math.abs(this.#smoothed - adjusted)) / 4
    this.#smoothed = (7 * this.#smoothed + adjusted) / 8
  }

  /** RFC 9002 §5.2: after persistent congestion the path may be another one; the next sample is the new minimum. */
  forgetMin(): void {
    this.#min = 0
  }
}
