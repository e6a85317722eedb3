/**
 * Buddy lists over an ordered key-value store: both sides of a pair are written together, and every change is logged
 * (`roster-log.ts`), so that a daemon which comes back is told what has changed alone.
 */
import type { z } from 'zod'
import { toHex } from '../../core/bytes.ts'
import type { StoreChange } from '../../core/store.ts'
import type {
  AccountNumber,
  BuddyState,
  DeviceKeys,
  RosterVersion,
} from '../../protocol/server/messages.ts'
import { numbersUnder } from './keys.ts'
import type { KvMailStore } from './kv-mail-store.ts'
import { putRecord } from './record.ts'
import type { Records } from './records.ts'
import type { RosterLog } from './roster-log.ts'
import { rosterKey, rosterPrefix, rosterRecord } from './server-records.ts'
import {
  type FactChange,
  mirrored,
  type OwnFacts,
  type Person,
  type Relation,
  type RelationChange,
  type RelationOutcome,
  type RosterNews,
  type RosterRecord,
  type ServerStore,
  type SideNews,
} from './server-store.ts'

type RosterSide = z.output<typeof rosterRecord>

export interface RosterLimits {
  readonly roster: number
  readonly pendingIn: number
}

export interface KvRosterOptions {
  readonly records: Records
  readonly log: RosterLog
  readonly mail: KvMailStore
  readonly people: Pick<ServerStore, 'account' | 'devices'>
  readonly limits: RosterLimits
}

/** Changes wait in the queue of `records`: with those of accounts, and never beside them. */
export class KvRoster {
  readonly #records: Records
  readonly #log: RosterLog
  readonly #mail: KvMailStore
  readonly #people: KvRosterOptions['people']
  readonly #limits: RosterLimits

  constructor({ records, log, mail, people, limits }: KvRosterOptions) {
    this.#records = records
    this.#log = log
    this.#mail = mail
    this.#people = people
    this.#limits = limits
  }

  async list(number: AccountNumber): Promise<readonly RosterRecord[]> {
    const sides = await this.#sides(number)
    return await Promise.all(sides.map((side) => this.#withDevice(side)))
  }

  async since(number: AccountNumber, known?: RosterVersion): Promise<RosterNews> {
    // The version first: what changes while we read is told once more, rather than never.
    const [version, changes] = await Promise.all([
      this.#log.version(number),
      known === undefined ? undefined : this.#log.since(number, known),
    ])
    const sides = await this.#sides(number)
    const states = new Map(sides.map((side) => [side.number, listedState(side)]))
    const isTold = (side: RosterSide): boolean => changes?.includes(side.number) ?? true
    const entries = await Promise.all(sides.filter(isTold).map((side) => this.#withDevice(side)))
    if (changes === undefined) return { version, states, news: { kind: 'whole', entries } }
    const removed = changes.filter((of) => !states.has(of))
    return { version, states, news: { kind: 'changes', changed: entries, removed } }
  }

  note(
    owner: AccountNumber,
    number: AccountNumber,
    facts: FactChange,
  ): ReturnType<ServerStore['note']> {
    return this.#records.inOrder(async () => {
      const key = rosterKey(owner, number)
      const before = await this.#records.read(rosterRecord, key)
      if (before === undefined) return undefined
      const side = { ...before, own: ownFacts({ ...before.own, ...facts }) }
      const { version, changes } = await this.#log.changed(owner, number, JSON.stringify(side.own))
      await this.#records.write([putRecord(rosterRecord, key, side), ...changes])
      return { record: await this.#withDevice(side), version }
    })
  }

  changeRelation(
    first: Person,
    second: Person,
    decide: (present: Relation) => RelationChange,
  ): Promise<RelationOutcome> {
    return this.#records.inOrder(async () => {
      const [side, otherSide] = [await this.#side(first, second), await this.#side(second, first)]
      const before: Relation = side?.state ?? 'none'
      const otherBefore: Relation = otherSide?.state ?? 'none'
      const change = decide(before)
      const [after, otherAfter] = afterwards(before, otherBefore, change.relation)
      const sides = { before, after, otherBefore, otherAfter }
      if (after === before) return { kind: 'done', ...sides }
      if (before === 'none') {
        const isThere = [
          await this.#people.account(first.number),
          await this.#people.account(second.number),
        ]
        if (isThere.includes(undefined)) return { kind: 'gone' }
        const whose = await this.#whoseListIsFull(first, second, after)
        if (whose !== undefined) return { kind: 'full', whose }
      }
      const devices = after === 'accepted' ? await this.#devicesOf(first, second) : {}
      const firstLog = await this.#log.changed(first.number, second.number, after)
      // Who is blocked must not see that anything has happened; who blocks is told nothing new, at worst.
      const isOtherToldOf = otherAfter !== otherBefore || otherAfter === 'blocked'
      const secondLog = isOtherToldOf
        ? await this.#log.changed(second.number, first.number, otherAfter)
        : undefined
      // Both sides in any case, though one may be as before: a write must not tell by its length who is blocked.
      const changes = [
        sideChange(first, second, { relation: after, note: '', own: side?.own }),
        sideChange(second, first, {
          relation: otherAfter,
          note: change.note ?? '',
          own: otherSide?.own,
        }),
        ...firstLog.changes,
        ...(secondLog?.changes ?? []),
      ]
      if (after === 'blocked') {
        await this.#mail.forgetBetween(first.number, second.number, (mail) =>
          this.#records.write([...changes, ...mail]),
        )
      } else await this.#records.write(changes)
      return {
        kind: 'done',
        ...sides,
        first: sideNews(firstLog.version, side),
        ...(secondLog && { second: sideNews(secondLog.version, otherSide) }),
        ...devices,
      }
    })
  }

  /** What is to be written, in `inOrder`, where buddies see a new device, and what their lists have come to then. */
  async deviceChanged(
    number: AccountNumber,
    { identity, static: staticKey }: DeviceKeys,
  ): Promise<{
    readonly news: ReadonlyMap<AccountNumber, SideNews>
    readonly changes: readonly StoreChange[]
  }> {
    const what = `device ${toHex(identity)} ${toHex(staticKey)}`
    const news = new Map<AccountNumber, SideNews>() // ≤ MAX_ROSTER
    const logged: StoreChange[] = []
    for (const { number: buddy, state } of await this.#sides(number)) {
      if (state !== 'accepted') continue
      const { version, changes } = await this.#log.changed(buddy, number, what)
      const side = await this.#records.read(rosterRecord, rosterKey(buddy, number))
      news.set(buddy, sideNews(version, side))
      logged.push(...changes)
    }
    return { news, changes: logged }
  }

  async #side(of: Person, to: Person): Promise<RosterSide | undefined> {
    return await this.#records.read(rosterRecord, rosterKey(of.number, to.number))
  }

