/**
 * One client's TCP session, from the end of the TLS handshake to its last byte:
 *
 *     fresh ── hello ──► challenged ── response ──► online ──► ended
 *       ├ resume (once; refused, the session stays fresh) ──►┘
 *       └ register (once; the session stays fresh)
 *
 * Before login it is a stranger: small frames, ten seconds in all, a handful of messages, and whatever is out of
 * sequence ends it. After login its messages are handled in order, one at a time. Nothing a client does or leaves
 * undone reaches further than its own session.
 */
import { copyOf } from '../core/bytes.ts'
import { after, earliest, type Instant } from '../core/instant.ts'
import type { Endpoint } from '../core/endpoint.ts'
import { HollerError } from '../core/holler-error.ts'
import type { LogFields } from '../core/logger.ts'
import type { SecureStream } from '../io/byte-stream.ts'
import {
  decodeClientMessage,
  type DecodedMessage,
  UNKNOWN_MESSAGE,
} from '../protocol/server/decode.ts'
import {
  type Accepted,
  type ClientMessage,
  type Goodbye,
  type Hello,
  type Register,
  type ReplacePassword,
  type RequestId,
  type Response,
  type Resume,
  type Send,
  SERVER_PROTOCOL_VERSION,
  type ServerMessage,
} from '../protocol/server/messages.ts'
import type { LoggedIn, LoginAttempt } from './accounts.ts'
import { type Answer, done, type Refusal, refused } from './answer.ts'
import { ClientHeartbeat } from './client-heartbeat.ts'
import { reportOf, type SessionRecord } from './client-session.ts'
import { MessageStream } from './message-stream.ts'
import type { OnlineAccount } from './online-account.ts'
import type { Outside } from './outside.ts'
import { printable } from './printable.ts'
import type {
  OpenSession,
  SessionEnd,
  SessionRequest,
  SessionServices,
} from './session-services.ts'
import { counted, type Counted } from './tally.ts'
import { TokenBucket } from './token-buckets.ts'

/** From the end of the TLS handshake to `welcome`; argon2id on a slow client is within it. */
export const LOGIN_WITHIN_MS = 10_000

/**
 * What depends on whether an account exists is answered so long after it was asked, however long the store took: some
 * microseconds more or less would tell. Several times what a store at ease takes; from one that takes longer the answer
 * leaves when it is there, and all that hides an account then is that nobody's costs the same work (`Records.readAlike`).
 */
const ACCOUNT_ANSWER_AFTER_MS = 5

/** A registration and a login are three; the rest is for mistakes. */
const MOST_BEFORE_LOGIN = 8

/** What a busy daemon never reaches. Beyond it messages are not refused, they wait: TCP slows their sender down. */
export const MESSAGES = { burst: 256, everyMs: 20 }

/** A longer message counts as several: to read it is so much more work. Ours stay below, but for the longest notes. */
const BYTES_OF_ONE_MESSAGE = 1_024

/** When a client may try again after the store failed: a full disk is not emptied sooner. */
const STORE_RETRY_MS = 5_000

/**
 * A client's messages are handled in order, so its ping waits behind a request that waits for a slow disk, and after 8 s
 * without an answer it takes the server for gone. So a server that is at work says something.
 */
const SIGN_OF_LIFE_MS = 2_000

/** Messages of one session that wait to be accepted; then the next one waits too. The recipient's window is smaller. */
const MOST_SENDS = 64

type OnlineMessage = Exclude<ClientMessage, Hello | Response | Resume | Register | ReplacePassword>

type SessionState =
  | { readonly kind: 'fresh' }
  | { readonly kind: 'challenged'; readonly attempt: LoginAttempt }
  | { readonly kind: 'online'; readonly account: OnlineAccount }
  | { readonly kind: 'ended' }

export class Session implements OpenSession {
  readonly remote: Endpoint
  readonly services: readonly Endpoint[]
  readonly #stream: SecureStream
  readonly #messages: MessageStream
  readonly #server: SessionServices
  readonly #outside: Outside
  readonly #alarm: ReturnType<Outside['makeAlarm']>
  readonly #budget: TokenBucket
  readonly #heartbeat: ClientHeartbeat
  /** While a message is being handled: when its client is shown that we live. */
  #signAt: Instant | undefined
  readonly #loginDueAt: Instant
  #state: SessionState = { kind: 'fresh' }
  #record: SessionRecord
  #received = 0
  #pause: { readonly until: Instant; readonly resolve: () => void } | undefined // messages are handled one at a time
  #hasRegistered = false
  #hasTriedResume = false
  #sending = 0 // ≤ MOST_SENDS
  #onSent: (() => void) | undefined

