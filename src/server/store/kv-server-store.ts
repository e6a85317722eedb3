/**
 * The server's store over an ordered key-value store, whose writes are atomic and durable.
 *
 * | key | holds |
 * |---|---|
 * | `format` | the version of this table |
 * | `next-number` | the number that the next account gets |
 * | `account/NUMBER` | the account |
 * | `handle/HANDLE` | whose handle it is |
 * | `devices/NUMBER` | the devices it has logged in from |
 * | `roster/NUMBER/BUDDY` | one side of a pair; the other side is `roster/BUDDY/NUMBER`, always written with it |
 * | `roster-head/…`, `roster-log/…` | the versions of lists (`roster-log.ts`) |
 * | `profile/NUMBER` | what an account says of itself |
 * | `session/…`, `epoch/…` | sessions that have not ended (`kv-session-store.ts`) |
 * | `secret/NAME` | a secret of the server |
 * | `invite/…`, `reset/…`, `health` | what its administrator does (`kv-admin-store.ts`) |
 * | `prekey…`, `key-log/…` | what others seal messages with (`kv-key-store.ts`) |
 * | `mail…` | what waits for its owner (`kv-mail-store.ts`) |
 *
 * Changes run one after another, so that what a change has read still holds when it writes; reads run beside them.
 */
import { z } from 'zod'
import { equalBytes, toHex } from '../../core/bytes.ts'
import { HollerError } from '../../core/holler-error.ts'
import type { Store, StoreChange } from '../../core/store.ts'
import type {
  AccountNumber,
  BuddyState,
  DeviceKeys,
  RosterVersion,
} from '../../protocol/server/messages.ts'
import type { Handle } from '../handle.ts'
import { numbersUnder } from './keys.ts'
import { KvAdminStore } from './kv-admin-store.ts'
import { KvKeyStore } from './kv-key-store.ts'
import { KvMailStore } from './kv-mail-store.ts'
import { KvSessionStore } from './kv-session-store.ts'
import { MAIL_LIMITS, type MailLimits } from './mail-store.ts'
import { newAccount } from './new-account.ts'
import { bytesField, putRecord } from './record.ts'
import { type OnDamage, Records } from './records.ts'
import { RosterLog } from './roster-log.ts'
import {
  accountKey,
  accountRecord,
  devicesKey,
  handleKey,
  handleRecord,
  profileKey,
  rosterKey,
  rosterPrefix,
  rosterRecord,
} from './server-records.ts'
import {
  type Account,
  type FactChange,
  MAX_DEVICES,
  MAX_PENDING_IN,
  MAX_ROSTER,
  mirrored,
  type NewAccount,
  type OwnFacts,
  type Person,
  type Profile,
  type Relation,
  type RelationChange,
  type RelationOutcome,
  type RosterNews,
  type RosterRecord,
  type ServerStore,
  type SideNews,
} from './server-store.ts'

const FORMAT = 1

const formatRecord = z.object({ version: z.number() })
const secretRecord = z.object({ bytes: bytesField })

const devicesRecord = z.object({
  devices: z.array(
    z.object({ identity: bytesField, static: bytesField, staticSignature: bytesField }),
  ), // ≤ MAX_DEVICES
})

const profileRecord = z.object({ name: z.string(), text: z.string(), isListed: z.boolean() })

const NO_PROFILE: Profile = { name: '', text: '', isListed: false }

type RosterSide = z.output<typeof rosterRecord>

export interface StoreLimits {
  readonly roster: number
  readonly pendingIn: number
  readonly mail: MailLimits
  readonly invites?: number
}

export const STORE_LIMITS: StoreLimits = {
  roster: MAX_ROSTER,
  pendingIn: MAX_PENDING_IN,
  mail: MAIL_LIMITS,
}

/**
 * The store belongs to what is returned, and is closed with it, or when this fails. `onDamage` is told of damaged
 * records that were passed over, each time they are met.
 *
 * @throws HollerError `STORE_UNUSABLE` when a newer holler-server has written the store
 */
export async function openServerStore(
  store: Store,
  limits: StoreLimits = STORE_LIMITS,
  onDamage?: OnDamage,
): Promise<ServerStore> {
  const opened = new KvServerStore(store, limits, onDamage)
  try {
    await opened.checkFormat()
    return opened
  } catch (error) {
    await store.close()
    throw error
  }
}

class KvServerStore implements ServerStore {
  readonly mail: KvMailStore
  readonly keys: KvKeyStore
  readonly sessions: KvSessionStore
  readonly admin: KvAdminStore
  readonly #log: RosterLog
  readonly #store: Store
  readonly #records: Records
  readonly #limits: StoreLimits

  constructor(store: Store, limits: StoreLimits, onDamage?: OnDamage) {
    this.keys = new KvKeyStore(store, onDamage)
    this.mail = new KvMailStore(store, limits.mail, onDamage)
    this.sessions = new KvSessionStore(store)
    this.#store = store
    this.#records = new Records(store, onDamage)
    this.#log = new RosterLog(this.#records)
    this.#limits = limits
    const { mail, keys } = this
    const mostInvites = limits.invites
    this.admin = new KvAdminStore({
      records: this.#records,
      log: this.#log,
      mail,
      keys,
      ...(mostInvites === undefined ? {} : { mostInvites }),
    })
  }

