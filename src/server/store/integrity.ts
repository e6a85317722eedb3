/**
 * Looks through the whole store for what is damaged, missing or contradicts itself, and mends what can be mended:
 *
 * - Every record has a checksum over its key and its bytes (`record.ts`). What does not fit is set aside under
 *   `damaged/KEY`, where nothing reads it, so that one bad record costs what it held and no more.
 * - Records that belong together tell of each other: accounts and handles, the two sides of a pair, the index and the
 *   body of a message. What one of them proves about a missing other is written again; the rest is told.
 * - Counters must lie above all that they have given out.
 *
 * Bodies of mail come last: they are the bulk, and each is checked again when it is read.
 */
import type { z } from 'zod'
import type { Store, StoreChange, StoreRange } from '../../core/store.ts'
import type { AccountNumber } from '../../protocol/server/messages.ts'
import { FIRST_ACCOUNT_NUMBER } from '../handle.ts'
import { printable } from '../printable.ts'
import { lastNumberOf, sortable } from './keys.ts'
import { ageRecord, indexRecord, nextRecord } from './mail-records.ts'
import { isIntact, putRecord, readIntact } from './record.ts'
import { accountKey, accountRecord, handleRecord, rosterRecord } from './server-records.ts'

/** Where damaged records are kept; the check passes them over. */
export const SET_ASIDE = 'damaged/'

/** Named in the report; what comes beyond is only counted. */
const MOST_NAMED = 1_000

/** Pairs, and accounts, that wait for their other half to be seen: some 100 MB. More are not compared. */
const MOST_WAITING = 1_000_000

/** Changes in one write. */
const AT_ONCE = 256

/** A counter of messages is put so far above all that are there: numbers are handed out by the thousand. */
const MAIL_NUMBERS_SKIPPED = 1_000_000

export interface Finding {
  readonly key: string
  /** In words: `The account 10001`. */
  readonly what: string
  readonly how: 'damaged' | 'missing' | 'contradictory'
  readonly done: 'set aside' | 'written again' | 'left as it is'
}

export interface IntegrityReport {
  /** How many were looked at. */
  readonly records: number
  /** Everything was looked at; otherwise time was up before the end of the mail. */
  readonly isComplete: boolean
  readonly findings: readonly Finding[] // ≤ MOST_NAMED
  readonly found: number
}

export interface IntegrityOptions {
  /** Otherwise nothing is written. */
  readonly mends: boolean
  /** Asked at every record. */
  readonly isTimeUp: () => boolean
}

/** @throws what the store throws where it cannot be read at all */
export async function checkIntegrity(
  store: Store,
  options: IntegrityOptions,
): Promise<IntegrityReport> {
  return await new IntegrityCheck(store, options).run()
}

const BEFORE_BODIES: StoreRange = { before: 'mail/' }
const BODIES: StoreRange = { from: 'mail/', before: 'mail0' }
const BEHIND_BODIES: StoreRange = { from: 'mail0' }
const INDEXES: StoreRange = { from: 'mail-index/', before: 'mail-index0' }

type StoredRecord = readonly [key: string, value: Uint8Array]

type RosterState = z.output<typeof rosterRecord>['state']

interface Side {
  readonly whose: AccountNumber
  readonly of: AccountNumber
  readonly state: RosterState
}

class IntegrityCheck {
  readonly #store: Store
  readonly #options: IntegrityOptions
  readonly #findings: Finding[] = [] // ≤ MOST_NAMED
  readonly #changes: StoreChange[] = [] // as many as there are findings: mending ends before the server serves
  readonly #sides = new Map<string, Side>() // ≤ MOST_WAITING
  readonly #handles = new Map<AccountNumber, string>() // ≤ MOST_WAITING; of accounts
  readonly #names = new Map<AccountNumber, string>() // ≤ MOST_WAITING; of accounts, for what is written again
  readonly #withDevices = new Set<AccountNumber>() // ≤ MOST_WAITING
  #records = 0
  #found = 0
  #isComplete = true
  #lastAccount = FIRST_ACCOUNT_NUMBER - 1
  #lastMail = 0
  #oldestAgeMs = 0
  readonly #counters = new Map<string, number>() // those of COUNTERS that are there

  constructor(store: Store, options: IntegrityOptions) {
    this.#store = store
    this.#options = options
  }