  constructor(stream: SecureStream, server: SessionServices, outside: Outside) {
    const now = outside.clock.now()
    this.#stream = stream
    this.#server = server
    this.#outside = outside
    this.remote = stream.channel.remote
    this.services = server.servicesFor(stream)
    this.#record = { remote: this.remote, client: '', connectedAtMs: outside.clock.wallNow() }
    this.#alarm = outside.makeAlarm((due) => this.#handleTimeout(due))
    this.#budget = new TokenBucket(now, MESSAGES)
    this.#loginDueAt = after(now, LOGIN_WITHIN_MS)
    this.#heartbeat = new ClientHeartbeat(now)
    this.#messages = new MessageStream(stream, outside, {
      onMessage: (frame) => this.#handle(frame),
      onHeard: (at) => this.#heartbeat.heard(at),
      onSpoilt: (why) => this.#violated(why),
      onClosed: (why) => this.#finish('lost', why),
      onDeadline: () => this.#rearm(),
    })
  }

  start(): void {
    this.#server.opened(this)
    this.#rearm()
    this.#messages.start()
  }

  get record(): SessionRecord {
    return this.#record
  }

  get roundTripMs(): number | undefined {
    return this.#heartbeat.roundTripMs
  }

  get isOpen(): boolean {
    return this.#state.kind !== 'ended'
  }

  get isLoggedIn(): boolean {
    return this.#state.kind === 'online'
  }

  send(message: ServerMessage): void {
    this.#messages.send(message)
  }

  sendFrame(frame: Uint8Array): void {
    this.#messages.sendFrame(frame)
  }

  mayPage(): Promise<void> {
    return this.#messages.mayPage()
  }

  end(reason: Goodbye['reason'], retryAfterMs = 0, spreadMs?: number): void {
    if (!this.isOpen) return
    const spread = spreadMs === undefined ? {} : { spreadMs }
    this.send({ kind: 'goodbye', reason, retryAfterMs, ...spread })
    this.#messages.close()
    this.#finish(reason, reason)
  }

  /** Closes at once, without a word: for whom the server has no room. */
  cut(why: string): void {
    this.#messages.cut(why)
  }

  // What can be done at once is: most messages cost neither a promise nor a timer.
  #handle(frame: Uint8Array): Promise<void> | undefined {
    const turn = this.#slowDown(frame.length)
    if (turn === undefined) return this.#watched(this.#handleFrame(frame))
    const kept = copyOf(frame)
    return this.#watched(turn.then(() => this.#handleFrame(kept)))
  }

  /** Meanwhile the client is shown that we live. */
  #watched(handled: Promise<void> | undefined): Promise<void> | undefined {
    if (handled === undefined) return undefined
    this.#signAt = after(this.#outside.clock.now(), SIGN_OF_LIFE_MS)
    this.#rearm()
    return handled.finally(() => (this.#signAt = undefined))
  }

  /** Neither throws nor rejects. */
  #handleFrame(frame: Uint8Array): Promise<void> | undefined {
    if (!this.isOpen) return undefined
    let id: RequestId | undefined
    try {
      const message = decodeClientMessage(frame)
      if (message.ok) {
        if ('id' in message.value) id = message.value.id
        return this.#handleMessage(message.value)?.catch((error: unknown) =>
          this.#handleFailure(error, id),
        )
      }
      this.#handleUnreadable(message)
    } catch (error) {
      this.#handleFailure(error, id)
    }
    return undefined
  }

  #handleMessage(message: ClientMessage): Promise<void> | undefined {
    switch (message.kind) {
      case 'hello':
        return this.#handleHello(message)
      case 'response':
        return this.#handleResponse(message)
      case 'resume':
        return this.#handleResume(message)
      case 'register':
      case 'replace-password':
        return this.#handleRegister(message)
      case 'ping':
      case 'pong':
      case 'report':
      case 'suspend':
      case 'logout':
      case 'search':
      case 'buddy-request':
      case 'buddy-accept':
      case 'buddy-reject':
      case 'buddy-remove':
      case 'buddy-block':
      case 'buddy-unblock':
      case 'buddy-move':
      case 'buddy-note':
      case 'buddy-conceal':
      case 'who':
      case 'locate':
      case 'get-profile':
      case 'set-profile':
      case 'set-presence':
      case 'introduce':
      case 'withdraw':
      case 'publish-keys':
      case 'take-keys':
      case 'key-log':
      case 'send':
      case 'ack':
        if (this.#state.kind === 'online') return this.#handleOnline(this.#state.account, message)
        this.#violated(`${message.kind} before login`)
        return undefined
    }
  }

  #handleOnline(account: OnlineAccount, message: OnlineMessage): Promise<void> | undefined {
    const now = this.#outside.clock.now()
    switch (message.kind) {
      case 'ping':
        this.send({ kind: 'pong', id: message.id, timeMs: this.#outside.clock.wallNow() })
        return undefined
      case 'pong':
        this.#heartbeat.answered(now, message.id)
        return undefined
      case 'report':
        this.#record = { ...this.#record, report: reportOf(message) }
        this.#reply(message.id, done)
        return undefined
      case 'send':
        return this.#handleSend(now, account, message)
      case 'ack':
        this.#server.mailbox.acknowledge(account, message.seqs)
        return undefined
      case 'suspend':
        this.#reply(message.id, done)
        this.#messages.close()
        this.#finish('suspended', 'suspended')
        return undefined
      case 'logout':
        this.#reply(message.id, done)
        this.end('logged-out')
        return undefined
      case 'search':
      case 'buddy-request':
      case 'buddy-accept':
      case 'buddy-reject':
      case 'buddy-remove':
      case 'buddy-block':
      case 'buddy-unblock':
      case 'buddy-move':
      case 'buddy-note':
      case 'buddy-conceal':
      case 'who':
      case 'locate':
      case 'get-profile':
      case 'set-profile':
      case 'set-presence':
      case 'introduce':
      case 'withdraw':
      case 'publish-keys':
      case 'take-keys':
      case 'key-log':
        return this.#handleRequest(now, account, message)
    }
  }

  async #handleRequest(
    now: Instant,
    account: OnlineAccount,
    message: SessionRequest,
  ): Promise<void> {
    this.#reply(message.id, await this.#server.request(now, account, message))
  }

  // What comes after it need not wait until it is accepted, but for those who send without an end.
  #handleSend(now: Instant, account: OnlineAccount, message: Send): Promise<void> | undefined {
    this.#sending += 1
    this.#server.mailbox.send(now, account, message, (outcome) => this.#sent(message.id, outcome))
    if (this.#sending < MOST_SENDS) return undefined
    return new Promise((resolve) => (this.#onSent = resolve))
  }

  #sent(id: RequestId, outcome: Accepted['at'] | Refusal): void {
    this.#sending -= 1
    this.#onSent?.()
    this.#server.tally.add('messages', typeof outcome === 'string' ? outcome : 'refused')
    if (typeof outcome === 'string') this.send({ kind: 'accepted', id, at: outcome })
    else this.#refuse(id, outcome)
  }

  async #handleHello(hello: Hello): Promise<void> {
    if (this.#state.kind !== 'fresh') {
      this.#violated('hello out of sequence')
      return
    }
    if (hello.version !== SERVER_PROTOCOL_VERSION) {
      this.#turnAway(refused('unsupported', 'This server speaks another version'))
      return
    }
    this.#record = { ...this.#record, client: hello.client }
    const { accounts } = this.#server
    const attempt = await this.#inItsTime(() => accounts.begin(hello, this.#stream.channel))
    if (!this.isOpen) return
    if (attempt.kind === 'refused') {
      this.#turnAway(attempt)
      return
    }
    this.#state = { kind: 'challenged', attempt }
    this.send({ kind: 'challenge', scram: attempt.scram.serverFirst })
  }

  async #handleResponse(response: Response): Promise<void> {
    if (this.#state.kind !== 'challenged') {
      this.#violated('response out of sequence')
      return
    }
    const { attempt } = this.#state
    const login = this.#server.accounts.finish(this.#outside.clock.now(), attempt, response)
    this.#server.tally.add('logins', resultOf(login))
    if (login.kind === 'refused') {
      const { code } = login
      const level = code === 'auth-failed' ? 'info' : 'debug' // the throttle bounds how many of these there are
      this.#log(level, 'login refused', { name: printable(attempt.name), code })
      this.#turnAway(login)
      return
    }
    const refusal = await this.#enter(login)
    if (refusal !== undefined) this.#turnAway(refusal)
  }

  // Only those who were here come with a ticket, so there is nothing to guess, and no limit but that of messages.
  async #handleResume(resume: Resume): Promise<void> {
    if (this.#state.kind !== 'fresh' || this.#hasTriedResume) {
      this.#violated('resume out of sequence')
      return
    }
    this.#hasTriedResume = true
    if (resume.version !== SERVER_PROTOCOL_VERSION) {
      this.#turnAway(refused('unsupported', 'This server speaks another version'))
      return
    }
    this.#record = { ...this.#record, client: resume.client }
    const login = await this.#server.accounts.resume(resume, this.#stream.channel)
    this.#server.tally.add('logins', resultOf(login))
    const refusal = login.kind === 'refused' ? login : await this.#enter(login)
    if (refusal !== undefined && this.isOpen) this.#refuse(undefined, refusal)
  }

  /** Somebody has proved who they are. A refusal is the caller's to tell. */
  async #enter(login: LoggedIn): Promise<Refusal | undefined> {
    const claimed = await this.#server.claim(login)
    if (claimed.kind === 'refused') return claimed
    const isGone = !this.isOpen
    const account = this.#server.attach(this, login, claimed)
    // The client may be gone again: its session stands all the same, and can be resumed.
    if (isGone) this.#server.ended(this, account, 'lost')
    if (this.#state.kind === 'ended') return undefined // that, or a later session of the same account has come first
    this.#state = { kind: 'online', account }
    this.#messages.raiseFrameLimit()
    this.#log('info', login.proof.kind === 'resumed' ? 'resumed' : 'logged in', {
      account: login.account.number,
      client: printable(this.#record.client),
    })
    await this.#server.arrive(account, login, claimed)
    if (!this.isOpen) return undefined
    this.#ping(this.#outside.clock.now())
    this.#rearm()
    return undefined
  }

  async #handleRegister(message: Register | ReplacePassword): Promise<void> {
    if (this.#state.kind !== 'fresh' || this.#hasRegistered) {
      this.#violated(`${message.kind} out of sequence`)
      return
    }
    const { accounts } = this.#server
    const outcome =
      message.kind === 'register'
        ? await accounts.register(message, this.remote)
        : await this.#inItsTime(() => accounts.replacePassword(message, this.remote))
    this.#server.tally.add('registrations', 'kind' in outcome ? 'refused' : 'accepted')
    if ('kind' in outcome) {
      this.#refuse(undefined, outcome)
      return
    }
    this.#hasRegistered = true
    const { number, handle } = outcome
    if (message.kind === 'replace-password') await this.#server.passwordReplaced(number)
    const what = message.kind === 'register' ? 'registered' : 'password replaced'
    this.#log('info', what, { account: number, handle })
    this.send({ kind: 'registered', number, handle })
  }

  #handleUnreadable({ why, id }: Extract<DecodedMessage<never>, { ok: false }>): void {
    if (why.startsWith(UNKNOWN_MESSAGE)) {
      this.#refuse(id, refused('unsupported', 'This server does not know that message'))
    } else if (id !== undefined && this.isLoggedIn) {
      this.#refuse(id, refused('malformed', 'A field of the message is missing or out of bounds'))
    } else this.#violated(why)
  }

  // The border of a session: what fails here is this session's trouble and the log's, not the server's.
  #handleFailure(error: unknown, id: RequestId | undefined): void {
    const { logger } = this.#outside
    if (error instanceof HollerError && error.code === 'STORE_UNUSABLE') {
      logger.error('The store failed', { why: error.message })
      const refusal = refused('temporary', 'The server cannot reach its store', STORE_RETRY_MS)
      if (id !== undefined) this.#refuse(id, refusal)
      else this.#turnAway(refusal)
      return
    }
    logger.error('A session failed', { why: error instanceof Error ? error.stack : String(error) })
    this.cut('failed')
  }

  #handleTimeout(now: Instant): void {
    if (this.#pause !== undefined && this.#pause.until <= now) this.#endPause()
    this.#messages.handleTimeout(now)
    if (!this.isOpen) return
    if (this.isLoggedIn ? this.#heartbeat.goneAt <= now : this.#loginDueAt <= now) {
      this.end('timeout')
      return
    }
    const owesSign = this.#signAt !== undefined && this.#signAt <= now
    if (owesSign) this.#signAt = after(now, SIGN_OF_LIFE_MS)
    if (this.isLoggedIn && (owesSign || this.#heartbeat.isSilent(now))) this.#ping(now)
    this.#rearm()
  }

  #rearm(): void {
    if (!this.isOpen) return
    const own = this.isLoggedIn ? this.#heartbeat.nextAt : this.#loginDueAt
    const signAt = this.isLoggedIn ? this.#signAt : undefined
    this.#alarm.set(earliest(own, signAt, this.#messages.deadline, this.#pause?.until))
  }

  #ping(now: Instant): void {
    this.send({ kind: 'ping', id: this.#heartbeat.ask(now) })
  }

  /** Too many messages: the next one waits. Before login there is no next one. */
  #slowDown(bytes: number): Promise<void> | undefined {
    this.#received += 1
    if (!this.isLoggedIn) {
      if (this.#received > MOST_BEFORE_LOGIN) this.#violated('too many messages')
      return undefined
    }
    const now = this.#outside.clock.now()
    const cost = Math.ceil(bytes / BYTES_OF_ONE_MESSAGE)
    if (this.#budget.take(now, cost)) return undefined
    return this.#until(after(now, this.#budget.waitMs(now, cost))).then(() => {
      this.#budget.take(this.#outside.clock.now(), cost)
    })
  }

  /**
   * What is awaited begins before the work does: a timer set after it would count on from where the work ended, in
   * whole milliseconds, and tell how long that took.
   */
  async #inItsTime<T>(work: () => Promise<T>): Promise<T> {
    const isDue = this.#until(after(this.#outside.clock.now(), ACCOUNT_ANSWER_AFTER_MS))
    const outcome = await work()
    await isDue
    return outcome
  }

  async #until(until: Instant): Promise<void> {
    if (!this.isOpen || until <= this.#outside.clock.now()) return
    await new Promise<void>((resolve) => {
      this.#pause = { until, resolve }
      this.#rearm()
    })
  }

  #endPause(): void {
    const pause = this.#pause
    this.#pause = undefined
    pause?.resolve()
  }

  #reply(id: RequestId, answer: Answer | ServerMessage): void {
    if (answer.kind === 'done') this.send({ kind: 'ok', id })
    else if (answer.kind === 'refused') this.#refuse(id, answer)
    else this.send(answer)
  }

  #refuse(id: RequestId | undefined, { code, text, retryAfterMs }: Refusal): void {
    this.send({
      kind: 'error',
      code,
      text,
      ...(id === undefined ? {} : { id }),
      ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
    })
  }

  /** Refuses a login: the connection has one attempt, and the error is its last word. */
  #turnAway(refusal: Refusal): void {
    if (!this.isOpen) return
    this.#refuse(undefined, refusal)
    this.#messages.close()
    this.#finish('protocol-error', refusal.code)
  }

  #violated(why: string): void {
    if (!this.isOpen) return
    this.#server.tally.add('hostile', this.isLoggedIn ? 'after-login' : 'before-login')
    this.#refuse(undefined, refused('malformed', 'That is not this protocol'))
    this.#log(this.isLoggedIn ? 'info' : 'debug', 'protocol violated', { why: printable(why) })
    this.end('protocol-error')
  }

  #finish(end: SessionEnd, why: string): void {
    if (!this.isOpen) return
    const account = this.#state.kind === 'online' ? this.#state.account : undefined
    const level = account === undefined ? 'debug' : 'info' // strangers could fill a disk
    this.#state = { kind: 'ended' }
    this.#alarm.clear()
    this.#endPause()
    this.#log(level, 'session ended', {
      why: printable(why),
      ...(account && { account: account.number }),
    })
    this.#server.ended(this, account, end)
  }

  #log(level: 'info' | 'debug', message: string, fields: LogFields): void {
    this.#outside.logger[level](message, { remote: this.remote.address, ...fields })
  }
}

function resultOf(login: LoggedIn | Refusal): Counted['logins'][number] {
  if (login.kind === 'logged-in') {
    return login.proof.kind === 'resumed' ? 'resumed' : 'accepted'
  }
  return counted.logins.find((result) => result === login.code) ?? 'other'
}
