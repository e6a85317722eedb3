/**
 * The daemon: one device, at most one account, one UDP port, one journal. It runs without an account too, and without
 * a server; what people and scripts want of it comes through `control-server.ts`.
 */
import type { Clock } from '../core/clock.ts'
import { formatEndpoint } from '../core/endpoint.ts'
import { HollerError } from '../core/holler-error.ts'
import type { Logger } from '../core/logger.ts'
import type { Random } from '../core/random.ts'
import type { Store } from '../core/store.ts'
import { DEFAULT_HASHING, normalisePassword, saltedPassword } from '../crypto/password.ts'
import { makeVerifier, SALT_BYTES } from '../crypto/scram.ts'
import type { Person } from '../protocol/control/schema.ts'
import {
  formatServerLink,
  parseServerLink,
  type ServerLinkAddress,
} from '../protocol/server/link.ts'
import type { PasswordVerifier } from '../protocol/server/messages.ts'
import type { RegistrationOptions } from '../tcp/registration.ts'
import { type Account, Accounts, serverIdentityOf } from './accounts.ts'
import { ActiveAccount } from './active-account.ts'
import { Consumers } from './consumers.ts'
import { every } from './deadline.ts'
import type { EphemeralEvent } from './events.ts'
import { Journal } from './journal.ts'
import { type Device, openDevice } from './keys.ts'
import { Listeners } from './listeners.ts'
import { type BindAddress, Network } from './network.ts'
import { registerAccount } from './register-account.ts'
import { SerialQueue } from './serial-queue.ts'
import {
  type ConnectServer,
  ServerSession,
  type ServerSessionEvent,
  type ServerSessionOptions,
  type SessionState,
} from './server-session.ts'

/** Messages live 30 days: an hour more or less is nothing. */
const EXPIRY_CHECK_MS = 3_600_000

export interface DaemonOptions {
  readonly store: Store
  readonly clock: Clock
  readonly random: Random
  readonly logger: Logger
  /** `0.1.0` */
  readonly version: string
  readonly connect: ConnectServer
  /** To the server's relay inside TLS. */
  readonly connectRelay: ConnectServer
  readonly bind?: BindAddress
  /** The proxy that `connect` takes to a server, `HOST:PORT`: to be shown. */
  readonly proxyOf?: (address: ServerLinkAddress) => string | undefined
  /** Whether the gateway may be asked to forward a port; not unless said so. */
  readonly mapsPorts?: boolean
  /** Whether ports may be guessed at (prediction, birthday attempts); unless said otherwise they are. */
  readonly guessesPorts?: boolean
  /** Whether the network's NAT is tested; not unless said so. */
  readonly testsNat?: boolean
}

/** How the login stands. */
export interface SessionStatus {
  readonly state: SessionState
  readonly reason: string
}

export interface RegistrationWish {
  readonly server: string
  readonly handle: string
  readonly password: string
  readonly invite?: string
}

export interface ResetWish extends LoginWish {
  readonly code: string
}

export interface LoginWish {
  readonly server: string
  readonly user: string
  readonly password: string
}

interface Parts {
  readonly journal: Journal
  readonly consumers: Consumers
  readonly device: Device
  readonly network: Network
}

export class Daemon {
  readonly journal: Journal
  readonly consumers: Consumers
  readonly device: Device
  readonly network: Network
  readonly version: string
  readonly clock: Clock
  readonly startedAtMs: number
  readonly ephemeral = new Listeners<EphemeralEvent>()
  readonly statusChanges = new Listeners<SessionStatus>()
  readonly #options: DaemonOptions
  readonly #accounts: Accounts
  /** Logging in and out, one at a time. */
  readonly #steps = new SerialQueue()
  readonly #stopTimer: () => void
  #active: { readonly account: ActiveAccount; readonly session: ServerSession } | undefined
  #loggingIn: ServerSession | undefined
  #isStopping = false
  #status: SessionStatus = { state: 'logged-out', reason: '' }

  /** @throws HollerError `PORT_TAKEN`, `CONFIG_INVALID` (bind address), `STORE_UNUSABLE`. */
  static async start(options: DaemonOptions): Promise<Daemon> {
    const { store, clock, random, logger, bind, connectRelay } = options
    const { mapsPorts = false, guessesPorts = true, testsNat = false } = options
    const device = await openDevice(store, random)
    const daemon = new Daemon(options, {
      journal: await Journal.open({ store, clock }),
      consumers: await Consumers.open(store),
      device,
      network: await Network.open({
        clock,
        random,
        logger,
        device,
        connectRelay,
        ...(bind === undefined ? {} : { bind }),
        isPunchForbidden: !guessesPorts,
        ...(mapsPorts ? { portMapping: { store } } : {}),
        ...(testsNat ? { natTests: { store } } : {}),
      }),
    })
    await daemon.#resume()
    return daemon
  }

