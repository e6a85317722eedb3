/**
 * How much the peer may send us, for one stream or for the whole connection. The limit moves on when a quarter of the
 * window was consumed; when that happens more than once in two round trips, the window is what holds the peer back, so
 * it doubles. A reader that is slow keeps a small window, and so little memory.
 */
import type { Instant } from '../../core/instant.ts'

/** Carries 100 Mbit/s over 1.3 s, or 1 Gbit/s over 130 ms; and is all the memory a peer can make us hold. */
export const MAX_WINDOW_BYTES = 16 * 1024 * 1024

/**
 * By then the limit moves on. Three more limits follow before the window shuts, so that one that is lost costs nothing;
 * at a half it is a single one, and where many acknowledgements are lost the sender stood still until a probe timeout
 * (test: "does not mind that half of its acknowledgements are lost").
 */
const CONSUMED_SHARE = 0.25

/**
 * A lost packet holds up what follows it for a round trip and a half, one that is lost twice for three, and meanwhile
 * nothing is consumed: with less than two for a quarter the window would shut at every other loss
 * (test: "A file … at 5 % loss").
 */
const QUICK_ROUND_TRIPS = 2

export class ReceiveWindow {
  #window: number
  #limit: number
  #consumed = 0
  #raisedAt: Instant | undefined

  constructor(initialBytes: number) {
    this.#window = initialBytes
    this.#limit = initialBytes
  }

  /** The highest offset the peer may send up to. */
  get limit(): number {
    return this.#limit
  }

  get windowBytes(): number {
    return this.#window
  }

  get isWorthRaising(): boolean {
    return this.#limit - this.#consumed < this.#window * (1 - CONSUMED_SHARE)
  }

  handleConsumed(bytes: number): void {
    this.#consumed += bytes
  }

  /** Moves the limit on, and says what it is now. */
  raise(now: Instant, rttMs: number): number {
    if (this.#raisedAt !== undefined && now - this.#raisedAt < QUICK_ROUND_TRIPS * rttMs) {
      this.#window = Math.min(this.#window * 2, MAX_WINDOW_BYTES)
    }
    this.#raisedAt = now
    this.#limit = Math.max(this.#limit, this.#consumed + this.#window)
    return this.#limit
  }
}