  async run(): Promise<IntegrityReport> {
    await this.#walk(BEFORE_BODIES)
    await this.#walk(BEHIND_BODIES)
    if (this.#isComplete) this.#judgeTheRest()
    if (this.#isComplete) await this.#walkMail()
    if (this.#options.mends) await this.#mend()
    return {
      records: this.#records,
      isComplete: this.#isComplete,
      findings: this.#findings,
      found: this.#found,
    }
  }

  async #walk(range: StoreRange): Promise<void> {
    for await (const [key, value] of this.#store.range(range)) {
      if (this.#isOver()) return
      if (key.startsWith(SET_ASIDE)) continue
      this.#records += 1
      if (!isIntact(key, value)) this.#setAside(key, value)
      else if (!this.#seen(key, value)) this.#setAside(key, value)
    }
  }

  /** Indexes and bodies have the same order, so one pass over both finds what has no other. */
  async #walkMail(): Promise<void> {
    const indexes = this.#store.range(INDEXES)[Symbol.asyncIterator]()
    let index = await nextOf(indexes)
    for await (const [key, value] of this.#store.range(BODIES)) {
      if (this.#isOver()) break
      this.#records += 1
      const place = key.slice('mail/'.length)
      while (index !== undefined && placeOf(index) < place) {
        this.#lostBody(index)
        index = await nextOf(indexes)
      }
      if (index === undefined || placeOf(index) !== place) {
        this.#setAside(key, value, 'contradictory')
        continue
      }
      this.#judgeBody(key, value, index)
      index = await nextOf(indexes)
    }
    if (!this.#isComplete) await indexes.return?.()
    else for (; index !== undefined; index = await nextOf(indexes)) this.#lostBody(index)
  }

  #judgeBody(key: string, value: Uint8Array, index: StoredRecord): void {
    if (!isIntact(...index))
      this.#moveAside(key, value) // told already
    else if (!isIntact(key, value)) {
      this.#setAside(key, value)
      this.#drop(index[0])
    }
  }

  #lostBody(index: StoredRecord): void {
    if (isIntact(...index)) this.#setAside(...index, 'missing')
  }

  #isOver(): boolean {
    if (this.#options.isTimeUp()) this.#isComplete = false
    return !this.#isComplete
  }

  /** Remembers what other records are judged by. `false` when the record, which is intact, makes no sense. */
  #seen(key: string, value: Uint8Array): boolean {
    const kind = key.split('/', 1)[0] ?? ''
    try {
      switch (kind) {
        case 'account':
          this.#seenAccount(key, value)
          break
        case 'devices':
          if (this.#withDevices.size < MOST_WAITING) this.#withDevices.add(lastNumberOf(key))
          break
        case 'handle':
          this.#seenHandle(key, value)
          break
        case 'roster':
          this.#seenSide(key, value)
          break
        case 'mail-index':
          this.#lastMail = Math.max(this.#lastMail, lastNumberOf(key))
          this.#oldestAgeMs = Math.max(this.#oldestAgeMs, readIntact(indexRecord, key, value).ageMs)
          break
        case 'mail-age':
          this.#counters.set(key, readIntact(ageRecord, key, value).ms)
          break
        case 'mail-next':
        case 'next-number':
          this.#counters.set(key, readIntact(nextRecord, key, value).next)
          break
        default:
      }
      return true
    } catch {
      return false
    }
  }

  #seenAccount(key: string, value: Uint8Array): void {
    const { number, handle } = readIntact(accountRecord, key, value)
    this.#lastAccount = Math.max(this.#lastAccount, number)
    if (this.#handles.size >= MOST_WAITING) return
    this.#handles.set(number, handle)
    this.#names.set(number, handle)
  }

  /**
   * Accounts and devices come before handles. The handle of a deleted account may stay, so that nobody takes it; but
   * where there are devices without an account, it was lost.
   */
  #seenHandle(key: string, value: Uint8Array): void {
    const { number } = readIntact(handleRecord, key, value)
    this.#lastAccount = Math.max(this.#lastAccount, number)
    const handle = key.slice('handle/'.length)
    if (this.#handles.get(number) === handle) this.#handles.delete(number)
    else if (this.#withDevices.has(number) && !this.#names.has(number)) {
      const what = `The account ${number} with the handle "${handle}"`
      this.#tell({ key: accountKey(number), what, how: 'missing', done: 'left as it is' })
    }
  }

  #seenSide(key: string, value: Uint8Array): void {
    const [, whose = '', of = ''] = key.split('/')
    const side = {
      whose: Number(whose),
      of: Number(of),
      state: readIntact(rosterRecord, key, value).state,
    }
    const pair = [side.whose, side.of].sort((a, b) => a - b).join('/')
    const other = this.#sides.get(pair)
    if (other !== undefined) {
      this.#sides.delete(pair)
      if (!agree(side.state, other.state) || !agree(other.state, side.state)) {
        this.#tell({ key, what: wordsOf(key), how: 'contradictory', done: 'left as it is' })
      }
    } else if (this.#sides.size < MOST_WAITING) this.#sides.set(pair, side)
  }

  /** What is still waiting for its other half has none. */
  #judgeTheRest(): void {
    for (const [number, handle] of this.#handles) {
      const key = `handle/${handle}`
      this.#rebuild(putRecord(handleRecord, key, { number }))
    }
    for (const side of this.#sides.values()) this.#judgeSide(side)
    this.#judgeCounter('next-number', this.#lastAccount, this.#lastAccount + 1)
    this.#judgeCounter('mail-next', this.#lastMail, this.#lastMail + MAIL_NUMBERS_SKIPPED)
    const ageMs = this.#counters.get('mail-age')
    if (this.#oldestAgeMs > (ageMs ?? 0)) {
      this.#rebuild(putRecord(ageRecord, 'mail-age', { ms: this.#oldestAgeMs }))
    }
  }

  #judgeSide({ whose, of, state }: Side): void {
    const mirrored = OTHER_SIDE[state]
    if (mirrored === undefined) return
    const key = `roster/${sortable(of)}/${sortable(whose)}`
    const handle = this.#names.get(whose)
    // Whose account is gone is nobody's buddy; the account's own loss is told already.
    if (handle === undefined) return
    this.#rebuild(
      putRecord(rosterRecord, key, {
        number: whose,
        handle: handle as z.output<typeof rosterRecord>['handle'],
        state: mirrored,
        note: '',
      }),
    )
  }

  #judgeCounter(key: string, last: number, next: number): void {
    const present = this.#counters.get(key)
    const isUsed = last >= FIRST_ACCOUNT_NUMBER || (key === 'mail-next' && last > 0)
    if (isUsed && (present ?? 0) <= last) this.#rebuild(putRecord(nextRecord, key, { next }))
  }

