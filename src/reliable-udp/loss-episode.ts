import type { Instant } from '../core/instant.ts'

/**
 * The losses of one round trip are one sign of congestion (RFC 9002 §7.3.2): what was sent before the answer to it began
 * calls for no further answer. If all of them arrive after all, the answer was a mistake.
 */
export class LossEpisode {
  #startedAt = -Infinity
  #formerStartedAt = -Infinity
  #lost = 0
  #falselyLost = 0

  /** Whether a packet sent then says something about the time after our last answer. */
  isAfter(sentAt: number): boolean {
    return sentAt > this.#startedAt
  }

  start(now: Instant): void {
    this.#formerStartedAt = this.#startedAt
    this.#startedAt = now
    this.#lost = 0
    this.#falselyLost = 0
  }

  countLost(packets: number): void {
    this.#lost += packets
  }

  /** True when with this packet all that the episode called lost have arrived: it never was. */
  takeFalse(sentAt: number): boolean {
    if (this.isAfter(sentAt) || sentAt <= this.#formerStartedAt) return false
    this.#falselyLost += 1
    if (this.#falselyLost !== this.#lost) return false
    this.#startedAt = -Infinity
    return true
  }

  forget(): void {
    this.#startedAt = -Infinity
    this.#formerStartedAt = -Infinity
  }
}
