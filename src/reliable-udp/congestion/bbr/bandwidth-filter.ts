/**
 * The most the path was seen to deliver in this bandwidth-probing cycle and the one before (draft-ietf-ccwg-bbr §5.5.5).
 * Samples are often below what the path carries, hardly ever above; two cycles hold at least one whole probe.
 */
export class BandwidthFilter {
  #present = 0
  #former = 0

  /** Bytes per ms; 0 before the first sample. */
  get max(): number {
    return Math.max(this.#present, this.#former)
  }

  /** What the application left unused says nothing, unless it is more than was believed possible. */
  update(rate: number, isAppLimited: boolean): void {
    if (rate > this.#present && (!isAppLimited || rate >= this.max)) this.#present = rate
  }

  /** The next cycle begins. */
  advance(): void {
    this.#former = this.#present
    this.#present = 0
  }

  /** The path is known to carry this much now, and no more. */
  replace(rate: number): void {
    this.#present = rate
    this.#former = 0
  }
}