  async checkFormat(): Promise<void> {
    const format = await this.#records.read(formatRecord, 'format')
    if (format === undefined)
      await this.#records.write([putRecord(formatRecord, 'format', { version: FORMAT })])
    else if (format.version > FORMAT) {
      throw new HollerError(
        'STORE_UNUSABLE',
        `The store has format ${format.version}; this version reads up to ${FORMAT}`,
      )
    }
  }

  createAccount(account: NewAccount): Promise<Account | undefined> {
    return this.#records.inOrder(async () => {
      const made = await newAccount(this.#records, account)
      if (made === undefined) return undefined
      await this.#records.write(made.changes)
      return made.account
    })
  }

  async account(number: AccountNumber): Promise<Account | undefined> {
    return await this.#records.read(accountRecord, accountKey(number))
  }

  async accountByHandle(handle: Handle): Promise<Account | undefined> {
    const found = await this.#records.read(handleRecord, handleKey(handle))
    // An unknown handle costs the same two reads as a known one: a login must not tell them apart by their time.
    return await this.account(found?.number ?? 0)
  }

  updateAccount(account: Account): Promise<boolean> {
    return this.#records.inOrder(async () => {
      const present = await this.account(account.number)
      if (present?.revision !== account.revision) return false
      const next = { ...account, revision: account.revision + 1 }
      await this.#records.write([putRecord(accountRecord, accountKey(account.number), next)])
      return true
    })
  }

  async devices(number: AccountNumber): Promise<readonly DeviceKeys[]> {
    return (await this.#records.read(devicesRecord, devicesKey(number)))?.devices ?? []
  }

  recordDevice(
    number: AccountNumber,
    device: DeviceKeys,
  ): Promise<ReadonlyMap<AccountNumber, SideNews>> {
    return this.#records.inOrder(async () => {
      if ((await this.account(number)) === undefined) return new Map() // deleted while it was logging in
      const present = await this.devices(number)
      const others = present.filter(({ identity }) => !equalBytes(identity, device.identity))
      const devices = [device, ...others].slice(0, MAX_DEVICES)
      const buddies = (await this.#rosterSides(number)).filter(({ state }) => state === 'accepted')
      const what = `device ${toHex(device.identity)} ${toHex(device.static)}`
      const news = new Map<AccountNumber, SideNews>() // ≤ MAX_ROSTER
      const logged: StoreChange[] = []
      for (const { number: buddy } of buddies) {
        const { version, changes } = await this.#log.changed(buddy, number, what)
        const side = await this.#records.read(rosterRecord, rosterKey(buddy, number))
        news.set(buddy, sideNews(version, side))
        logged.push(...changes)
      }
      await this.#records.write([
        putRecord(devicesRecord, devicesKey(number), { devices }),
        ...(await this.keys.logged(number, device)),
        ...logged,
      ])
      return news
    })
  }

  async roster(number: AccountNumber): Promise<readonly RosterRecord[]> {
    const sides = await this.#rosterSides(number)
    return await Promise.all(sides.map((side) => this.#withDevice(side)))
  }

  async rosterSince(number: AccountNumber, known?: RosterVersion): Promise<RosterNews> {
    // The version first: what changes while we read is told once more, rather than never.
    const version = await this.#log.version(number)
    const changes = known === undefined ? undefined : await this.#log.since(number, known)
    const sides = await this.#rosterSides(number)
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
        const isThere = [await this.account(first.number), await this.account(second.number)]
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
        await this.mail.forgetBetween(first.number, second.number, (mail) =>
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

  async profile(number: AccountNumber): Promise<Profile> {
    return (await this.#records.read(profileRecord, profileKey(number))) ?? NO_PROFILE
  }

  async setProfile(number: AccountNumber, profile: Profile): Promise<void> {
    await this.#records.write([putRecord(profileRecord, profileKey(number), profile)])
  }

  secret(name: string, make: () => Uint8Array): Promise<Uint8Array> {
    return this.#records.inOrder(async () => {
      const key = `secret/${name}`
      const present = await this.#records.read(secretRecord, key)
      if (present !== undefined) return present.bytes
      const bytes = make()
      await this.#records.write([putRecord(secretRecord, key, { bytes })])
      return bytes
    })
  }

  async close(): Promise<void> {
    await Promise.all([
      this.#records.idle(),
      this.mail.idle(),
      this.keys.idle(),
      this.sessions.idle(),
    ])
    await this.#store.close()
  }

  async #side(of: Person, to: Person): Promise<RosterSide | undefined> {
    return await this.#records.read(rosterRecord, rosterKey(of.number, to.number))
  }

  async #devicesOf(
    first: Person,
    second: Person,
  ): Promise<{ firstDevice?: DeviceKeys; secondDevice?: DeviceKeys }> {
    const [firstDevice] = await this.devices(first.number)
    const [secondDevice] = await this.devices(second.number)
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
    const sides = await this.#rosterSides(number)
    if (sides.length >= this.#limits.roster) return true
    if (added !== 'pending-in') return false
    const waiting = sides.filter(({ state }) => state === 'pending-in')
    return waiting.length >= this.#limits.pendingIn
  }

  async #rosterSides(number: AccountNumber): Promise<readonly RosterSide[]> {
    const sides: RosterSide[] = [] // ≤ MAX_ROSTER
    const range = numbersUnder(rosterPrefix(number))
    for await (const { value } of this.#records.range(rosterRecord, range)) sides.push(value)
    return sides
  }

  async #withDevice(side: RosterSide): Promise<RosterRecord> {
    if (side.state !== 'accepted') return side
    const [device] = await this.devices(side.number)
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
