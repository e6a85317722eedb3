/**
 * A daemon's session with its server, as a machine: connects, logs in, keeps the session alive, comes back after it
 * was lost, gives requests their numbers and matches the answers. What a lost session left unanswered is asked again in the
 * next one where that is possible.
 *
 *     idle ─start─► connecting ──► logging-in ──► online ─stop─► leaving ──► idle
 *                       ▲ │             │            │
 *                       │ └─────────────┴────────────┴──► waiting (full jitter) ──► connecting
 *                       └───────────────────────────────────────────────────────────────┘
 *
 * `refused` and `replaced` end in idle: who was replaced by a newer login does not fight back. What a server says out
 * of the protocol ends the session and counts; what it says that we do not know is ignored and counted.
 * It never sees the password: whoever owns it answers `hash-wanted`.
 */
import { scopeOf } from '../core/address-scope.ts'
import type { Endpoint } from '../core/endpoint.ts'
import { HollerError } from '../core/holler-error.ts'
import { after, earliest, type Instant } from '../core/instant.ts'
import type { LinkMachine, LinkOutput, SecureChannel } from '../core/machine.ts'
import { OutboundQueue } from '../core/outbound-queue.ts'
import { decodeServerMessage, UNKNOWN_MESSAGE } from '../protocol/server/decode.ts'
import { encodeClientMessage } from '../protocol/server/encode.ts'
import {
  type ClientMessage,
  type Goodbye,
  type MailSeq,
  MAX_MAIL_PAGE,
  type RequestId,
  type Resumed,
  type ResumePass,
  type ServerError,
  type ServerMessage,
  type Welcome,
} from '../protocol/server/messages.ts'
import { Backoff } from './backoff.ts'
import { encodeFrame, FrameDecoder, MAX_FRAME_BYTES } from './frame.ts'
import { Heartbeat } from './heartbeat.ts'
import {
  type Known,
  Login,
  NOTHING_KNOWN,
  type LoginOptions,
  type LoginStep,
  type SaltedSecret,
} from './login.ts'
import { PendingRequests } from './pending-requests.ts'
import type { ServerLinkEvent, ServerRequest } from './server-link-event.ts'
import { endByGoodbye, type LinkRefusal, offline, type SessionEnd } from './session-end.ts'

export interface ServerLinkOptions extends LoginOptions {
  /** Spares `hash-wanted` while the server names the same salt and parameters. */
  readonly savedSecret?: SaltedSecret
  /** From the last session of an earlier life. */
  readonly savedPass?: ResumePass
  /** What the owner knows when a login begins, so that it is not told once more. */
  readonly known?: () => Omit<Known, 'pass'>
}

type LinkState =
  | { readonly kind: 'idle' }
  | { readonly kind: 'connecting'; readonly giveUpAt: Instant }
  | {
      readonly kind: 'logging-in'
      readonly frames: FrameDecoder
      readonly login: Login
      readonly giveUpAt: Instant
    }
  | {
      readonly kind: 'online'
      readonly frames: FrameDecoder
      readonly heartbeat: Heartbeat
      readonly since: Instant
    }
  | {
      readonly kind: 'leaving'
      readonly frames: FrameDecoder
      readonly partingId: RequestId
      readonly giveUpAt: Instant
    }
  /** `isAsked`: the server wants it so. */
  | { readonly kind: 'waiting'; readonly retryAt: Instant; readonly isAsked: boolean }

/** Whoever makes the connection should know sooner that it cannot be made. */
const CONNECT_MS = 30_000

/** TCP asks again after 1 s, 3 s, 7 s: a connection that is being made for longer has lost its first question. */
const LOST_CONNECT_MS = 1_000

/** The server gives up a login after 10 s too; argon2id is within them. */
const LOGIN_MS = 10_000

/** To say goodbye is a courtesy; a server that does not answer it is not waited for. */
const LEAVE_MS = 2_000

const SESSION_ENDED = 'The session with the server has ended'

const IDLE: LinkState = { kind: 'idle' }

