/**
 * HyStart++ (RFC 9406): leaves slow start when round trips lengthen, before the queue overflows. Conservative slow
 * start is the second look: if the delay was a fluke, slow start goes on.
 */

/** RFC 9406 §4.3 */
const MIN_RTT_THRESHOLD_MS = 4
const MAX_RTT_THRESHOLD_MS = 16
const RTT_DIVISOR = 8
const SAMPLES_WANTED = 8
const CAREFUL_GROWTH_DIVISOR = 4
const CAREFUL_ROUNDS = 5

export class HyStart {
  #roundEnd = -1
  #samples = 0
  #roundMin = Infinity
  #lastRoundMin = Infinity
  #baseline = Infinity
  #carefulRounds = 0
  #isCareful = false
  #isOver = false

  /** Slow start has ended: the window is large enough. */
  get isOver(): boolean {
    return this.#isOver
  }

  /** How much of the acknowledged bytes slow start may add to the window. */
  get growthDivisor(): number {
    return this.#isCareful ? CAREFUL_GROWTH_DIVISOR : 1
  }

  /** `rttMs` is 0 when the ACK gave no sample. */
  handleAck(rttMs: number, largestAcked: number, nextNumber: number): void {
    if (this.#isOver) return
    if (largestAcked >= this.#roundEnd) this.#startRound(nextNumber)
    if (rttMs === 0) return
    this.#samples += 1
    this.#roundMin = Math.min(this.#roundMin, rttMs)
    if (this.#samples < SAMPLES_WANTED) return
    if (this.#isCareful) this.#reconsider()
    else this.#look()
  }

  #startRound(nextNumber: number): void {
    this.#roundEnd = nextNumber
    this.#lastRoundMin = this.#roundMin
    this.#roundMin = Infinity
    this.#samples = 0
    if (!this.#isCareful) return
    this.#carefulRounds += 1
    this.#isOver = this.#carefulRounds >= CAREFUL_ROUNDS
  }

  #look(): void {
    if (this.#lastRoundMin === Infinity) return
    const threshold = Math.max(
      MIN_RTT_THRESHOLD_MS,
      Math.min(this.#lastRoundMin / RTT_DIVISOR, MAX_RTT_THRESHOLD_MS),
    )
    if (this.#roundMin < this.#lastRoundMin + threshold) return
    this.#isCareful = true
    this.#carefulRounds = 0
    this.#baseline = this.#roundMin
  }

  #reconsider(): void {
    if (this.#roundMin >= this.#baseline) return
    this.#isCareful = false
    this.#baseline = Infinity
  }
}
