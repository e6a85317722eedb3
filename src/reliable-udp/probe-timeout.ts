import type { Instant } from '../core/instant.ts'

/** RFC 9002 §6.2.4 allows two: one may be lost as well. */
export const PROBES = 2

/**
 * Doubling stops here (RFC 9002 doubles for ever): after an outage the conversation is to go on within seconds, and two
 * small packets every 3 s harm no path. Test: "never waits longer than 3 s to ask again".
 */
export const MAX_PTO_MS = 3000

/** When to ask whether anybody is there (RFC 9002 §6.2), and how often that was done in vain. */
export class ProbeTimeout {
  #count = 0
  #wanted = 0
  #lastSentAt = 0

  /** Timeouts since the last acknowledgement. */
  get count(): number {
    return this.#count
  }

  /** Packets that must go out now whatever the window says. */
  get wanted(): number {
    return this.#wanted
  }

  /** Counted from the last packet that wants an answer, twice as long each time. */
  deadline(ptoMs: number, minRttMs: number): Instant {
    const longest = Math.max(MAX_PTO_MS, 2 * minRttMs)
    return (this.#lastSentAt + Math.min(ptoMs * 2 ** this.#count, longest)) as Instant
  }

  handleSent(now: Instant): void {
    this.#lastSentAt = now
    if (this.#wanted > 0) this.#wanted -= 1
  }

  handleAnswered(): void {
    this.#count = 0
    this.#wanted = 0
  }

  handleTimeout(): void {
    this.#count += 1
    this.#wanted = PROBES
  }
}
