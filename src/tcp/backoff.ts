import { type Random, uniform } from '../core/random.ts'

/** A whole community reconnecting within half a second is what one server's accept gate bears. */
const FIRST_MS = 500

/** Somebody who comes back from lunch should not wait longer than a minute. */
const LONGEST_MS = 60_000

/** After a session this long, the next failure is a new one and not the same one again. */
const STABLE_MS = 60_000

/** A server's wish to be left alone is heeded, but not for ever: it may have been wrong. */
const LONGEST_ASKED_MS = 60 * 60 * 1000

/** Full jitter: each wait is uniform between nothing and a ceiling that doubles, so that clients never come in step. */
export class Backoff {
  readonly #random: Random
  #ceilingMs = FIRST_MS

  constructor(random: Random) {
    this.#random = random
  }

  /**
   * How long to wait before the next attempt. Asked to wait `askedMs`, it is that long and up to `spreadMs` more (up to
   * as long again, where nothing is said of that), so that the clients of a restarting server come back spread.
   */
  next(askedMs: number, spreadMs = askedMs): number {
    const waitMs = uniform(this.#random) * this.#ceilingMs
    this.#ceilingMs = Math.min(LONGEST_MS, this.#ceilingMs * 2)
    const asked = Math.min(askedMs, LONGEST_ASKED_MS)
    const spread = Math.min(spreadMs, LONGEST_ASKED_MS)
    return Math.max(waitMs, asked + spread * uniform(this.#random))
  }

  /** Tells how long a session lasted that has just ended. */
  sessionEnded(lastedMs: number): void {
    if (lastedMs >= STABLE_MS) this.reset()
  }

  reset(): void {
    this.#ceilingMs = FIRST_MS
  }
}
