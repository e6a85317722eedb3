/**
 * What administrators do, over an ordered key-value store.
 *
 * | key | holds |
 * |---|---|
 * | `invite/HASH` | an invitation, under the hash of its token |
 * | `reset/NUMBER` | the hash of the code that a lost password can be replaced with |
 * | `health` | what the last check of the disk wrote |
 *
 * It shares the queue of the other changes of accounts and lists: an invitation is used, or an account deleted, between
 * them and never beside them.
 */
import { z } from 'zod'
import type { StoreChange } from '../../core/store.ts'
import type { AccountNumber, PasswordVerifier } from '../../protocol/server/messages.ts'
import {
  type AdminStore,
  type Deleted,
  type Invite,
  type InvitedOutcome,
  inviteFault,
  MAX_INVITES,
  type SecretHash,
} from './admin-store.ts'
import { numbersUnder, sortable } from './keys.ts'
import type { KvKeyStore } from './kv-key-store.ts'
import type { KvMailStore } from './kv-mail-store.ts'
import { newAccount } from './new-account.ts'
import { putRecord } from './record.ts'
import type { Records } from './records.ts'
import { listKeys, type RosterLog } from './roster-log.ts'
import {
  accountKey,
  accountRecord,
  devicesKey,
  handleKey,
  profileKey,
  rosterKey,
  rosterPrefix,
  rosterRecord,
} from './server-records.ts'
import type { Account, NewAccount } from './account.ts'

const inviteRecord = z.object({
  hash: z.string(),
  uses: z.number(),
  used: z.number(),
  note: z.string(),
  createdAtMs: z.number(),
  expiresAtMs: z.exactOptional(z.number()),
  revokedAtMs: z.exactOptional(z.number()),
})
const resetRecord = z.object({ hash: z.string(), expiresAtMs: z.number() })
const healthRecord = z.object({ count: z.number() })

/** Hex digits: `:` comes right behind `9`, `g` behind `f`. */
const ALL_INVITES = { from: 'invite/', before: 'invite/g' }

export interface KvAdminStoreOptions {
  readonly records: Records
  readonly log: RosterLog
  readonly mail: KvMailStore
  readonly keys: KvKeyStore
  readonly mostInvites?: number
}

export class KvAdminStore implements AdminStore {
  readonly #records: Records
  readonly #options: KvAdminStoreOptions
  readonly #mostInvites: number

  constructor(options: KvAdminStoreOptions) {
    this.#records = options.records
    this.#options = options
    this.#mostInvites = options.mostInvites ?? MAX_INVITES
  }