  private constructor(options: DaemonOptions, parts: Parts) {
    this.#options = options
    this.#accounts = new Accounts(options.store)
    this.journal = parts.journal
    this.consumers = parts.consumers
    this.device = parts.device
    this.network = parts.network
    this.version = options.version
    this.clock = options.clock
    this.startedAtMs = options.clock.wallNow()
    this.network.attach({
      handlePeerEvent: (event, now) => this.#active?.account.sessions.handlePeerEvent(event, now),
      handleNetworkChanged: () => this.#handleNetworkChanged(),
      handleMoved: () => this.#active?.session.networkChanged(this.network.addresses),
      handleNetworkBack: () => this.#active?.session.networkBack(),
      handleOtherAddresses: () => this.#tellAddresses(),
    })
    this.#stopTimer = every(options.clock, EXPIRY_CHECK_MS, () => this.#expire())
  }

  get status(): SessionStatus {
    return this.#status
  }

  /** The HTTP proxy that leads to the account's server. */
  get proxy(): string | undefined {
    const link = this.#active?.account.account.serverLink
    return link === undefined ? undefined : this.#options.proxyOf?.(addressOf(link))
  }

  /** The account that is logged in (or trying to be), if any. */
  get account(): ActiveAccount | undefined {
    return this.#active?.account
  }

  /** @throws HollerError `NOT_LOGGED_IN` */
  requireAccount(): ActiveAccount {
    if (this.#active === undefined) {
      throw new HollerError('NOT_LOGGED_IN', 'Nobody is logged in: register or log in first')
    }
    return this.#active.account
  }

