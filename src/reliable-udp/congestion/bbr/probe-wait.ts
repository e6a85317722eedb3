import type { Instant } from '../../../core/instant.ts'
import { integerBetween, type Random, uniform } from '../../../core/random.ts'

/** draft-ietf-ccwg-bbr §5.3.3.9: rarely enough for a CUBIC flow of 25 Mbit/s and 30 ms, often enough for people. */
const SHORTEST_WAIT_MS = 2000
const RANDOM_WAIT_MS = 1000

/** The same in round trips, for paths on which Reno would have filled the pipe sooner. */
const MOST_ROUNDS = 63

/** When to probe for bandwidth again: random, so that flows do not probe in step. */
export class ProbeWait {
  readonly #random: Random
  #startedAt: Instant | undefined
  #waitMs = 0
  #rounds = 0

  constructor(random: Random) {
    this.#random = random
  }

  start(now: Instant): void {
    this.#startedAt = now
    this.#waitMs = SHORTEST_WAIT_MS + uniform(this.#random) * RANDOM_WAIT_MS
    this.#rounds = integerBetween(this.#random, 0, 1)
  }

  handleRound(): void {
    this.#rounds += 1
  }

  /** `packets`: what we want in flight; Reno would grow by that much in so many rounds. */
  isOver(now: Instant, packets: number): boolean {
    if (this.#startedAt === undefined || now - this.#startedAt > this.#waitMs) return true
    return this.#rounds >= Math.min(packets, MOST_ROUNDS)
  }
}