export class ServerLink implements LinkMachine<ServerLinkEvent> {
  readonly #options: ServerLinkOptions
  readonly #backoff: Backoff
  readonly #pending = new PendingRequests()
  readonly #outputs = new OutboundQueue<LinkOutput>()
  readonly #events = new OutboundQueue<ServerLinkEvent>()
  #state: LinkState = IDLE
  #secret: SaltedSecret | undefined
  /** Of the last session, until the server gives another or wants nothing of it. */
  #pass: ResumePass | undefined
  /** Our own end of the connection. */
  #local: Endpoint | undefined
  /** The network changed and nothing was heard since: if the session ends now, it is not the server that ended it. */
  #isShaken = false
  #lastId: RequestId = 0
  #violations = 0
  #unknownMessages = 0

  /** @throws {HollerError} INVALID_PARAMS for a user or client name that could not be sent. */
  constructor(options: ServerLinkOptions) {
    encodeClientMessage(new Login(options, new Uint8Array(32)).hello)
    this.#options = options
    this.#backoff = new Backoff(options.random)
    this.#secret = options.savedSecret
    this.#pass = options.savedPass
  }

  get isOnline(): boolean {
    return this.#state.kind === 'online'
  }

  /** The round trip of the latest heartbeat. */
  get rttMs(): number | undefined {
    return this.#state.kind === 'online' ? this.#state.heartbeat.rttMs : undefined
  }

