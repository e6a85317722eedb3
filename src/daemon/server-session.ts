/**
 * The login at one server: `ServerLink` on real TLS streams, with its slow work (hashing the password) done aside.
 *
 * What the server says is handed on in its order to whoever is attached; what comes before that waits. The password
 * is kept only until the first welcome, its salted form for the logins to come.
 */
import type { Clock } from '../core/clock.ts'
import { HollerError } from '../core/holler-error.ts'
import type { Instant } from '../core/instant.ts'
import type { Logger } from '../core/logger.ts'
import type { Random } from '../core/random.ts'
import { saltedPassword } from '../crypto/password.ts'
import type { SecureStream } from '../io/byte-stream.ts'
import { driveLink, type LinkDriver } from '../io/drive-link.ts'
import type { StatusView } from '../protocol/control/schema.ts'
import type { ServerLinkAddress } from '../protocol/server/link.ts'
import type {
  AccountName,
  MailSeq,
  RequestId,
  Resumed,
  ResumePass,
  SessionStart,
  Welcome,
} from '../protocol/server/messages.ts'
import { type Known, NOTHING_KNOWN, type SaltedSecret } from '../tcp/login.ts'
import { ServerLink } from '../tcp/server-link.ts'
import type {
  ServerAnswer,
  ServerLinkEvent,
  ServerNotice,
  ServerRequest,
} from '../tcp/server-link-event.ts'
import type { Device } from './keys.ts'
import { errorOfServer } from './server-errors.ts'

/** What a server may say before anybody is attached: the roster of a large account, page by page, with its presence. */
const MAX_BACKLOG = 1024

export type ConnectServer = (address: ServerLinkAddress) => Promise<SecureStream>

export interface ServerSessionOptions {
  readonly clock: Clock
  readonly random: Random
  readonly logger: Logger
  readonly device: Device
  /** Software and version: `hollerd/0.1.0`. */
  readonly client: string
  readonly connect: ConnectServer
  readonly address: ServerLinkAddress
  readonly user: AccountName
  /** What proves that it is us: fresh from the user, or kept from an earlier login. */
  readonly credential:
    | { readonly kind: 'password'; readonly password: string }
    | { readonly kind: 'secret'; readonly secret: SaltedSecret; readonly pass?: ResumePass }
}

/** What whoever is attached knows already, so that the server need not tell it once more. */
export type KnownAlready = () => Omit<Known, 'pass'>

export type SessionState = StatusView['session']

export type ServerSessionEvent =
  | { readonly kind: 'online'; readonly welcome: Welcome | Resumed }
  | { readonly kind: 'notice'; readonly notice: ServerNotice }
  | { readonly kind: 'state'; readonly state: SessionState; readonly reason: string }

interface Waiting {
  readonly resolve: (answer: ServerAnswer | undefined) => void
  readonly reject: (error: HollerError) => void
}

export class ServerSession {
  readonly #options: ServerSessionOptions
  readonly #link: ServerLink
  readonly #driver: LinkDriver
  readonly #requests = new Map<RequestId, Waiting>() // the link bounds them
  #password: string | undefined
  #secret: SaltedSecret | undefined
  #backlog: ServerSessionEvent[] | undefined = [] // ≤ MAX_BACKLOG, until somebody is attached
  #handler: (event: ServerSessionEvent) => void = (event) => this.#keep(event)
  #known: KnownAlready = () => NOTHING_KNOWN
  #connectError: HollerError | undefined
  #first:
    { resolve: (welcome: SessionStart) => void; reject: (error: HollerError) => void } | undefined
  #isStopped: (() => void) | undefined
  #stopping: Promise<void> | undefined

