import { after, type Instant } from '../core/instant.ts'
import type { RequestId } from '../protocol/server/messages.ts'

/** One may be lost in a burst of other work; two in a row mean that nobody is there. */
const MISSED_MEANS_GONE = 2

/** After a change of network, how long a living server may take to answer: several retransmissions of TCP. */
const PROBE_MS = 5_000

/** When to ping, and when silence means that the other side is gone. Anything heard is a sign of life. */
export class Heartbeat {
  readonly #intervalMs: number
  #nextAt: Instant
  #unanswered = 0
  #asked: { readonly id: RequestId; readonly at: Instant } | undefined
  #rttMs: number | undefined

  constructor(now: Instant, intervalMs: number) {
    this.#intervalMs = intervalMs
    this.#nextAt = after(now, intervalMs)
  }

  get nextAt(): Instant {
    return this.#nextAt
  }

  /** Of the latest answered ping. */
  get rttMs(): number | undefined {
    return this.#rttMs
  }

  /** Whether so many pings went unanswered that the other side is gone. To be asked before `pinged`. */
  get isGone(): boolean {
    return this.#unanswered >= MISSED_MEANS_GONE
  }

  /** A ping goes out now. */
  pinged(now: Instant, id: RequestId): void {
    this.#unanswered += 1
    this.#asked = { id, at: now }
    this.#nextAt = after(now, this.#intervalMs)
  }

  /** A ping goes out now, and this one decides. */
  probed(now: Instant, id: RequestId): void {
    this.#unanswered = MISSED_MEANS_GONE
    this.#asked = { id, at: now }
    this.#nextAt = after(now, Math.min(PROBE_MS, this.#intervalMs))
  }

  heard(): void {
    this.#unanswered = 0
  }

  answered(now: Instant, id: RequestId): void {
    if (this.#asked?.id !== id) return
    this.#rttMs = now - this.#asked.at
    this.#asked = undefined
  }
}
