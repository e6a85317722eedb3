/** draft-ietf-ccwg-bbr §5.3.1.2: so many rounds with less growth than this, although we sent faster each time. */
const PLATEAU_ROUNDS = 3
export const STARTUP_GROWTH = 1.25

/**
 * The draft has the same for probes; but a probe at 1.25 takes a round to be felt and another to be measured, and ended
 * before a link that had become four times as fast was a third used (test: "finds four times the bandwidth …").
 */
export const PROBE_GROWTH = 1.1

/** Whether sending faster still brings more: the plateau that ends start-up and bandwidth probes. */
export class FullPipe {
  #baseline = 0
  #growth = STARTUP_GROWTH
  #rounds = 0
  #isFull = false

  get isFull(): boolean {
    return this.#isFull
  }

  /** The last round delivered clearly more than the ones before. */
  get isGrowing(): boolean {
    return this.#rounds === 0
  }

  /** Begins anew, from what is delivered already. */
  reset(bandwidth: number, growth: number): void {
    this.#baseline = bandwidth
    this.#growth = growth
    this.#rounds = 0
    this.#isFull = false
  }

  /** Once for each round in which the application had enough to send. */
  handleRound(bandwidth: number): void {
    if (this.#isFull) return
    if (bandwidth >= this.#baseline * this.#growth) {
      this.reset(bandwidth, this.#growth)
      return
    }
    this.#rounds += 1
    this.#isFull = this.#rounds >= PLATEAU_ROUNDS
  }
}
