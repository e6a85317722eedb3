/**
 * When a session that stands is introduced once more: when addresses changed, before its relay ticket ends, and ever more
 * seldom while it has no direct path, since punching wants both sides at the same moment. Never often: the server counts
 * introductions.
 */
import { after, earliest, type Instant } from '../core/instant.ts'
import { type Random, uniform } from '../core/random.ts'

/** A ticket is renewed so long before it ends: time for a server that is away for a moment. */
const BEFORE_END_MS = 60_000

/** The initiator renews, and the responder only where that did not happen. */
const RESPONDER_PATIENCE_MS = 30_000

/** What began together must not be renewed together. */
const SPREAD_MS = 10_000

/** The server allows an account one introduction in two seconds, for all its buddies together. */
const GAP_MS = 2_000

/** Doubles once while nobody answers: the server is away, or the peer's session with it. */
const FIRST_RETRY_MS = 30_000
const LONGEST_RETRY_MS = 60_000

/** Doubles from one round of punching to the next. The first one waits until the round before it is over. */
const FIRST_DIRECT_MS = 15_000
const PUNCHING_ROUND_MS = 10_000

const LONGEST_DIRECT_MS = 10 * 60_000

export class PeerRenewal {
  readonly #random: Random
  readonly #isInitiator: boolean
  #wishAt: Instant | undefined
  #ticketAt: Instant | undefined
  #directAt: Instant | undefined
  #askedAt: Instant | undefined
  #answeredAt: Instant | undefined
  #retryMs = FIRST_RETRY_MS
  #directMs = FIRST_DIRECT_MS

  constructor(random: Random, isInitiator: boolean) {
    this.#random = random
    this.#isInitiator = isInitiator
  }

  get deadline(): Instant | undefined {
    return earliest(this.#wishAt, this.#ticketAt, this.#directAt)
  }

  isDue(now: Instant): boolean {
    const { deadline } = this
    return deadline !== undefined && now >= deadline
  }

  /** As soon as may be. */
  wish(now: Instant): void {
    this.#wishAt = earliest(this.#wishAt, this.#notBefore(now))
  }

  asked(now: Instant): void {
    this.#askedAt = now
    this.#wishAt = after(now, this.#retryMs)
    this.#ticketAt = undefined
    this.#directAt = undefined
    this.#retryMs = Math.min(2 * this.#retryMs, LONGEST_RETRY_MS)
  }

  /** Both sides know each other's news. `ticketEndsAt` where a relay was granted; `wantsDirect` while there is no direct path. */
  answered(now: Instant, ticketEndsAt: Instant | undefined, wantsDirect: boolean): void {
    const isNextRound =
      this.#answeredAt !== undefined && now >= after(this.#answeredAt, PUNCHING_ROUND_MS)
    if (isNextRound) this.#directMs = Math.min(2 * this.#directMs, LONGEST_DIRECT_MS)
    this.#answeredAt = now
    this.#retryMs = FIRST_RETRY_MS
    this.#wishAt = undefined
    this.#ticketAt = ticketEndsAt && this.#soon(now, after(ticketEndsAt, -BEFORE_END_MS))
    this.#directAt = wantsDirect ? this.#soon(now, after(now, this.#directMs)) : undefined
  }

  /** The next round of punching is not wanted any more. */
  foundDirect(): void {
    this.#directAt = undefined
    this.#directMs = FIRST_DIRECT_MS
  }

  #soon(now: Instant, at: Instant): Instant {
    const spreadMs = SPREAD_MS * (uniform(this.#random) - 0.5)
    const patienceMs = this.#isInitiator ? 0 : RESPONDER_PATIENCE_MS
    return latest(this.#notBefore(now), after(at, patienceMs + spreadMs))
  }

  #notBefore(now: Instant): Instant {
    return this.#askedAt === undefined ? now : latest(now, after(this.#askedAt, GAP_MS))
  }
}

function latest(a: Instant, b: Instant): Instant {
  return a > b ? a : b
}
