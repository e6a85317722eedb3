/**
 * What punching attempts may cost a host and its network, over all peers: one object for a daemon.
 *
 * A birthday attempt makes hundreds of entries in the tables of routers on its way, so there is one at a time, and no
 * more than two with a peer in an hour. What failed is tried again after a second, then two, four … 64; what failed three
 * times between the same two networks not for an hour.
 */
import { after, type Instant } from '../core/instant.ts'
import { isBirthday } from './moves.ts'
import type { Strategy } from './strategy.ts'

export interface AttemptSubject {
  /** Who: the same text for the same peer. */
  readonly peer: string
  /** Between which networks: both public addresses. */
  readonly networks: string
  readonly strategy: Strategy
}

/** Why an attempt may not begin now, and when it may. */
export type Refusal =
  | { readonly why: 'forbidden' }
  | { readonly why: 'busy' | 'too-many' | 'backing-off' | 'given-up'; readonly until: Instant }

const HOUR_MS = 60 * 60 * 1000
const BIRTHDAYS_AN_HOUR = 2
const FAILURES_TO_GIVE_UP = 3
const FIRST_BACKOFF_MS = 1000
const LONGEST_BACKOFF_MS = 64_000

/** The other one is over within this time. */
const BUSY_MS = 2000

/** More pairs of networks than a daemon meets in an hour; each costs some 100 bytes. */
export const MAX_REMEMBERED = 1024

interface Failures {
  readonly count: number
  readonly at: Instant
}

export class PunchBudget {
  readonly #isForbidden: boolean
  readonly #birthdays = new Map<string, readonly Instant[]>() // by peer, ≤ BIRTHDAYS_AN_HOUR each; ≤ MAX_REMEMBERED
  readonly #failures = new Map<string, Failures>() // by networks and strategy; ≤ MAX_REMEMBERED
  #birthdayOf: string | undefined

  /** `isForbidden`: whoever runs the daemon wants neither prediction nor birthday attempts. */
  constructor({ isForbidden = false }: { readonly isForbidden?: boolean } = {}) {
    this.#isForbidden = isForbidden
  }

  refusal(now: Instant, subject: AttemptSubject): Refusal | undefined {
    const { peer, strategy } = subject
    if (this.#isForbidden && strategy.kind !== 'fresh-sockets') return { why: 'forbidden' }
    const failures = this.#failures.get(failureKey(subject))
    if (failures !== undefined) {
      const hasGivenUp = failures.count >= FAILURES_TO_GIVE_UP
      const until = after(failures.at, hasGivenUp ? HOUR_MS : backoffMs(failures.count))
      if (now < until) return { why: hasGivenUp ? 'given-up' : 'backing-off', until }
    }
    if (!isBirthday(strategy)) return undefined
    if (this.#birthdayOf !== undefined) return { why: 'busy', until: after(now, BUSY_MS) }
    const [oldest, ...others] = this.#birthdaysOf(now, peer)
    if (oldest === undefined || others.length + 1 < BIRTHDAYS_AN_HOUR) return undefined
    return { why: 'too-many', until: after(oldest, HOUR_MS) }
  }

  /** To be called where `refusal` had none; `end` must follow. */
  begin(now: Instant, { peer, strategy }: AttemptSubject): void {
    if (!isBirthday(strategy)) return
    this.#birthdayOf = peer
    remember(this.#birthdays, peer, [...this.#birthdaysOf(now, peer), now])
  }

  end(now: Instant, subject: AttemptSubject, hasFailed: boolean): void {
    if (isBirthday(subject.strategy) && this.#birthdayOf === subject.peer) {
      this.#birthdayOf = undefined
    }
    const key = failureKey(subject)
    const known = this.#failures.get(key)
    const isForgotten = known !== undefined && now >= after(known.at, HOUR_MS)
    const count = known === undefined || isForgotten ? 0 : known.count
    if (hasFailed) remember(this.#failures, key, { count: count + 1, at: now })
    else this.#failures.delete(key)
  }

  #birthdaysOf(now: Instant, peer: string): readonly Instant[] {
    return (this.#birthdays.get(peer) ?? []).filter((at) => now < after(at, HOUR_MS))
  }
}

function backoffMs(failures: number): number {
  return Math.min(FIRST_BACKOFF_MS * 2 ** (failures - 1), LONGEST_BACKOFF_MS)
}

function failureKey({ networks, strategy }: AttemptSubject): string {
  return `${networks} ${strategy.kind}`
}

/** The one that was not touched for longest has to go. */
function remember<T>(table: Map<string, T>, key: string, value: T): void {
  table.delete(key)
  table.set(key, value)
  const [oldest] = table.keys()
  if (table.size > MAX_REMEMBERED && oldest !== undefined) table.delete(oldest)
}
