/**
 * Spreads packets over the round trip (RFC 9002 §7.7): a token bucket that fills by the clock and never by ticks, since
 * Node's timers come late. A wake-up sends what has accrued, and at most two packets or 2 ms of the rate: what a late
 * timer missed beyond that is gone rather than sent as a burst.
 */
import type { Instant } from '../core/instant.ts'
import type { CongestionController } from './congestion/controller.ts'
import type { RttEstimator } from './rtt.ts'

/** Linux TCP's and RFC 9002's factors: faster than the window in slow start, so that pacing never limits growth. */
const SLOW_START_GAIN = 2
const AVOIDANCE_GAIN = 1.25

const BURST_PACKETS = 2
const BURST_MS = 2

/** Node's timers fire about 1.1 ms after being asked for 1 ms: at high rates one wake-up carries this much. */
const WAKE_UP_MS = 1

export class Pacer {
  #tokens = 0
  #filledAt: Instant | undefined
  #rate = Infinity
  #datagramBytes: number

  constructor(datagramBytes: number) {
    this.#datagramBytes = datagramBytes
  }

  /** Bytes per ms; infinite until a round trip is known: the first flight goes at once. */
  get rate(): number {
    return this.#rate
  }

  setDatagramBytes(bytes: number): void {
    this.#datagramBytes = bytes
  }

  /** Fills the bucket up to `now`, at the rate that held until now, and takes up the new one. */
  update(now: Instant, controller: CongestionController, rtt: RttEstimator): void {
    if (this.#filledAt !== undefined && this.#rate !== Infinity) {
      const accrued = (now - this.#filledAt) * this.#rate
      this.#tokens = Math.min(this.#tokens + accrued, this.#burst)
    }
    this.#filledAt = now
    const rate = controller.pacingRate ?? windowRate(controller, rtt)
    if (this.#rate === Infinity && rate !== Infinity)
      this.#tokens = BURST_PACKETS * this.#datagramBytes
    this.#rate = rate
  }

  /** Whether a packet may go now. The bucket may go into debt by one, so that no packet waits for a full one. */
  get mayGo(): boolean {
    return this.#rate === Infinity || this.#tokens > 0
  }

  /** Chat does not wait for the bucket, it empties it; the debt is bounded so that a file recovers soon. */
  handleSent(bytes: number): void {
    if (this.#rate !== Infinity) this.#tokens = Math.max(this.#tokens - bytes, -this.#burst)
  }

  /** When the next packet may go; only meaningful while `mayGo` is false. */
  get nextAt(): Instant {
    const wanted = Math.min(this.#datagramBytes, this.#burst)
    const worthWaking = Math.max(wanted, Math.min(WAKE_UP_MS * this.#rate, this.#burst))
    const missing = worthWaking - this.#tokens
    return ((this.#filledAt ?? 0) + missing / this.#rate) as Instant
  }

  get #burst(): number {
    return Math.max(BURST_PACKETS * this.#datagramBytes, BURST_MS * this.#rate)
  }
}

function windowRate(controller: CongestionController, rtt: RttEstimator): number {
  if (!rtt.hasSample) return Infinity
  const gain = controller.isInSlowStart ? SLOW_START_GAIN : AVOIDANCE_GAIN
  return (gain * controller.windowBytes) / rtt.smoothedMs
}
