/** What an administrator may do with a running server. Whoever is concerned is told when it is on disk. */
import { formatEndpoint } from '../../core/endpoint.ts'
import { HollerError } from '../../core/holler-error.ts'
import type { RpcHandlers } from '../../protocol/control/rpc-server.ts'
import { DISABLED_RETRY_MS } from '../accounts.ts'
import { readName } from '../handle.ts'
import type { Outside } from '../outside.ts'
import { printable } from '../printable.ts'
import { hashOfToken, makeToken } from '../secret-token.ts'
import { type Invite, inviteFault } from '../store/admin-store.ts'
import type { Account, RosterRecord, ServerStore } from '../store/server-store.ts'
import type { Switchboard } from '../switchboard.ts'
import type {
  AccountDetail,
  AccountView,
  adminMethods,
  AdminParams,
  AdminResult,
  InviteView,
  ServerStatsView,
} from './admin-schema.ts'

/** Of an invitation's hash, so many hex digits are its name: 10,000 of them hardly ever share one. */
const INVITE_ID_CHARS = 8

export type Drain = (wish: {
  readonly afterMs: number
  readonly spreadMs?: number
  readonly lingerMs: number
}) => AdminResult<'drain'>

export interface AdminDeskOptions {
  readonly store: ServerStore
  readonly switchboard: Switchboard
  readonly outside: Outside
  readonly link: string
  /** What the store does not know. */
  readonly stats: () => Omit<
    ServerStatsView,
    'role' | 'accounts' | 'online' | 'strangers' | 'mail' | 'link'
  >
  readonly drain: Drain
}

export class AdminDesk {
  readonly #options: AdminDeskOptions

  constructor(options: AdminDeskOptions) {
    this.#options = options
  }

  get handlers(): RpcHandlers<typeof adminMethods, undefined> {
    return {
      'account.list': (wish) => this.#list(wish),
      'account.show': ({ name }) => this.#show(name),
      'account.disable': ({ name }) => this.#setDisabled(name, true),
      'account.enable': ({ name }) => this.#setDisabled(name, false),
      'account.reset': ({ name, expires_ms: expiresMs }) => this.#reset(name, expiresMs),
      'account.delete': ({ name, free_handle: freesHandle }) => this.#delete(name, freesHandle),
      'invite.create': (wish) => this.#invite(wish),
      'invite.list': async () => ({ invites: await this.#invites() }),
      'invite.revoke': ({ id }) => this.#revoke(id),
      stats: () => this.#stats(),
      drain: (wish) =>
        this.#options.drain({
          afterMs: wish.after_ms,
          lingerMs: wish.linger_ms,
          ...(wish.spread_ms === undefined ? {} : { spreadMs: wish.spread_ms }),
        }),
    }
  }

