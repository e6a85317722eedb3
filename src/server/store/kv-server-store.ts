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
 * | `roster/NUMBER/BUDDY` | one side of a pair; the other side is `roster/BUDDY/NUMBER`, always written with it (`kv-roster.ts`) |
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
import { equalBytes } from '../../core/bytes.ts'
import { HollerError } from '../../core/holler-error.ts'
import type { Store } from '../../core/store.ts'
import { DEFAULT_HASHING } from '../../crypto/password-hashing.ts'
import type { AccountNumber, DeviceKeys, RosterVersion } from '../../protocol/server/messages.ts'
import type { Handle } from '../handle.ts'
import { KvAdminStore } from './kv-admin-store.ts'
import { KvKeyStore } from './kv-key-store.ts'
import { KvMailStore } from './kv-mail-store.ts'
import { KvRoster, type RosterLimits } from './kv-roster.ts'
import { KvSessionStore } from './kv-session-store.ts'
import { MAIL_LIMITS, type MailLimits } from './mail-store.ts'
import { newAccount } from './new-account.ts'
import { bytesField, putRecord, type StorePut } from './record.ts'
import { type OnDamage, Records } from './records.ts'
import { RosterLog } from './roster-log.ts'
import {
  accountKey,
  accountRecord,
  devicesKey,
  handleKey,
  handleRecord,
  profileKey,
} from './server-records.ts'
import {
  type Account,
  type FactChange,
  MAX_DEVICES,
  MAX_PENDING_IN,
  MAX_ROSTER,
  type NewAccount,
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

/** What is read of an account that there is none of, so that it takes as long as any other. */
const nobody = likenessOfNobody()

const NO_PROFILE: Profile = { name: '', text: '', isListed: false }

export interface StoreLimits extends RosterLimits {
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
    await opened.mail.open()
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
  readonly #roster: KvRoster
  readonly #store: Store
  readonly #records: Records

  constructor(store: Store, limits: StoreLimits, onDamage?: OnDamage) {
    this.keys = new KvKeyStore(store, onDamage)
    this.mail = new KvMailStore(store, limits.mail, onDamage)
    this.sessions = new KvSessionStore(store)
    this.#store = store
    this.#records = new Records(store, onDamage)
    const [records, log] = [this.#records, new RosterLog(this.#records)]
    const { mail, keys } = this
    this.#roster = new KvRoster({ records, log, mail, people: this, limits })
    const mostInvites = limits.invites
    this.admin = new KvAdminStore({
      records,
      log,
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
    return await this.#records.readAlike(accountRecord, accountKey(number), nobody.account)
  }

  async accountByHandle(handle: Handle): Promise<Account | undefined> {
    const found = await this.#records.readAlike(handleRecord, handleKey(handle), nobody.handle)
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
    const known = await this.#records.readAlike(devicesRecord, devicesKey(number), nobody.devices)
    return known?.devices ?? []
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
      const { news, changes } = await this.#roster.deviceChanged(number, device)
      await this.#records.write([
        putRecord(devicesRecord, devicesKey(number), { devices }),
        ...(await this.keys.logged(number, device)),
        ...changes,
      ])
      return news
    })
  }

  roster(number: AccountNumber): Promise<readonly RosterRecord[]> {
    return this.#roster.list(number)
  }

  rosterSince(number: AccountNumber, known?: RosterVersion): Promise<RosterNews> {
    return this.#roster.since(number, known)
  }

  note(
    owner: AccountNumber,
    number: AccountNumber,
    facts: FactChange,
  ): ReturnType<ServerStore['note']> {
    return this.#roster.note(owner, number, facts)
  }

  changeRelation(
    first: Person,
    second: Person,
    decide: (present: Relation) => RelationChange,
  ): Promise<RelationOutcome> {
    return this.#roster.changeRelation(first, second, decide)
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
}

function likenessOfNobody(): Readonly<Record<'handle' | 'account' | 'devices', StorePut>> {
  const [number, handle] = [0, 'nobody' as Handle]
  const key = new Uint8Array(32)
  const verifier = {
    salt: key.subarray(16),
    hashing: DEFAULT_HASHING,
    storedKey: key,
    serverKey: key,
  }
  const facts = { number, handle, verifier, createdAtMs: 0, startsInvisible: false, revision: 1 }
  const device = { identity: key, static: key, staticSignature: new Uint8Array(64) }
  return {
    handle: putRecord(handleRecord, handleKey(handle), { number }),
    account: putRecord(accountRecord, accountKey(number), facts),
    devices: putRecord(devicesRecord, devicesKey(number), { devices: [device] }),
  }
}