  #setAside(key: string, value: Uint8Array, how: Finding['how'] = 'damaged'): void {
    this.#tell({ key, what: wordsOf(key), how, done: 'set aside' })
    this.#moveAside(key, value)
  }

  #moveAside(key: string, value: Uint8Array): void {
    this.#changes.push({ kind: 'put', key: SET_ASIDE + key, value })
    this.#drop(key)
  }

  #drop(key: string): void {
    this.#changes.push({ kind: 'delete', key })
  }

  #rebuild(change: StoreChange): void {
    const { key } = change
    this.#tell({ key, what: wordsOf(key), how: 'missing', done: 'written again' })
    this.#changes.push(change)
  }

  #tell(finding: Finding): void {
    this.#found += 1
    if (this.#findings.length >= MOST_NAMED) return
    const done = this.#options.mends ? finding.done : 'left as it is'
    this.#findings.push({ ...finding, key: printable(finding.key), done })
  }

  async #mend(): Promise<void> {
    for (let at = 0; at < this.#changes.length; at += AT_ONCE) {
      await this.#store.write(this.#changes.slice(at, at + AT_ONCE))
    }
  }
}

/**
 * What the other side must be. Who is blocked may have a request, or nothing; so nothing is known from a block, and a
 * request whose other side is lost becomes one that is seen: a block that was lost with it is made again by its owner.
 */
const OTHER_SIDE: Readonly<Record<RosterState, RosterState | undefined>> = {
  accepted: 'accepted',
  'pending-in': 'pending-out',
  'pending-out': 'pending-in',
  blocked: undefined,
}

/** Whether a side may look like this beside that one. */
function agree(side: RosterState, other: RosterState): boolean {
  return (
    OTHER_SIDE[side] === other ||
    side === 'blocked' ||
    (side === 'pending-out' && other === 'blocked')
  )
}

async function nextOf(records: AsyncIterator<StoredRecord>): Promise<StoredRecord | undefined> {
  const next = await records.next()
  return next.done === true ? undefined : next.value
}

/** OWNER/SEQ of an index. */
function placeOf([key]: StoredRecord): string {
  return key.slice('mail-index/'.length)
}

/** What a record is, for people. */
export function wordsOf(key: string): string {
  const [kind = '', first = '', second = ''] = key.split('/')
  const [a, b] = [Number(first), Number(second)]
  switch (kind) {
    case 'account':
      return `The account ${a}`
    case 'handle':
      return `Whose the handle "${printable(first)}" is`
    case 'devices':
      return `The devices of the account ${a}`
    case 'roster':
      return `The entry of ${b} in the buddy list of ${a}`
    case 'roster-head':
    case 'roster-log':
      return `What has changed in the buddy list of ${a}`
    case 'profile':
      return `The profile of the account ${a}`
    case 'session':
    case 'epoch':
      return `The session of the account ${a}`
    case 'prekey':
    case 'prekey-signed':
      return `A prekey of the account ${a}`
    case 'key-log':
      return `Entry ${b} in the key log of the account ${a}`
    case 'mail':
    case 'mail-index':
      return `The message ${b} for the account ${a}`
    case 'secret':
      return `The server's secret "${printable(first)}"`
    default:
      return `The record "${printable(key)}"`
  }
}