  async #list({
    after,
    limit,
  }: {
    readonly after: number
    readonly limit: number
  }): Promise<AdminResult<'account.list'>> {
    const accounts = await this.#options.store.admin.accounts(after, limit)
    return {
      accounts: accounts.map((account) => this.#view(account)),
      isLast: accounts.length < limit,
    }
  }

  async #show(name: string): Promise<AccountDetail> {
    const { store, switchboard } = this.#options
    const account = await this.#account(name)
    const { number, disabledAtMs } = account
    const session = switchboard.session(number)
    const roster = await store.roster(number)
    return {
      ...this.#view(account),
      disabledAt: disabledAtMs === undefined ? null : isoTime(disabledAtMs),
      session:
        session === undefined
          ? null
          : {
              remote: formatEndpoint(session.remote),
              client: printable(session.client),
              since: isoTime(session.connectedAtMs),
            },
      devices: (await store.devices(number)).length,
      buddies: {
        accepted: countIn(roster, 'accepted'),
        asked: countIn(roster, 'pending-out'),
        asking: countIn(roster, 'pending-in'),
        blocked: countIn(roster, 'blocked'),
      },
      mail: await store.mail.waiting(number),
    }
  }

  async #setDisabled(name: string, isDisabled: boolean): Promise<AccountView> {
    const { store, switchboard, outside } = this.#options
    for (;;) {
      const account = await this.#account(name)
      const { disabledAtMs, ...enabled } = account
      const next = isDisabled
        ? { ...enabled, disabledAtMs: disabledAtMs ?? outside.clock.wallNow() }
        : enabled
      // The account may have changed meanwhile: its owner chose to be invisible, or replaced the password.
      if (!(await store.updateAccount(next))) continue
      if (isDisabled) await switchboard.endSession(account.number, 'disabled', DISABLED_RETRY_MS)
      this.#log(isDisabled ? 'account disabled' : 'account enabled', account)
      return this.#view(next)
    }
  }

  async #reset(name: string, expiresMs: number): Promise<AdminResult<'account.reset'>> {
    const { store, outside, link } = this.#options
    const account = await this.#account(name)
    const code = makeToken(outside.random)
    const expiresAtMs = outside.clock.wallNow() + expiresMs
    await store.admin.allowReset(account.number, hashOfToken(code), expiresAtMs)
    this.#log('password reset allowed', account)
    return { account: this.#view(account), code, expiresAt: isoTime(expiresAtMs), link }
  }

  async #delete(name: string, freesHandle: boolean): Promise<AdminResult<'account.delete'>> {
    const { store, switchboard } = this.#options
    const account = await this.#account(name)
    const deleted = await store.admin.deleteAccount(account.number, { freesHandle })
    if (deleted === undefined) throw unknownAccount(name)
    await switchboard.accountDeleted(deleted)
    this.#log('account deleted', account)
    const { number, handle } = account
    return { number, handle, buddies: deleted.lists.size }
  }

  async #invite({
    uses = 1,
    expires_ms: expiresMs,
    note = '',
  }: AdminParams<'invite.create'>): Promise<AdminResult<'invite.create'>> {
    const { store, outside, link } = this.#options
    const token = makeToken(outside.random)
    const createdAtMs = outside.clock.wallNow()
    const invite: Invite = {
      hash: hashOfToken(token),
      uses,
      used: 0,
      note,
      createdAtMs,
      ...(expiresMs === null ? {} : { expiresAtMs: createdAtMs + expiresMs }),
    }
    if (!(await store.admin.addInvite(invite))) {
      throw new HollerError('TOO_LARGE', 'There are too many open invitations: revoke some')
    }
    const view = viewOf(invite, createdAtMs)
    outside.logger.info('invitation made', { id: view.id, uses })
    return { ...view, token, link }
  }

  async #invites(): Promise<readonly InviteView[] & InviteView[]> {
    const { store, outside } = this.#options
    const invites = [...(await store.admin.invites())].sort((a, b) => a.createdAtMs - b.createdAtMs)
    return invites.map((invite) => viewOf(invite, outside.clock.wallNow()))
  }

  /** By the beginning of its id, or by the token itself. */
  async #revoke(id: string): Promise<InviteView> {
    const { store, outside } = this.#options
    const now = outside.clock.wallNow()
    const byToken = hashOfToken(id)
    const wanted = id.toLowerCase()
    const found = (await store.admin.invites()).filter(
      ({ hash }) => hash === byToken || hash.startsWith(wanted),
    )
    const [first] = found
    if (first === undefined) throw new HollerError('NOT_FOUND', `No invitation "${id}"`)
    if (found.length > 1) {
      throw new HollerError('INVALID_PARAMS', `Several invitations begin with "${id}"`)
    }
    const revoked = (await store.admin.revokeInvite(first.hash, now)) ?? first
    const view = viewOf(revoked, now)
    outside.logger.info('invitation revoked', { id: view.id })
    return view
  }

  async #stats(): Promise<ServerStatsView> {
    const { store, switchboard, stats, link } = this.#options
    const accounts = await store.admin.countAccounts()
    const mail = store.mail.total ?? null
    return { role: 'server', ...stats(), ...switchboard.stats, accounts, mail, link }
  }

  /** @throws HollerError `ACCOUNT_UNKNOWN` */
  async #account(name: string): Promise<Account> {
    const { store } = this.#options
    const ref = readName(name)
    const account =
      ref?.kind === 'handle'
        ? await store.accountByHandle(ref.handle)
        : await store.account(ref?.number ?? 0)
    if (account === undefined) throw unknownAccount(name)
    return account
  }

  #view({ number, handle, disabledAtMs, createdAtMs }: Account): AccountView {
    return {
      number,
      handle,
      isDisabled: disabledAtMs !== undefined,
      isOnline: this.#options.switchboard.session(number) !== undefined,
      createdAt: isoTime(createdAtMs),
    }
  }

  #log(message: string, { number, handle }: Account): void {
    this.#options.outside.logger.info(message, { account: number, handle })
  }
}

function unknownAccount(name: string): HollerError {
  return new HollerError('ACCOUNT_UNKNOWN', `There is no account "${name}"`)
}

function viewOf(invite: Invite, nowMs: number): InviteView {
  const { hash, uses, used, note, createdAtMs, expiresAtMs } = invite
  const fault = inviteFault(invite, nowMs)
  return {
    id: hash.slice(0, INVITE_ID_CHARS),
    state: fault === undefined || fault === 'unknown' ? 'open' : fault,
    uses,
    used,
    note,
    createdAt: isoTime(createdAtMs),
    expiresAt: expiresAtMs === undefined ? null : isoTime(expiresAtMs),
  }
}

function countIn(roster: readonly RosterRecord[], state: RosterRecord['state']): number {
  return roster.filter((record) => record.state === state).length
}

function isoTime(ms: number): string {
  return new Date(ms).toISOString()
}