  /** What the server said that was out of the protocol, and what we did not know. */
  get counters(): { readonly violations: number; readonly unknownMessages: number } {
    return { violations: this.#violations, unknownMessages: this.#unknownMessages }
  }

  /** Connects and logs in; where it already does, nothing changes. */
  start(now: Instant): void {
    if (this.#state.kind !== 'idle') return
    this.#backoff.reset()
    this.#connect(now)
  }

  /** Logs out, and closes when that is answered or after 2 s. */
  stop(now: Instant): void {
    this.#pass = undefined
    this.#part(now, 'logout')
  }

  /** Leaves to come back soon, with the pass of this session: as `stop`, but nobody is told for a minute. */
  suspend(now: Instant): void {
    this.#part(now, 'suspend')
  }

  /**
   * The network is another: connects anew at once where the connection's own address is none of `addresses` any more, or
   * where none stands yet; else asks the standing session for a quick sign of life.
   */
  networkChanged(now: Instant, addresses: readonly string[]): void {
    switch (this.#state.kind) {
      case 'waiting':
      case 'connecting':
        this.#backoff.reset()
        this.#connect(now)
        return
      case 'logging-in':
      case 'online':
        if (this.#isCutOff(addresses)) this.#reconnect(now)
        else if (this.#state.kind === 'online') {
          this.#isShaken = true
          this.#state.heartbeat.probed(now, this.#ping())
        }
        return
      case 'idle':
      case 'leaving':
        return
    }
  }

  /**
   * Packets come through where none did: who waits since nothing answered waits no longer than after a first failure, so that
   * those whom one silence had stopped do not all come at once.
   */
  networkBack(now: Instant): void {
    switch (this.#state.kind) {
      case 'waiting':
        if (!this.#state.isAsked) this.#waitShortly(now, this.#state.retryAt)
        return
      case 'connecting':
        if (now < after(this.#state.giveUpAt, LOST_CONNECT_MS - CONNECT_MS)) return
        this.#outputs.push({ kind: 'disconnect' })
        this.#waitShortly(now)
        return
      case 'online':
        this.#isShaken = true
        this.#state.heartbeat.probed(now, this.#ping())
        return
      case 'idle':
      case 'logging-in':
      case 'leaving':
        return
    }
  }

  /**
   * Asks the server something; the answer is an event `answered`.
   * @throws {HollerError} SERVER_UNREACHABLE when not online, BUSY with 256 requests in flight, INVALID_PARAMS and
   * TOO_LARGE for what cannot be sent.
   */
  request(now: Instant, message: ServerRequest): RequestId {
    if (this.#state.kind !== 'online') {
      throw new HollerError('SERVER_UNREACHABLE', 'There is no session with the server')
    }
    this.#pending.checkRoom()
    const id = this.#nextId()
    this.#send({ ...message, id })
    this.#pending.add(now, id, message)
    this.#state.heartbeat.expectAnswer(now)
    return id
  }

  /** These deliveries are on our disk. When there is no session any more, they come again. */
  acknowledge(_now: Instant, seqs: readonly MailSeq[]): void {
    if (this.#state.kind !== 'online') return
    for (let from = 0; from < seqs.length; from += MAX_MAIL_PAGE) {
      this.#send({ kind: 'ack', seqs: seqs.slice(from, from + MAX_MAIL_PAGE) })
    }
  }

  /** Answers `hash-wanted`. Too late is not lost: the next login with this salt needs no hashing. */
  passwordHashed(_now: Instant, secret: SaltedSecret): void {
    this.#secret = secret
    if (this.#state.kind === 'logging-in') this.#respond(this.#state.login, secret)
  }

  handleConnected(now: Instant, { exporter, local }: SecureChannel): void {
    if (this.#state.kind !== 'connecting') {
      this.#outputs.push({ kind: 'disconnect' })
      return
    }
    this.#local = local
    const { known = () => NOTHING_KNOWN } = this.#options
    const pass = this.#pass
    const login = new Login(this.#options, exporter, { ...known(), ...(pass && { pass }) })
    const frames = new FrameDecoder(MAX_FRAME_BYTES)
    this.#state = { kind: 'logging-in', frames, login, giveUpAt: after(now, LOGIN_MS) }
    this.#send(login.opening)
  }

  handleBytes(now: Instant, bytes: Uint8Array): void {
    const frames = this.#frames()
    if (frames === undefined) return
    const read = frames.push(bytes)
    if (!read.ok) {
      this.#violated(now, read.why)
      return
    }
    for (const frame of read.value) {
      if (this.#frames() !== frames) return // one of the messages ended the session
      this.#handleFrame(now, frame)
    }
  }

  handleDisconnected(now: Instant, why: string): void {
    switch (this.#state.kind) {
      case 'connecting':
        this.#finish(now, offline('unreachable', why))
        return
      case 'logging-in':
      case 'online':
      case 'leaving':
        this.#finish(now, offline('closed', why))
        return
      case 'idle':
      case 'waiting':
        return
    }
  }

  handleTimeout(now: Instant): void {
    this.#failRequests(this.#pending.takeExpired(now), 'No answer in time')
    const deadline = this.#stateDeadline()
    if (deadline === undefined || deadline > now) return
    switch (this.#state.kind) {
      case 'waiting':
        this.#connect(now)
        return
      case 'connecting':
        this.#drop(now, offline('unreachable', 'No connection was made in time'))
        return
      case 'logging-in':
        this.#drop(now, offline('login-timeout', 'The server did not finish the login in time'))
        return
      case 'leaving':
        this.#leaveNow()
        return
      case 'online':
        this.#handleOnlineTimeout(now, this.#state.heartbeat)
        return
      case 'idle':
        return
    }
  }

  pollOutput(): LinkOutput | undefined {
    return this.#outputs.shift()
  }

  pollEvent(): ServerLinkEvent | undefined {
    return this.#events.shift()
  }

  pollTimeout(): Instant | undefined {
    return earliest(this.#stateDeadline(), this.#pending.nextAt)
  }

  #stateDeadline(): Instant | undefined {
    switch (this.#state.kind) {
      case 'idle':
        return undefined
      case 'waiting':
        return this.#state.retryAt
      case 'connecting':
      case 'logging-in':
      case 'leaving':
        return this.#state.giveUpAt
      case 'online':
        return this.#state.heartbeat.nextAt
    }
  }

  #handleOnlineTimeout(now: Instant, heartbeat: Heartbeat): void {
    if (heartbeat.isDoubtful(now)) {
      heartbeat.probed(now, this.#ping())
      return
    }
    if (heartbeat.isGone) {
      this.#drop(now, offline('silent', 'The server does not answer any more'))
      return
    }
    heartbeat.pinged(now, this.#ping())
  }

  #handleFrame(now: Instant, frame: Uint8Array): void {
    this.#isShaken = false
    const message = decodeServerMessage(frame)
    if (message.ok) {
      this.#handleMessage(now, message.value)
    } else if (message.why.startsWith(UNKNOWN_MESSAGE)) {
      this.#unknownMessages += 1 // a newer server's; it must do without our understanding
      if (this.#state.kind === 'online') this.#state.heartbeat.heard()
    } else {
      this.#violated(now, message.why)
    }
  }

  #handleMessage(now: Instant, message: ServerMessage): void {
    if (message.kind === 'goodbye') {
      this.#drop(now, endByGoodbye(message))
    } else if (this.#state.kind === 'logging-in') {
      this.#handleLoginStep(now, this.#state.login, this.#state.login.handle(message))
    } else if (this.#state.kind === 'online') {
      this.#state.heartbeat.heard()
      this.#handleOnlineMessage(now, this.#state.heartbeat, message)
    } else if (this.#state.kind === 'leaving') {
      const isAnswer = message.kind === 'ok' || message.kind === 'error'
      if (isAnswer && message.id === this.#state.partingId) this.#leaveNow()
    }
  }

  #handleLoginStep(now: Instant, login: Login, step: LoginStep): void {
    switch (step.kind) {
      case 'salting-told':
        if (this.#secret !== undefined && this.#respond(login, this.#secret)) return
        this.#events.push({ kind: 'hash-wanted', salt: step.salt, hashing: step.hashing })
        return
      case 'begin-anew':
        this.#pass = undefined
        this.#send(step.hello)
        return
      case 'welcomed':
        this.#welcomed(now, step.welcome)
        return
      case 'ended':
        this.#drop(now, step.end)
        return
    }
  }

  #welcomed(now: Instant, welcome: Welcome | Resumed): void {
    const frames = this.#frames()
    if (frames === undefined) return
    this.#pass = welcome.pass
    const heartbeat = new Heartbeat(now, welcome.heartbeatMs)
    this.#state = { kind: 'online', frames, heartbeat, since: now }
    this.#events.push({ kind: 'online', welcome })
    for (const request of this.#pending.repeat()) {
      this.#send(request)
      heartbeat.expectAnswer(now)
    }
  }

  #handleOnlineMessage(
    now: Instant,
    heartbeat: Heartbeat,
    message: Exclude<ServerMessage, Goodbye>,
  ): void {
    switch (message.kind) {
      case 'roster':
      case 'buddy-changed':
      case 'buddy-removed':
      case 'presence':
      case 'introduced':
      case 'deliver':
      case 'keys-left':
        this.#events.push({ kind: 'message', message })
        return
      case 'ping':
        this.#send({ kind: 'pong', id: message.id, timeMs: 0 }) // a machine knows no wall clock
        return
      case 'pong':
        heartbeat.answered(now, message.id)
        return
      case 'ok':
        if (this.#pending.settle(message.id))
          this.#events.push({ kind: 'answered', id: message.id })
        return
      case 'accepted':
      case 'keys':
      case 'logged-keys':
      case 'found':
      case 'online':
      case 'located':
      case 'profile':
        if (this.#pending.settle(message.id))
          this.#events.push({ kind: 'answered', id: message.id, answer: message })
        return
      case 'error':
        this.#handleError(message)
        return
      case 'challenge':
      case 'welcome':
      case 'resumed':
      case 'registered':
        this.#violated(now, `The server said ${message.kind} during the session`)
        return
    }
  }

  #handleError(error: ServerError): void {
    if (error.id === undefined) this.#events.push({ kind: 'message', message: error })
    else {
      const { id } = error
      const outcome = this.#pending.settleRefused(id, error.code)
      if (outcome === 'done') this.#events.push({ kind: 'answered', id })
      else if (outcome === 'refused') this.#events.push({ kind: 'answered', id, error })
    }
  }

  #violated(now: Instant, why: string): void {
    this.#drop(now, offline('violation', why))
  }

  /** Closes the connection: we have heard, or not heard, enough. */
  #drop(now: Instant, end: SessionEnd): void {
    this.#outputs.push({ kind: 'disconnect' })
    this.#finish(now, end)
  }

  /** There is no connection any more: what now? */
  #finish(now: Instant, end: SessionEnd): void {
    if (this.#state.kind === 'leaving') {
      this.#rest({ kind: 'stopped' }) // it ends as was wanted, whatever the other side says to it
      return
    }
    if (end.kind !== 'offline') {
      if (end.kind === 'refused') this.#noteRefusal(end.code)
      this.#rest(end)
      return
    }
    if (end.why === 'violation') this.#violations += 1
    if (this.#state.kind === 'online') this.#backoff.sessionEnded(now - this.#state.since)
    const retryInMs = this.#backoff.next(end.askedMs, end.spreadMs)
    this.#state = {
      kind: 'waiting',
      retryAt: after(now, retryInMs),
      isAsked: end.askedMs > 0,
    }
    this.#failRequests(this.#pending.takeUnrepeatable(), SESSION_ENDED)
    this.#events.push({ kind: 'offline', why: end.why, text: end.text, retryInMs })
    if (this.#isShaken) this.#connectSoon(now)
  }

  #waitShortly(now: Instant, atLatest?: Instant): void {
    this.#backoff.reset()
    const soon = after(now, this.#backoff.next(0))
    const retryAt = earliest(soon, atLatest) ?? soon
    this.#state = { kind: 'waiting', retryAt, isAsked: false }
  }

  /** Nobody else has the same reason to come back in this moment: there is no storm to spread. */
  #connectSoon(now: Instant): void {
    this.#isShaken = false
    this.#backoff.reset()
    this.#connect(now)
  }

  #noteRefusal(code: LinkRefusal): void {
    if (code === 'auth-failed') this.#secret = undefined
    if (code === 'server-unproven') this.#violations += 1
  }

  #rest(event: ServerLinkEvent): void {
    this.#state = IDLE
    this.#isShaken = false
    this.#pass = undefined // whoever starts anew is somebody else, or was told to stay away
    this.#failRequests(this.#pending.takeAll(), SESSION_ENDED)
    this.#events.push(event)
  }

  #connect(now: Instant): void {
    this.#state = { kind: 'connecting', giveUpAt: after(now, CONNECT_MS) }
    this.#outputs.push({ kind: 'connect' })
  }

  /** TCP would go on trying from an address that is not ours any more, for a quarter of an hour. */
  #isCutOff(addresses: readonly string[]): boolean {
    const local = this.#local
    return (
      local !== undefined && scopeOf(local) !== 'loopback' && !addresses.includes(local.address)
    )
  }

  #reconnect(now: Instant): void {
    this.#drop(now, offline('closed', 'The network changed'))
    this.#backoff.reset()
    if (this.#state.kind === 'waiting') this.#connect(now)
  }

  #part(now: Instant, kind: 'logout' | 'suspend'): void {
    this.#failRequests(this.#pending.takeAll(), 'Logged out')
    switch (this.#state.kind) {
      case 'leaving':
        return
      case 'online': {
        const { frames } = this.#state
        const partingId = this.#nextId()
        this.#send({ kind, id: partingId })
        this.#state = { kind: 'leaving', frames, partingId, giveUpAt: after(now, LEAVE_MS) }
        return
      }
      case 'connecting':
      case 'logging-in':
        this.#leaveNow()
        return
      case 'idle':
      case 'waiting':
        this.#rest({ kind: 'stopped' })
        return
    }
  }

  #leaveNow(): void {
    this.#outputs.push({ kind: 'disconnect' })
    this.#rest({ kind: 'stopped' })
  }

  #respond(login: Login, secret: SaltedSecret): boolean {
    const response = login.respond(secret)
    if (response !== undefined) this.#send(response)
    return response !== undefined
  }

  #failRequests(ids: readonly RequestId[], text: string): void {
    for (const id of ids) this.#failRequest(id, text)
  }

  #failRequest(id: RequestId, text: string): void {
    const error: ServerError = { kind: 'error', id, code: 'temporary', text }
    this.#events.push({ kind: 'answered', id, error })
  }

  #frames(): FrameDecoder | undefined {
    return 'frames' in this.#state ? this.#state.frames : undefined
  }

  #send(message: ClientMessage): void {
    this.#outputs.push({ kind: 'bytes', bytes: encodeFrame(encodeClientMessage(message)) })
  }

  #ping(): RequestId {
    const id = this.#nextId()
    this.#send({ kind: 'ping', id })
    return id
  }

  #nextId(): RequestId {
    this.#lastId += 1
    return this.#lastId
  }
}
