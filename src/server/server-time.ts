import type { Clock } from '../core/clock.ts'
import type { Instant } from '../core/instant.ts'

/**
 * The wall clock as it was when the server started, carried on by the monotonic one: what the server signs and judges
 * by it cannot expire, or come back to life, because somebody set the clock.
 */
export class ServerTime {
  readonly #offsetMs: number

  constructor(clock: Clock) {
    this.#offsetMs = clock.wallNow() - clock.now()
  }

  /** Milliseconds since 1970 UTC. */
  at(now: Instant): number {
    return Math.round(now + this.#offsetMs)
  }
}
