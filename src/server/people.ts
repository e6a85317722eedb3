/**
 * What one may find out about others: who is online of those who let themselves be listed, what a buddy says of
 * themselves, and where a buddy is. An invisible account looks here exactly as one that is offline.
 */
import type { Endpoint } from '../core/endpoint.ts'
import type { Instant } from '../core/instant.ts'
import type { AccountNumber } from '../protocol/server/messages.ts'
import {
  type GetProfile,
  type Locate,
  type Located,
  MAX_ONLINE_PAGE,
  type Online,
  type OnlineEntry,
  type ProfileAnswer,
  type SetProfile,
  type Who,
} from '../protocol/server/people-messages.ts'
import { type Answer, done, rateLimited, type Refusal, refused } from './answer.ts'
import type { Directory } from './directory.ts'
import type { OnlineAccount } from './online-account.ts'
import type { Presence } from './presence.ts'
import type { Profile, ServerStore } from './store/server-store.ts'
import { type BucketShape, TokenBuckets } from './token-buckets.ts'

/** Pages of the list of who is online: somebody who looks for company, not somebody who keeps a copy of the list. */
const WHO: BucketShape = { burst: 30, everyMs: 5_000 }

/** Each is written to disk. */
const PROFILES: BucketShape = { burst: 10, everyMs: 10_000 }

/** Questions about buddies: a front-end that shows all of a long list. */
const QUESTIONS: BucketShape = { burst: 500, everyMs: 200 }

export interface PeopleOptions {
  readonly store: ServerStore
  readonly directory: Directory
  readonly presence: Presence
  readonly isWitnessed: (now: Instant, endpoint: Endpoint) => boolean
}

export class People {
  readonly #options: PeopleOptions
  readonly #listed = new Map<AccountNumber, Profile>() // BOUNDED: those with a session
  readonly #whoRate = new TokenBuckets(WHO)
  readonly #profileRate = new TokenBuckets(PROFILES)
  readonly #questionRate = new TokenBuckets(QUESTIONS)

  constructor(options: PeopleOptions) {
    this.#options = options
  }

  /** Somebody is there now, and may want to be found. */
  async arrived({ number, session }: OnlineAccount): Promise<void> {
    const profile = await this.#options.store.profile(number)
    if (session.isOpen) this.#list(number, profile)
  }

  /** Their session has ended. */
  left(number: AccountNumber): void {
    this.#listed.delete(number)
  }

  who(now: Instant, from: OnlineAccount, { id, after }: Who): Online | Refusal {
    const refusal = limit(this.#whoRate, now, from)
    if (refusal !== undefined) return refusal
    const numbers = [...this.#listed.keys()].filter((number) => number > after)
    numbers.sort((a, b) => a - b)
    const people: OnlineEntry[] = [] // ≤ MAX_ONLINE_PAGE
    for (const number of numbers) {
      const entry = this.#entryFor(from, number)
      if (entry === undefined) continue
      if (people.length === MAX_ONLINE_PAGE) return { kind: 'online', id, isLast: false, people }
      people.push(entry)
    }
    return { kind: 'online', id, isLast: true, people }
  }

  locate(now: Instant, from: OnlineAccount, { id, of }: Locate): Located | Refusal {
    if (!from.isBuddy(of)) return refused('not-buddies', 'Only buddies are told')
    const refusal = limit(this.#questionRate, now, from)
    if (refusal !== undefined) return refusal
    const { directory, presence, isWitnessed } = this.#options
    const buddy = directory.ready(of)
    // One answer for all three: not there, not to be seen, and concealed from the asker.
    if (buddy === undefined || presence.isInvisible(of) || !buddy.shows(from.number)) {
      return refused('offline', 'The server does not know where they are')
    }
    const { client, connectedAtMs, remote, report } = buddy.session.record
    return {
      kind: 'located',
      id,
      number: of,
      client,
      sinceMs: connectedAtMs,
      seenFrom: remote,
      ...(report ?? { localAddresses: [], udpPort: 0, tcpPort: 0 }),
      publicEndpoints: (report?.publicEndpoints ?? []).filter((seen) => isWitnessed(now, seen)),
    }
  }

  async profile(
    now: Instant,
    from: OnlineAccount,
    { id, of }: GetProfile,
  ): Promise<ProfileAnswer | Refusal> {
    const isOwn = of === from.number
    if (!isOwn && !from.isBuddy(of)) return refused('not-buddies', 'Only buddies are told')
    const refusal = limit(this.#questionRate, now, from)
    if (refusal !== undefined) return refusal
    const { name, text, isListed } = await this.#options.store.profile(of)
    return { kind: 'profile', id, number: of, name, text, ...(isOwn && { isListed }) }
  }

  async setProfile(now: Instant, from: OnlineAccount, message: SetProfile): Promise<Answer> {
    const refusal = limit(this.#profileRate, now, from)
    if (refusal !== undefined) return refusal
    const { name, text, isListed } = message
    await this.#options.store.setProfile(from.number, { name, text, isListed })
    this.#list(from.number, { name, text, isListed })
    return done
  }

  #list(number: AccountNumber, profile: Profile): void {
    if (profile.isListed) this.#listed.set(number, profile)
    else this.#listed.delete(number)
  }

  #entryFor(from: OnlineAccount, number: AccountNumber): OnlineEntry | undefined {
    const { directory, presence } = this.#options
    const account = directory.ready(number)
    const told = presence.told(number)
    if (account === undefined || told === undefined || account.hasBlocked(from.number)) {
      return undefined
    }
    const { state } = told
    if (state === 'offline' || state === 'invisible') return undefined
    const name = this.#listed.get(number)?.name ?? ''
    return { number, handle: account.handle, name, state }
  }
}

function limit(rate: TokenBuckets, now: Instant, { number }: OnlineAccount): Refusal | undefined {
  const key = String(number)
  return rate.take(now, key) ? undefined : rateLimited(rate.waitMs(now, key))
}
