import { after, type Instant } from '../core/instant.ts'
import type { RequestId } from '../protocol/server/messages.ts'

/** One may be lost in a burst of other work; two in a row mean that nobody is there. */
const MISSED_MEANS_GONE = 2

/** How long a living server may take to answer where there is doubt: four retransmissions of TCP. */
const PROBE_MS = 3_000

/** A request that is answered by nothing at all for so long raises it. */
const PATIENCE_MS = 5_000

/** When to ping, and when silence means that the other side is gone. Anything heard is a sign of life. */
export class Heartbeat {
  readonly #intervalMs: number
  #nextAt: Instant
  #doubtAt: Instant | undefined
  #unanswered = 0
  #asked: { readonly id: RequestId; readonly at: Instant } | undefined
  #rttMs: number | undefined

  constructor(now: Instant, intervalMs: number) {
    this.#intervalMs = intervalMs
    this.#nextAt = after(now, intervalMs)
  }

  get nextAt(): Instant {
    const doubtAt = this.#doubtAt
    return doubtAt !== undefined && doubtAt < this.#nextAt ? doubtAt : this.#nextAt
  }

  /** A request waits, and nothing has been heard since it was sent: the connection may be half open. */
  isDoubtful(now: Instant): boolean {
    return this.#doubtAt !== undefined && this.#doubtAt <= now && now < this.#nextAt
  }

  /** Something was said that wants an answer. */
  expectAnswer(now: Instant): void {
    this.#doubtAt ??= after(now, PATIENCE_MS)
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
    this.#doubtAt = undefined
    this.#unanswered += 1
    this.#asked = { id, at: now }
    this.#nextAt = after(now, this.#intervalMs)
  }

  /** A ping goes out now, and this one decides. */
  probed(now: Instant, id: RequestId): void {
    this.#doubtAt = undefined
    this.#unanswered = MISSED_MEANS_GONE
    this.#asked = { id, at: now }
    this.#nextAt = after(now, Math.min(PROBE_MS, this.#intervalMs))
  }

  heard(): void {
    this.#doubtAt = undefined
    this.#unanswered = 0
  }

  answered(now: Instant, id: RequestId): void {
    if (this.#asked?.id !== id) return
    this.#rttMs = now - this.#asked.at
    this.#asked = undefined
  }
}
