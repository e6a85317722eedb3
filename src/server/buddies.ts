/**
 * The buddy list's changes. Each is one transaction for both sides; then whoever of the two is online is told, and
 * nothing is told before it is stored. A stranger learns of another no more than number and handle, and these only by
 * knowing one of them exactly.
 */
import type { Instant } from '../core/instant.ts'
import type {
  AccountName,
  AccountNumber,
  BuddyAnswer,
  BuddyConceal,
  BuddyMove,
  BuddyNote,
  DeviceKeys,
  Found,
  Search,
} from '../protocol/server/messages.ts'
import { type Answer, done, rateLimited, type Refusal, refused } from './answer.ts'
import type { Directory } from './directory.ts'
import { readName } from './handle.ts'
import type { OnlineAccount } from './online-account.ts'
import { changeOf, entryOf } from './roster-news.ts'
import {
  type Account,
  type FactChange,
  type Person,
  type Relation,
  type RelationChange,
  type ServerStore,
  type SideNews,
} from './store/server-store.ts'
import { type BucketShape, TokenBuckets } from './token-buckets.ts'

/** Each names an account, so this is also how fast one can find out which numbers and handles exist. */
const REQUESTS: BucketShape = { burst: 30, everyMs: 10_000 }

export interface BuddiesOptions {
  readonly store: ServerStore
  readonly directory: Directory
  /** Two have agreed: each may now see the other's presence. */
  readonly onAgreed: (a: AccountNumber, b: AccountNumber) => void
}

export class Buddies {
  readonly #options: BuddiesOptions
  readonly #rate = new TokenBuckets(REQUESTS)

  constructor(options: BuddiesOptions) {
    this.#options = options
  }

  /** Who has a number or exactly this handle. Blocked or not, there or away: the answer is the same. */
  async search(now: Instant, from: OnlineAccount, { id, name }: Search): Promise<Found | Refusal> {
    const rateKey = String(from.number)
    if (!this.#rate.take(now, rateKey)) return rateLimited(this.#rate.waitMs(now, rateKey))
    const found = await this.#find(name)
    if (found === undefined) return refused('not-found', 'There is no such account')
    return { kind: 'found', id, number: found.number, handle: found.handle }
  }

  /** Asks somebody to become a buddy. Whoever has been asked by the other already agrees by asking. */
  async request(now: Instant, from: OnlineAccount, to: AccountName, note: string): Promise<Answer> {
    const rateKey = String(from.number)
    if (!this.#rate.take(now, rateKey)) return rateLimited(this.#rate.waitMs(now, rateKey))
    const other = await this.#find(to)
    if (other === undefined) return refused('not-found', 'There is no such account')
    if (other.number === from.number) return refused('not-found', 'That is your own account')
    return await this.#change(from, other, { note, decide: relationAfterRequest }, (before) => {
      if (before === 'accepted') return refused('already-buddies', 'You are buddies already')
      return before === 'blocked' ? refused('not-buddies', 'You have blocked them') : done
    })
  }