  /** Makes the account and logs in with it. */
  async register({ handle, invite, ...wish }: RegistrationWish): Promise<Person> {
    return await this.#withNewPassword(wish, (verifier) => ({
      kind: 'register',
      handle,
      verifier,
      ...(invite === undefined ? {} : { invite }),
    }))
  }

  /** Sets a new password with a code, and logs in with it. */
  async resetPassword({ user, code, ...wish }: ResetWish): Promise<Person> {
    return await this.#withNewPassword(wish, (verifier) => ({
      kind: 'replace-password',
      user,
      code,
      verifier,
    }))
  }

  /** Resolves when the server has said welcome; from then on the daemon reconnects by itself. */
  async login({ server, user, password }: LoginWish): Promise<Person> {
    return await this.#steps.run(async () => {
      this.#refuseSecondAccount()
      return await this.#login(addressOf(server), user, {
        kind: 'password',
        password: normalisedPassword(password),
      })
    })
  }

  /** Forgets how to log in; messages and buddies stay for the next time. */
  async logout(): Promise<void> {
    await this.#steps.run(async () => {
      const { account } = this.requireAccount()
      await this.#deactivate()
      await this.#accounts.logout(account)
      await this.#setStatus({ state: 'logged-out', reason: '' })
    })
  }

  /**
   * Ends the sessions with peers, suspends the one with the server (a daemon that is started again within a minute goes
   * on with it, and buddies notice nothing), and writes what is to be written. Takes 3 s at most.
   */
  async stop(): Promise<void> {
    this.#isStopping = true
    this.#stopTimer()
    // A login that is under way is not waited for: a server that does not answer would hold us up.
    await Promise.all([this.#loggingIn?.stop(), this.#deactivate('suspend')])
    await this.network.close()
    await this.journal.settled()
  }

  async #withNewPassword(
    wish: Pick<RegistrationWish, 'server' | 'password'>,
    question: (verifier: PasswordVerifier) => RegistrationOptions,
  ): Promise<Person> {
    return await this.#steps.run(async () => {
      this.#refuseSecondAccount()
      const { clock, connect, random } = this.#options
      const address = addressOf(wish.server)
      const salt = random.bytes(SALT_BYTES)
      const password = normalisedPassword(wish.password)
      const hashed = await saltedPassword(password, salt, DEFAULT_HASHING)
      const number = await registerAccount({
        clock,
        connect,
        address,
        wish: question(makeVerifier(hashed, salt, DEFAULT_HASHING)),
      })
      const secret = { salt, hashing: DEFAULT_HASHING, saltedPassword: hashed }
      return await this.#login(address, String(number), { kind: 'secret', secret })
    })
  }

  async #resume(): Promise<void> {
    const account = await this.#accounts.current()
    if (account?.secret === undefined) return
    const session = this.#newSession(addressOf(account.serverLink), String(account.number), {
      kind: 'secret',
      secret: account.secret,
      ...(account.pass && { pass: account.pass }),
    })
    await this.#setStatus({ state: 'connecting', reason: '' })
    await this.#activate(account, session)
    session.start()
  }

  async #login(
    address: ServerLinkAddress,
    user: string,
    credential: ServerSessionOptions['credential'],
  ): Promise<Person> {
    const before = this.#status
    const session = this.#newSession(address, user, credential)
    this.#loggingIn = session
    await this.#setStatus({ state: 'connecting', reason: '' })
    try {
      const { number, handle } = await session.login()
      const account = await this.#accounts.login({
        serverLink: formatServerLink(address),
        serverIdentity: serverIdentityOf(address),
        number,
        handle,
        ...(session.secret === undefined ? {} : { secret: session.secret }),
      })
      await this.#deactivate()
      return (await this.#activate(account, session)).person
    } catch (error) {
      await this.#setStatus(before)
      throw error
    } finally {
      this.#loggingIn = undefined
    }
  }

  #newSession(
    address: ServerLinkAddress,
    user: string,
    credential: ServerSessionOptions['credential'],
  ): ServerSession {
    const { clock, random, logger, version, connect } = this.#options
    return new ServerSession({
      clock,
      random,
      logger,
      device: this.device,
      client: `hollerd/${version}`,
      connect,
      address,
      user,
      credential,
    })
  }

  async #activate(account: Account, session: ServerSession): Promise<ActiveAccount> {
    const { store, clock, random, logger } = this.#options
    if (this.#isStopping) {
      await session.stop()
      throw new HollerError('SERVER_UNREACHABLE', 'The daemon stops')
    }
    this.network.setServer(addressOf(account.serverLink))
    const active = await ActiveAccount.open({
      store,
      journal: this.journal,
      clock,
      random,
      logger,
      account,
      device: this.device,
      network: this.network,
      session,
      announce: (event) => this.ephemeral.tell(event),
      keep: (changed) => this.#accounts.update(changed),
    })
    this.#active = { account: active, session }
    session.attach(
      (event) => this.#handleSession(active, event),
      () => active.known,
    )
    this.#expire()
    return active
  }

  async #deactivate(how: 'stop' | 'suspend' = 'stop'): Promise<void> {
    const active = this.#active
    this.#active = undefined
    if (active === undefined) return
    await Promise.all([active.account.stop(), active.session[how]()])
  }

  #handleSession(account: ActiveAccount, event: ServerSessionEvent): void {
    switch (event.kind) {
      case 'online':
        account.handleWelcome(event.welcome)
        void this.#setStatus({ state: 'online', reason: '' }) // never rejects
        return
      case 'notice':
        account.handleNotice(event.notice)
        return
      case 'state':
        this.#options.logger.info('The session with the server ended', {
          state: event.state,
          reason: event.reason,
        })
        if (event.state === 'waiting') {
          this.network.change((now, endpoint) => endpoint.serverLost(now))
        }
        void this.#setStatus({ state: event.state, reason: event.reason }) // never rejects
        return
    }
  }

  #handleNetworkChanged(): void {
    this.#active?.session.networkChanged(this.network.addresses)
    this.#active?.account.report()
    this.#active?.account.sessions.retryAll()
  }

  #tellAddresses(): void {
    this.#active?.account.report()
    const { addresses, publicAddresses } = this.network
    const data = { addresses, publicAddresses: publicAddresses.map(formatEndpoint) }
    this.ephemeral.tell({ type: 'net.changed', key: 'net', data })
  }

  #expire(): void {
    this.#active?.account.sessions.conversations.expire().catch((error: unknown) => {
      this.#options.logger.error('Cannot give up old messages', { error: String(error) })
    })
  }

  /** A daemon whose login was refused or taken over may be logged in again, as whoever. */
  #refuseSecondAccount(): void {
    const { state } = this.#status
    if (this.#active === undefined || state === 'refused' || state === 'replaced') return
    const { handle, number } = this.#active.account.person
    throw new HollerError(
      'ALREADY_LOGGED_IN',
      `The daemon serves ${handle} (${number}) already; log out first`,
    )
  }

  async #setStatus(status: SessionStatus): Promise<void> {
    const isNews = status.state !== this.#status.state
    this.#status = status
    if (!isNews) return
    this.statusChanges.tell(status)
    try {
      await this.journal.commit([], [{ type: 'session.state', data: status }])
    } catch (error) {
      this.#options.logger.error('Cannot write the journal', { error: String(error) })
    }
  }
}

function addressOf(link: string): ServerLinkAddress {
  const address = parseServerLink(link)
  if (address.ok) return address.value
  throw new HollerError('INVALID_PARAMS', `Not a server link "${link}": ${address.why}`)
}

function normalisedPassword(text: string): string {
  const password = normalisePassword(text)
  if (password.ok) return password.value
  throw new HollerError('PASSWORD_INVALID', `This password cannot be used: ${password.why}`)
}
