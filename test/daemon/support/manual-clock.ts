import type { Clock } from '../../../src/core/clock.ts'
import { type Instant, instant } from '../../../src/core/instant.ts'

/** A clock that stands still until it is moved. */
export class ManualClock implements Clock {
  #ms = 1_000
  readonly #epochMs = Date.UTC(2026, 0, 1)

  now(): Instant {
    return instant(this.#ms)
  }

  wallNow(): number {
    return this.#epochMs + this.#ms
  }

  advance(ms: number): void {
    this.#ms += ms
  }
}