  async accounts(after: AccountNumber, most: number): Promise<readonly Account[]> {
    const accounts: Account[] = [] // ≤ most
    const range = { ...numbersUnder('account/', after), limit: most }
    for await (const { value } of this.#records.range(accountRecord, range)) accounts.push(value)
    return accounts
  }

  async countAccounts(): Promise<number> {
    return (await this.#records.keys(numbersUnder('account/'))).length
  }

  deleteAccount(
    number: AccountNumber,
    { freesHandle }: { readonly freesHandle: boolean },
  ): Promise<Deleted | undefined> {
    return this.#records.inOrder(async () => {
      const account = await this.#account(number)
      if (account === undefined) return undefined
      const { lists, changes } = await this.#lists(number)
      const keys = [
        accountKey(number),
        devicesKey(number),
        profileKey(number),
        resetKey(number),
        ...(freesHandle ? [handleKey(account.handle)] : []),
        ...(await listKeys(this.#records, number)),
        ...(await this.#options.keys.keysOf(number)),
      ]
      await this.#options.mail.forgetAll(number, (mail) =>
        this.#records.write([...changes, ...mail, ...keys.map(deletion)]),
      )
      return { person: { number, handle: account.handle }, lists }
    })
  }

  addInvite(invite: Invite): Promise<boolean> {
    return this.#records.inOrder(async () => {
      const present = await this.invites()
      const isFull = present.length >= this.#mostInvites
      const dead = isFull
        ? present.filter((one) => inviteFault(one, invite.createdAtMs) !== undefined)
        : []
      if (isFull && dead.length === 0) return false
      await this.#records.write([
        ...dead.map(({ hash }) => deletion(inviteKey(hash))),
        putRecord(inviteRecord, inviteKey(invite.hash), invite),
      ])
      return true
    })
  }

  async invite(hash: SecretHash): Promise<Invite | undefined> {
    return await this.#records.read(inviteRecord, inviteKey(hash))
  }

  async invites(): Promise<readonly Invite[]> {
    const invites: Invite[] = [] // ≤ MAX_INVITES
    for await (const { value } of this.#records.range(inviteRecord, ALL_INVITES)) {
      invites.push(value)
    }
    return invites
  }

  revokeInvite(hash: SecretHash, nowMs: number): Promise<Invite | undefined> {
    return this.#records.inOrder(async () => {
      const invite = await this.invite(hash)
      if (invite === undefined || invite.revokedAtMs !== undefined) return invite
      const revoked = { ...invite, revokedAtMs: nowMs }
      await this.#records.write([putRecord(inviteRecord, inviteKey(hash), revoked)])
      return revoked
    })
  }

  createInvited(wish: NewAccount, hash: SecretHash, nowMs: number): Promise<InvitedOutcome> {
    return this.#records.inOrder(async () => {
      const invite = await this.invite(hash)
      const why = invite === undefined ? 'unknown' : inviteFault(invite, nowMs)
      if (invite === undefined || why !== undefined) {
        return { kind: 'not-invited', why: why ?? 'unknown' }
      }
      const made = await newAccount(this.#records, wish)
      if (made === undefined) return { kind: 'handle-taken' }
      const used = { ...invite, used: invite.used + 1 }
      await this.#records.write([...made.changes, putRecord(inviteRecord, inviteKey(hash), used)])
      return { kind: 'made', account: made.account }
    })
  }

  allowReset(number: AccountNumber, hash: SecretHash, expiresAtMs: number): Promise<boolean> {
    return this.#records.inOrder(async () => {
      if ((await this.#account(number)) === undefined) return false
      await this.#records.write([putRecord(resetRecord, resetKey(number), { hash, expiresAtMs })])
      return true
    })
  }

  reset(
    number: AccountNumber,
    hash: SecretHash,
    nowMs: number,
    verifier: PasswordVerifier,
  ): Promise<Account | undefined> {
    return this.#records.inOrder(async () => {
      const account = await this.#account(number)
      const allowed = await this.#records.read(resetRecord, resetKey(number))
      const isAllowed = allowed?.hash === hash && nowMs < allowed.expiresAtMs
      if (account === undefined || !isAllowed) return undefined
      const changed = { ...account, verifier, revision: account.revision + 1 }
      await this.#records.write([
        putRecord(accountRecord, accountKey(number), changed),
        deletion(resetKey(number)),
      ])
      return changed
    })
  }

  async checkWritable(): Promise<void> {
    const before = await this.#records.read(healthRecord, 'health')
    const count = (before?.count ?? 0) + 1
    await this.#records.write([putRecord(healthRecord, 'health', { count })])
  }

  async #account(number: AccountNumber): Promise<Account | undefined> {
    return await this.#records.read(accountRecord, accountKey(number))
  }

  /** Takes it from the lists of those who are on its own. Who has blocked it keeps that entry, which names nobody now. */
  async #lists(
    number: AccountNumber,
  ): Promise<{ readonly lists: Deleted['lists']; readonly changes: readonly StoreChange[] }> {
    const lists = new Map<AccountNumber, string>() // ≤ MAX_ROSTER
    const changes: StoreChange[] = []
    const range = numbersUnder(rosterPrefix(number))
    for await (const { key, value } of this.#records.range(rosterRecord, range)) {
      changes.push(deletion(key))
      const other = value.number
      const theirs = await this.#records.read(rosterRecord, rosterKey(other, number))
      if (theirs === undefined || theirs.state === 'blocked') continue
      const logged = await this.#options.log.changed(other, number, 'none')
      changes.push(deletion(rosterKey(other, number)), ...logged.changes)
      lists.set(other, logged.version)
    }
    return { lists, changes }
  }
}

function deletion(key: string): StoreChange {
  return { kind: 'delete', key }
}

function inviteKey(hash: SecretHash): string {
  return `invite/${hash}`
}

function resetKey(number: AccountNumber): string {
  return `reset/${sortable(number)}`
}