  /** @throws HollerError `INVALID_PARAMS` for a user name that could not be sent. */
  constructor(options: ServerSessionOptions) {
    const { credential, device, clock } = options
    this.#options = options
    if (credential.kind === 'password') this.#password = credential.password
    else this.#secret = credential.secret
    this.#link = new ServerLink({
      user: options.user,
      deviceIdentity: device.identity,
      deviceKeys: device.keys,
      client: options.client,
      random: options.random,
      known: () => this.#known(),
      ...(credential.kind === 'secret' && {
        savedSecret: credential.secret,
        ...(credential.pass !== undefined && { savedPass: credential.pass }),
      }),
    })
    this.#driver = driveLink(this.#link, {
      clock,
      connect: () => this.#connect(),
      onEvent: (event) => this.#handle(event),
    })
  }

  /** The salted password, once the server has named the salt: what later logins need. */
  get secret(): SaltedSecret | undefined {
    return this.#secret
  }

  get isOnline(): boolean {
    return this.#link.isOnline
  }

  /** Begins; goes on for ever, unless the server refuses or `stop` is called. */
  start(): void {
    this.#driver.change((now) => this.#link.start(now))
  }

  /**
   * Begins, and resolves with the first welcome.
   *
   * @throws HollerError `AUTH_FAILED`, `SERVER_UNREACHABLE`, `CERTIFICATE_REJECTED` or another; then it has stopped.
   */
  async login(): Promise<SessionStart> {
    if (this.#stopping !== undefined) throw givenUp()
    return await new Promise((resolve, reject) => {
      this.#first = { resolve, reject }
      this.start()
    })
  }

  /** From now on, and beginning with what has come so far, events go there. */
  attach(handler: (event: ServerSessionEvent) => void, known: KnownAlready): void {
    const backlog = this.#backlog ?? []
    this.#backlog = undefined
    this.#known = known
    this.#handler = handler
    for (const event of backlog) handler(event)
  }

  /** Resolves when the server has said yes, with what it said beyond that. @throws HollerError `SERVER_UNREACHABLE` when not online, or its refusal. */
  async request(message: ServerRequest): Promise<ServerAnswer | undefined> {
    return await new Promise((resolve, reject) => {
      this.#driver.change((now) => {
        this.#requests.set(this.#link.request(now, message), { resolve, reject })
      })
    })
  }

  acknowledge(seqs: readonly MailSeq[]): void {
    this.#driver.change((now) => this.#link.acknowledge(now, seqs))
  }

  /** `addresses`: the host's, as they are now. */
  networkChanged(addresses: readonly string[]): void {
    this.#driver.change((now) => this.#link.networkChanged(now, addresses))
  }

  /** Packets come through where none did. */
  networkBack(): void {
    this.#driver.change((now) => this.#link.networkBack(now))
  }

  /** Logs out and closes; nothing is told any more. Takes 2 s at most. */
  async stop(): Promise<void> {
    await this.#part((now) => this.#link.stop(now))
  }

  /** As `stop`, but to come back soon: until then nobody is to notice. */
  async suspend(): Promise<void> {
    await this.#part((now) => this.#link.suspend(now))
  }

  async #part(command: (now: Instant) => void): Promise<void> {
    this.#handler = () => undefined
    this.#first?.reject(givenUp())
    this.#first = undefined
    this.#stopping ??= new Promise<void>((resolve) => {
      this.#isStopped = resolve
      this.#driver.change(command)
    })
    await this.#stopping
    this.#driver.stop()
  }

  async #connect(): Promise<SecureStream> {
    try {
      return await this.#options.connect(this.#options.address)
    } catch (error) {
      if (error instanceof HollerError) this.#connectError = error
      throw error
    }
  }

  #handle(event: ServerLinkEvent): void {
    switch (event.kind) {
      case 'hash-wanted':
        void this.#hash(event) // never rejects: what fails there refuses the login
        return
      case 'online':
        this.#welcomed(event.welcome)
        return
      case 'message':
        this.#handler({ kind: 'notice', notice: event.message })
        return
      case 'answered':
        this.#answered(event)
        return
      case 'offline':
        this.#failFirst(
          event.why === 'disabled'
            ? new HollerError('ACCOUNT_DISABLED', event.text)
            : (this.#connectError ??
                new HollerError('SERVER_UNREACHABLE', `No login: ${event.text}`)),
        )
        this.#handler({ kind: 'state', state: 'waiting', reason: event.text })
        return
      case 'refused':
        this.#refused(event.code, event.text)
        return
      case 'replaced':
        this.#failFirst(new HollerError('SESSION_REPLACED', 'Another login took this one’s place'))
        this.#handler({
          kind: 'state',
          state: 'replaced',
          reason: 'This device has logged in elsewhere',
        })
        return
      case 'stopped':
        this.#isStopped?.()
        return
    }
  }

  #welcomed(welcome: Welcome | Resumed): void {
    this.#password = undefined
    this.#connectError = undefined
    this.#first?.resolve(welcome)
    this.#first = undefined
    this.#handler({ kind: 'online', welcome })
  }

  #refused(code: string, text: string): void {
    const isPassword = code === 'auth-failed'
    this.#failFirst(
      isPassword
        ? new HollerError('AUTH_FAILED', 'The server does not accept this name and password')
        : new HollerError('AUTH_FAILED', `The login failed: ${text}`),
    )
    this.#handler({ kind: 'state', state: 'refused', reason: text === '' ? code : text })
  }

  #answered({ id, error, answer }: Extract<ServerLinkEvent, { kind: 'answered' }>): void {
    const waiting = this.#requests.get(id)
    this.#requests.delete(id)
    if (error === undefined) waiting?.resolve(answer)
    else waiting?.reject(errorOfServer(error))
  }

  async #hash({ salt, hashing }: Omit<SaltedSecret, 'saltedPassword'>): Promise<void> {
    if (this.#password === undefined) {
      // The password was changed elsewhere, and we do not keep it: only the user can go on.
      this.#giveUp('auth-failed', 'The password has changed; log in again')
      return
    }
    try {
      const salted = await saltedPassword(this.#password, salt, hashing)
      const secret = { salt, hashing, saltedPassword: salted }
      this.#secret = secret
      this.#driver.change((now) => this.#link.passwordHashed(now, secret))
    } catch (error) {
      this.#giveUp('temporary', `Cannot hash the password: ${String(error)}`)
    }
  }

  #giveUp(code: string, text: string): void {
    this.#driver.change((now) => this.#link.stop(now))
    this.#refused(code, text)
  }

  // Whoever waits for the first welcome is told the first reason there is none, and nothing goes on behind their back.
  #failFirst(error: HollerError): void {
    const first = this.#first
    if (first === undefined) return
    this.#first = undefined
    void this.stop().then(() => first.reject(error))
  }

  #keep(event: ServerSessionEvent): void {
    if (this.#backlog !== undefined && this.#backlog.length < MAX_BACKLOG) this.#backlog.push(event)
  }
}

function givenUp(): HollerError {
  return new HollerError('SERVER_UNREACHABLE', 'The login was given up')
}