  async #devicesOf(
    first: Person,
    second: Person,
  ): Promise<{ firstDevice?: DeviceKeys; secondDevice?: DeviceKeys }> {
    const [firstDevice] = await this.#people.devices(first.number)
    const [secondDevice] = await this.#people.devices(second.number)
    return {
      ...(firstDevice === undefined ? {} : { firstDevice }),
      ...(secondDevice === undefined ? {} : { secondDevice }),
    }
  }

  async #whoseListIsFull(
    first: Person,
    second: Person,
    relation: Relation,
  ): Promise<'first' | 'second' | undefined> {
    if (await this.#isFull(first.number, relation)) return 'first'
    if (relation === 'blocked') return undefined // nothing is added on the other side
    return (await this.#isFull(second.number, mirrored(relation))) ? 'second' : undefined
  }

  async #isFull(number: AccountNumber, added: Relation): Promise<boolean> {
    const sides = await this.#sides(number)
    if (sides.length >= this.#limits.roster) return true
    if (added !== 'pending-in') return false
    const waiting = sides.filter(({ state }) => state === 'pending-in')
    return waiting.length >= this.#limits.pendingIn
  }

  async #sides(number: AccountNumber): Promise<readonly RosterSide[]> {
    const sides: RosterSide[] = [] // ≤ MAX_ROSTER
    const range = numbersUnder(rosterPrefix(number))
    for await (const { value } of this.#records.range(rosterRecord, range)) sides.push(value)
    return sides
  }

  async #withDevice(side: RosterSide): Promise<RosterRecord> {
    if (side.state !== 'accepted') return side
    const [device] = await this.#people.devices(side.number)
    return device === undefined ? side : { ...side, device }
  }
}

/** Both sides after the first has made its own so. */
function afterwards(
  before: Relation,
  otherBefore: Relation,
  wanted: Relation,
): readonly [Relation, Relation] {
  if (otherBefore === 'blocked') return [wanted, 'blocked']
  const isUnblocked = before === 'blocked' && wanted === 'none'
  if (isUnblocked && otherBefore === 'pending-out') return ['pending-in', 'pending-out']
  return [wanted, mirrored(wanted)]
}

function sideChange(
  whose: Person,
  of: Person,
  now: { readonly relation: Relation; readonly note: string; readonly own: OwnFacts | undefined },
): StoreChange {
  const key = rosterKey(whose.number, of.number)
  if (now.relation === 'none') return { kind: 'delete', key }
  return putRecord(rosterRecord, key, {
    number: of.number,
    handle: of.handle,
    state: now.relation,
    note: now.relation === 'pending-in' ? now.note : '',
    ...(now.own === undefined ? {} : { own: now.own }),
  })
}

function sideNews(version: RosterVersion, side: RosterSide | undefined): SideNews {
  return { version, ...(side?.own === undefined ? {} : { own: side.own }) }
}

function listedState({ state, own }: RosterSide): { state: BuddyState; isConcealed?: true } {
  return { state, ...(own?.isConcealed === true && { isConcealed: true }) }
}

/** What is empty is not kept. */
function ownFacts({ group = '', remark = '', isConcealed = false }: FactChange): OwnFacts {
  return {
    ...(group !== '' && { group }),
    ...(remark !== '' && { remark }),
    ...(isConcealed && { isConcealed: true }),
  }
}