  /**
   * From now on they are nobody here, whatever they do, and they do not learn of it: it looks to them as if they had
   * been removed, and what they ask for later is never answered. Strangers can be blocked too.
   */
  async block(now: Instant, from: OnlineAccount, message: BuddyAnswer): Promise<Answer> {
    const rateKey = String(from.number)
    if (!this.#rate.take(now, rateKey)) return rateLimited(this.#rate.waitMs(now, rateKey))
    return await this.answer(from, message)
  }

  /** Accepts, rejects, or takes back. Saying a thing twice is no error: the first answer may have been lost. */
  async answer(from: OnlineAccount, { kind, number }: BuddyAnswer): Promise<Answer> {
    const other = await this.#options.store.account(number)
    if (other === undefined || number === from.number) return nothingToAnswer(kind)
    const decide = (present: Relation): Relation => relationAfterAnswer(kind, present)
    return await this.#change(from, other, { note: '', decide }, (before, after) => {
      const isRepeated =
        (kind === 'buddy-accept' && before === 'accepted') ||
        (kind === 'buddy-block' && before === 'blocked')
      return before === after && !isRepeated ? nothingToAnswer(kind) : done
    })
  }

  /** Writes something to one's own entry of somebody, who does not hear of it. */
  async describe(
    from: OnlineAccount,
    message: BuddyMove | BuddyNote | BuddyConceal,
  ): Promise<Answer> {
    const { number } = message
    const noted = await this.#options.store.note(from.number, number, factsOf(message))
    if (noted === undefined) return refused('not-found', 'They are not on your list')
    const { record, version } = noted
    const present = this.#options.directory.find(from.number)
    present?.apply({ ...changeOf(record), version })
    return done
  }

  async #find(name: AccountName): Promise<Account | undefined> {
    const ref = readName(name)
    if (ref === undefined) return undefined
    const { store } = this.#options
    return ref.kind === 'number'
      ? await store.account(ref.number)
      : await store.accountByHandle(ref.handle)
  }

  async #change(
    from: OnlineAccount,
    other: Person,
    change: { readonly note: string; readonly decide: (present: Relation) => Relation },
    answer: (before: Relation, after: Relation) => Answer,
  ): Promise<Answer> {
    const outcome = await this.#options.store.changeRelation(
      from,
      other,
      (present): RelationChange => ({ relation: change.decide(present), note: change.note }),
    )
    if (outcome.kind === 'gone') return refused('not-found', 'There is no such account')
    if (outcome.kind === 'full') {
      return outcome.whose === 'first'
        ? refused('too-many', 'Your buddy list is full')
        : refused('too-many', 'Too many requests wait there already')
    }
    const { before, after, otherBefore, otherAfter, first, second } = outcome
    if (before !== after && first !== undefined) {
      this.#tell(from.number, other, { relation: after, note: '', ...first }, outcome.secondDevice)
    }
    if (otherBefore !== otherAfter && second !== undefined) {
      const side = { relation: otherAfter, note: change.note, ...second }
      this.#tell(other.number, from, side, outcome.firstDevice)
    }
    if (before !== after && after === 'accepted') {
      this.#options.onAgreed(from.number, other.number)
    }
    return answer(before, after)
  }

  #tell(
    to: AccountNumber,
    { number, handle }: Person,
    side: SideNews & { readonly relation: Relation; readonly note: string },
    device: DeviceKeys | undefined,
  ): void {
    const account = this.#options.directory.find(to)
    if (account === undefined) return
    const { relation, version, own, note } = side
    if (relation === 'none') account.apply({ kind: 'buddy-removed', number, version })
    else {
      const entry = { number, handle, state: relation }
      account.apply({
        kind: 'buddy-changed',
        buddy: entryOf({
          ...entry,
          ...(device === undefined ? {} : { device }),
          ...(own === undefined ? {} : { own }),
        }),
        note: relation === 'pending-in' ? note : '',
        version,
      })
    }
  }
}

/** What of one's own facts about a buddy a message changes. */
function factsOf(message: BuddyMove | BuddyNote | BuddyConceal): FactChange {
  switch (message.kind) {
    case 'buddy-move':
      return { group: message.group }
    case 'buddy-note':
      return { remark: message.note }
    case 'buddy-conceal':
      return { isConcealed: message.isConcealed }
  }
}

function relationAfterRequest(present: Relation): Relation {
  switch (present) {
    case 'none':
      return 'pending-out'
    case 'pending-in':
      return 'accepted'
    case 'pending-out':
    case 'accepted':
    case 'blocked':
      return present
  }
}

function relationAfterAnswer(kind: BuddyAnswer['kind'], present: Relation): Relation {
  switch (kind) {
    case 'buddy-accept':
      return present === 'pending-in' ? 'accepted' : present
    case 'buddy-reject':
      return present === 'pending-in' ? 'none' : present
    case 'buddy-remove':
      return present === 'blocked' ? present : 'none'
    case 'buddy-block':
      return 'blocked'
    case 'buddy-unblock':
      return present === 'blocked' ? 'none' : present
  }
}

function nothingToAnswer(kind: BuddyAnswer['kind']): Answer {
  switch (kind) {
    case 'buddy-accept':
    case 'buddy-reject':
      return refused('not-found', 'No request of theirs waits')
    case 'buddy-remove':
      return refused('not-buddies', 'They are not on your list')
    case 'buddy-block':
      return refused('not-found', 'There is no such account')
    case 'buddy-unblock':
      return refused('not-found', 'You have not blocked them')
  }
}
