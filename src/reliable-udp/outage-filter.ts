import type { Instant } from '../core/instant.ts'

/**
 * After so many probes without an answer somebody was away: a laptop asleep, a cable pulled. What was sent before that
 * ended measures the absence and not the path, so it gives no round-trip samples (RFC 9002 §5.1 takes all); the first
 * packet sent afterwards is believed, whatever it says. Test: "does not take an absence for a round trip".
 */
const OUTAGE_PTOS = 3

export class OutageFilter {
  #measureFrom: Instant | undefined

  /** We were away ourselves: answers lay unread meanwhile. */
  handleAbsence(now: Instant): void {
    this.#measureFrom = now
  }

  /** Whether the acknowledgement, now, of a packet sent then says how long the path is. */
  isWorthMeasuring(now: Instant, sentAt: number, ptoCount: number): boolean {
    if (this.#measureFrom === undefined) {
      if (ptoCount < OUTAGE_PTOS) return true
      this.#measureFrom = now
    }
    if (sentAt < this.#measureFrom) return false
    this.#measureFrom = undefined
    return true
  }
}
