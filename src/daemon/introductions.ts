/**
 * Whom to ask the server for, and when: a buddy for whom something waits, and a buddy who has just come online.
 * Nobody else is ever asked for. Attempts that fail are repeated ever more slowly; few run at once.
 *
 * No I/O: time is told, and `take` says whom to introduce now.
 */
import { after, earliest, type Instant } from '../core/instant.ts'
import { type Random, uniform } from '../core/random.ts'
import type { AccountNumber } from '../protocol/server/messages.ts'

/** After a login a large buddy list is worked off in this many parallel attempts: the NAT's table is not ours alone. */
const MAX_ATTEMPTS = 8

const FIRST_BACKOFF_MS = 1_000
const LONGEST_BACKOFF_MS = 64_000

/** ±20 %, so that two daemons that failed together do not try together again. */
const JITTER = 0.2

/** A session that ends sooner counts as a failed attempt, so that a pair that cannot live together does not spin. */
const STABLE_MS = 10_000

/** A greeting is a courtesy: with nothing to send, this many failures are enough until the buddy comes online again. */
const MAX_GREETINGS = 4

/**
 * Of two daemons that see each other come online, the one with the lower number asks; the other waits this long for
 * it, and only then asks itself.
 */
export const GREETING_DELAY_MS = 1_000

interface Wish {
  dueAt: Instant
  failures: number
  /** Something waits to be sent. */
  isUrgent: boolean
  isAttempted: boolean
}

export class Introductions {
  readonly #random: Random
  readonly #wishes = new Map<AccountNumber, Wish>() // ≤ the buddy list
  readonly #connected = new Map<AccountNumber, { since: Instant; failures: number }>() // ≤ the buddy list

  constructor(random: Random) {
    this.#random = random
  }

  /** Something waits to be sent to this buddy, or the user wants to reach them. */
  want(now: Instant, peer: AccountNumber): void {
    if (this.#connected.has(peer)) return
    const wish = this.#wishes.get(peer)
    if (wish === undefined) {
      this.#wishes.set(peer, { dueAt: now, failures: 0, isUrgent: true, isAttempted: false })
      return
    }
    wish.isUrgent = true
    if (wish.failures === 0 && wish.dueAt > now) wish.dueAt = now
  }

  /** The buddy has come online. Whatever failed before, failed with where they were before. */
  greet(now: Instant, peer: AccountNumber, delayMs: number): void {
    if (this.#connected.has(peer)) return
    const wish = this.#wishes.get(peer)
    if (wish?.isAttempted === true) return
    const isUrgent = wish?.isUrgent ?? false
    const dueAt = isUrgent ? now : after(now, delayMs)
    this.#wishes.set(peer, { dueAt, failures: 0, isUrgent, isAttempted: false })
  }

  /** The buddy has gone offline: a greeting is off, what waits to be sent goes on waiting. */
  wentOffline(peer: AccountNumber): void {
    if (this.#wishes.get(peer)?.isUrgent === false) this.#wishes.delete(peer)
  }

  /** They are no buddy any more. */
  forget(peer: AccountNumber): void {
    this.#wishes.delete(peer)
  }

  connected(now: Instant, peer: AccountNumber): void {
    this.#connected.set(peer, { since: now, failures: this.#wishes.get(peer)?.failures ?? 0 })
    this.#wishes.delete(peer)
  }

  /** A session ended, or an attempt failed. `isWanted`: something still waits to be sent. */
  closed(now: Instant, peer: AccountNumber, isWanted: boolean): void {
    const session = this.#connected.get(peer)
    this.#connected.delete(peer)
    if (session === undefined) {
      this.#failed(now, peer, isWanted)
    } else if (isWanted) {
      const isStable = now - session.since >= STABLE_MS
      const failures = isStable ? 0 : session.failures + 1
      const dueAt = isStable ? now : this.#retryAt(now, failures)
      this.#wishes.set(peer, { dueAt, failures, isUrgent: true, isAttempted: false })
    }
  }

  /** Everything may be different now (a new login, another network): nobody waits any longer. */
  retryAll(now: Instant): void {
    for (const wish of this.#wishes.values()) {
      if (wish.isAttempted) continue
      wish.failures = 0
      if (wish.isUrgent) wish.dueAt = now
    }
  }

  /** Whom to introduce now. `canReach` says whether asking makes sense at all; who cannot be reached stays on the list. */
  take(now: Instant, canReach: (peer: AccountNumber) => boolean): readonly AccountNumber[] {
    const due = [...this.#wishes].filter(
      ([peer, wish]) => !wish.isAttempted && wish.dueAt <= now && canReach(peer),
    )
    due.sort(([, a], [, b]) => Number(b.isUrgent) - Number(a.isUrgent) || a.dueAt - b.dueAt)
    const taken = due.slice(0, Math.max(0, MAX_ATTEMPTS - this.#attempts()))
    for (const [, wish] of taken) wish.isAttempted = true
    return taken.map(([peer]) => peer)
  }

  /** When `take` has somebody next who is not due yet. */
  nextDue(now: Instant): Instant | undefined {
    const waiting = [...this.#wishes.values()].filter((wish) => !wish.isAttempted)
    return earliest(...waiting.map((wish) => wish.dueAt).filter((dueAt) => dueAt > now))
  }

  #attempts(): number {
    return [...this.#wishes.values()].filter((wish) => wish.isAttempted).length
  }

  #failed(now: Instant, peer: AccountNumber, isWanted: boolean): void {
    const wish = this.#wishes.get(peer)
    if (wish === undefined) {
      if (isWanted) this.want(now, peer)
      return
    }
    wish.isAttempted = false
    wish.isUrgent = isWanted
    wish.failures += 1
    wish.dueAt = this.#retryAt(now, wish.failures)
    if (!isWanted && wish.failures >= MAX_GREETINGS) this.#wishes.delete(peer)
  }

  #retryAt(now: Instant, failures: number): Instant {
    const backoffMs = Math.min(FIRST_BACKOFF_MS * 2 ** (failures - 1), LONGEST_BACKOFF_MS)
    return after(now, backoffMs * (1 + JITTER * (2 * uniform(this.#random) - 1)))
  }
}
