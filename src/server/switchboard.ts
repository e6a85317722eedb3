/**
 * Holds the sessions together: who is online, what they are told of each other, what they may ask. It has no socket
 * and no clock of its own; `server.ts` hands it streams, tests hand it streams of their own.
 *
 * What is told is in the store before it is told. What two sessions learn of each other passes through here alone:
 * lists and their changes by `buddies.ts`, presence by `presence.ts`, addresses by `rendezvous.ts`.
 */
import type { Endpoint } from '../core/endpoint.ts'
import { earliest, type Instant } from '../core/instant.ts'
import type { SecureStream } from '../io/byte-stream.ts'
import { encodeServerMessage } from '../protocol/server/encode.ts'
import { equalBytes } from '../core/bytes.ts'
import {
  type AccountNumber,
  type GoodbyeReason,
  MAX_SEALED_BYTES,
  type PresenceEntry,
  type ServerMessage,
  type SessionLimits,
  type SessionStart,
  type SetPresence,
} from '../protocol/server/messages.ts'
import { presencePages } from '../protocol/server/pages.ts'
import { encodeFrame, MAX_FRAME_BYTES } from '../tcp/frame.ts'
import { presenceDigest } from '../tcp/presence-digest.ts'
import {
  type Accounts,
  DISABLED_RETRY_MS,
  type LoggedIn,
  resumeRefused,
  type ServerProof,
} from './accounts.ts'
import { type Answer, done, rateLimited, type Refusal } from './answer.ts'
import { Buddies } from './buddies.ts'
import type { SessionRecord } from './client-session.ts'
import { type Departure, Departures, RESUME_WITHIN_MS } from './departures.ts'
import { Directory } from './directory.ts'
import { Gate } from './gate.ts'
import { KeyDesk } from './key-desk.ts'
import { Mailbox, WINDOW } from './mailbox.ts'
import { OnlineAccount } from './online-account.ts'
import type { DeadlineAlarm, Outside } from './outside.ts'
import { People } from './people.ts'
import { type ChosenPresence, Presence } from './presence.ts'
import type { RelayMap } from './relay-map.ts'
import type { RelayTickets } from './relay-tickets.ts'
import { Rendezvous } from './rendezvous.ts'
import { entryOf, rosterMessages } from './roster-news.ts'
import { HEARTBEAT_MS } from './client-heartbeat.ts'
import type {
  Claimed,
  OpenSession,
  SessionEnd,
  SessionRequest,
  SessionServices,
} from './session-services.ts'
import { MESSAGES, Session } from './session.ts'
import type { Deleted } from './store/admin-store.ts'
import { MAX_ROSTER, type ServerStore, type SideNews } from './store/server-store.ts'
import { Tally } from './tally.ts'
import { type BucketShape, TokenBuckets } from './token-buckets.ts'
import { Watchers } from './watchers.ts'

/** Each change is told to every buddy, and to be invisible or not is written to disk. */
const PRESENCE_CHANGES: BucketShape = { burst: 20, everyMs: 1_000 }

/** How many clients a second a restarted server is to be found by. */
const RECONNECTS_PER_SECOND = 500
/** A restart takes about that long. */
const RESTART_MS = 500

const SESSION_LIMITS: SessionLimits = {
  frameBytes: MAX_FRAME_BYTES,
  sealedBytes: MAX_SEALED_BYTES,
  messages: MESSAGES.burst,
  messageEveryMs: MESSAGES.everyMs,
  buddies: MAX_ROSTER,
  windowMessages: WINDOW.messages,
}

export interface SwitchboardOptions {
  readonly store: ServerStore
  readonly accounts: Accounts
  readonly outside: Outside
  /** Where a client reaches the UDP service, judged by where its TCP session arrived. */
  readonly servicesFor: (stream: SecureStream) => readonly Endpoint[]
  readonly isWitnessed: (now: Instant, endpoint: Endpoint) => boolean
  readonly tickets?: RelayTickets
  /** Relays elsewhere, where there are any. */
  readonly relays?: RelayMap
}

/** When the clients of a server that goes down are to come back. */
export interface ComeBack {
  readonly afterMs?: number
  readonly spreadMs?: number
}

export interface SwitchboardStats {
  readonly strangers: number
  readonly online: number
}

export class Switchboard implements SessionServices {
  readonly accounts: Accounts
  readonly mailbox: Mailbox
  readonly tally = new Tally()
  readonly #options: SwitchboardOptions
  readonly #outside: Outside
  readonly #gate = new Gate()
  readonly #sessions = new Set<OpenSession>() // BOUNDED: strangers by the gate, all by the process's descriptors
  readonly #directory = new Directory()
  readonly #watchers = new Watchers<OnlineAccount>()
  readonly #presence = new Presence()
  readonly #departures = new Departures()
  readonly #presenceRate = new TokenBuckets(PRESENCE_CHANGES)
  readonly #buddies: Buddies
  readonly #rendezvous: Rendezvous
  readonly #keys: KeyDesk
  readonly #people: People
  readonly #alarm: DeadlineAlarm
  #isClosed = false

  constructor(options: SwitchboardOptions) {
    this.#options = options
    this.accounts = options.accounts
    this.#outside = options.outside
    this.#buddies = new Buddies({
      store: options.store,
      directory: this.#directory,
      onAgreed: (a, b) => this.#showEachOther(a, b),
    })
    this.#rendezvous = new Rendezvous({
      directory: this.#directory,
      isInvisible: (number) => this.#presence.isInvisible(number),
      isWitnessed: options.isWitnessed,
      ...(options.tickets === undefined ? {} : { tickets: options.tickets }),
      ...(options.relays === undefined ? {} : { relays: options.relays }),
    })
    this.#keys = new KeyDesk(options.store.keys, this.#directory)
    this.#people = new People({
      store: options.store,
      directory: this.#directory,
      presence: this.#presence,
      isWitnessed: options.isWitnessed,
    })
    this.mailbox = new Mailbox({
      store: options.store.mail,
      directory: this.#directory,
      outside: options.outside,
      isInvisible: (number) => this.#presence.isInvisible(number),
      onDeadline: () => this.#rearm(),
    })
    this.#alarm = options.outside.makeAlarm((now) => this.#handleTimeout(now))
  }

  get stats(): SwitchboardStats {
    return { strangers: this.#gate.size, online: this.#directory.size }
  }

  /** To be waited for before the first `accept`. @throws HollerError `STORE_UNUSABLE` */
  async open(): Promise<void> {
    await this.mailbox.open()
    const now = this.#outside.clock.now()
    for (const session of await this.#options.store.sessions.all()) {
      this.#departures.left(now, session)
      this.#presence.restore(now, session.number, session.chosen, RESUME_WITHIN_MS)
    }
    this.#rearm()
  }

  /** Whether somebody's session comes from that address. */
  isHome(address: string): boolean {
    return this.#directory.isHome(address)
  }

  /** A TLS handshake is done. */
  accept(stream: SecureStream): void {
    if (this.#isClosed) stream.destroy()
    else new Session(stream, this, this.#outside).start()
  }

  /**
   * Takes nobody new, and tells every client that the server restarts and when to come back: from `afterMs` on, at a
   * random time of `spreadMs`, so that a restarted server is not found by all in the same second.
   */
  close({ afterMs = RESTART_MS, spreadMs = this.usualSpreadMs }: ComeBack = {}): void {
    this.#isClosed = true
    this.#alarm.clear()
    const wait = { afterMs: Math.round(afterMs), spreadMs: Math.round(spreadMs) }
    for (const session of [...this.#sessions]) {
      session.end('restarting', wait.afterMs, wait.spreadMs)
    }
  }

  /** How long those who are here now take to come back, without a crowd. */
  get usualSpreadMs(): number {
    return Math.round((this.#sessions.size / RECONNECTS_PER_SECOND) * 1000)
  }

  // ---- What administrators do ----------------------------------------------------------------------------------

  /** The account's session, as far as it has one. */
  session(number: AccountNumber): SessionRecord | undefined {
    return this.#directory.find(number)?.session.record
  }

  /** Ends the account's session at once; none can be resumed. */
  async endSession(number: AccountNumber, reason: GoodbyeReason, retryAfterMs = 0): Promise<void> {
    const { sessions } = this.#options.store
    this.#directory.find(number)?.session.end(reason, retryAfterMs)
    this.#departures.cameBack(number) // if it was about to
    this.#changePresence((now) => this.#presence.leave(now, number))
    const standing = await sessions.standing(number)
    if (standing !== undefined) await sessions.end(number, standing.epoch)
  }

  /** The account is in the store no more: whoever had it on the list is told. */
  async accountDeleted({ person, lists }: Deleted): Promise<void> {
    const { number } = person
    await this.endSession(number, 'deleted')
    for (const [other, version] of lists) {
      this.#directory.find(other)?.apply({ kind: 'buddy-removed', number, version })
    }
  }

  // ---- What sessions ask (SessionServices) ----------------------------------------------------------------------

  servicesFor(stream: SecureStream): readonly Endpoint[] {
    return this.#options.servicesFor(stream)
  }

  opened(session: OpenSession): void {
    this.#sessions.add(session)
    this.#gate.enter(session)
  }

  async claim({ account, device, proof }: LoggedIn): Promise<Claimed | Refusal> {
    const { sessions } = this.#options.store
    const { number, startsInvisible } = account
    if (proof.kind === 'resumed') {
      const resumed = await sessions.resume(number, proof.epoch)
      if (resumed === undefined) return resumeRefused()
      return { kind: 'claimed', epoch: resumed.epoch, chosen: resumed.chosen }
    }
    const chosen: ChosenPresence = this.#presence.chosen(number) ?? {
      state: startsInvisible ? 'invisible' : 'online',
      text: '',
    }
    const epoch = await sessions.begin({ number, device, chosen })
    return { kind: 'claimed', epoch, chosen }
  }

  attach(session: OpenSession, { account, device }: LoggedIn, { epoch }: Claimed): OnlineAccount {
    this.#gate.leave(session)
    const watchers = this.#watchers
    const online = new OnlineAccount({ account, device, session, epoch, watchers })
    this.#departures.cameBack(online.number)
    this.#directory.attach(online)?.session.end('replaced')
    return online
  }

  async arrive(online: OnlineAccount, login: LoggedIn, { chosen }: Claimed): Promise<void> {
    const { store } = this.#options
    const { number, session } = online
    // An administrator may have been quicker than this login; whoever comes now finds the session in the directory.
    const [present, roster] = await Promise.all([
      store.account(number),
      store.rosterSince(number, login.roster),
    ])
    if (present === undefined) {
      session.end('deleted')
      return
    }
    if (present.disabledAtMs !== undefined) {
      session.end('disabled', DISABLED_RETRY_MS)
      return
    }
    const { startsInvisible } = login.account
    online.isDeviceHidden = login.isOtherDevice && startsInvisible
    const isDeviceNews = login.isOtherDevice && !startsInvisible
    const lists = isDeviceNews ? await store.recordDevice(number, login.device) : undefined
    session.send(this.#opening(online, login))
    online.load(roster.states)
    for (const message of rosterMessages(roster)) {
      await session.mayPage()
      session.send(message)
    }
    if (!session.isOpen) return
    online.becomeReady()
    const seen = this.#presenceFor(online)
    if (!knows(login.proof, seen)) {
      for (const page of presencePages(seen, true)) session.send(page)
    }
    if (lists !== undefined) this.#tellDevice(online, lists)
    this.#changePresence((now) => this.#presence.connect(now, number, chosen))
    const [keysLeft] = await Promise.all([this.#keys.left(online), this.#people.arrived(online)])
    session.send(keysLeft)
    this.mailbox.arrived(online)
    this.#rendezvous.arrived(this.#outside.clock.now(), online)
  }

  async request(
    now: Instant,
    account: OnlineAccount,
    message: SessionRequest,
  ): Promise<Answer | ServerMessage> {
    switch (message.kind) {
      case 'search':
        return await this.#buddies.search(now, account, message)
      case 'buddy-request':
        return await this.#buddies.request(now, account, message.to, message.note)
      case 'buddy-accept':
      case 'buddy-reject':
      case 'buddy-remove':
      case 'buddy-unblock':
        return await this.#buddies.answer(account, message)
      case 'buddy-block':
        return await this.#buddies.block(now, account, message)
      case 'buddy-move':
      case 'buddy-note':
      case 'buddy-conceal':
        return await this.#buddies.describe(account, message)
      case 'who':
        return this.#people.who(now, account, message)
      case 'locate':
        return this.#people.locate(now, account, message)
      case 'get-profile':
        return await this.#people.profile(now, account, message)
      case 'set-profile':
        return await this.#people.setProfile(now, account, message)
      case 'set-presence':
        return await this.#choosePresence(now, account, message)
      case 'withdraw':
        return await this.mailbox.withdraw(account, message)
      case 'publish-keys':
        return await this.#keys.publish(account, message)
      case 'take-keys':
        return await this.#keys.take(now, account, message)
      case 'key-log':
        return await this.#keys.log(now, account, message)
      case 'introduce': {
        const buddy = account.isBuddy(message.to) ? this.#directory.ready(message.to) : undefined
        const isThere = buddy !== undefined && !this.#presence.isInvisible(buddy.number)
        if (isThere) await this.#showDevice(account)
        const answer = this.#rendezvous.introduce(now, account, message)
        this.tally.add('introductions', answer.kind === 'done' ? 'accepted' : 'refused')
        this.#rearm()
        return answer
      }
    }
  }

  async passwordReplaced(number: AccountNumber): Promise<void> {
    await this.endSession(number, 'timeout') // its daemon comes back, and is told that the password is another
  }

  ended(session: OpenSession, account: OnlineAccount | undefined, end: SessionEnd): void {
    this.#sessions.delete(session)
    if (account !== undefined) this.tally.add('sessionEnds', end)
    this.#gate.leave(session)
    account?.retire()
    if (account !== undefined) this.mailbox.ended(account)
    if (account === undefined || !this.#directory.detach(account)) return
    this.#people.left(account.number)
    if (this.#isClosed) return // whoever was here may come back when the server does
    this.#departed(account, end)
  }

  #departed(account: OnlineAccount, end: SessionEnd): void {
    const { number } = account
    const isForGood = end === 'logged-out' || end === 'deleted' || end === 'disabled'
    if (isForGood)
      void this.#endSession(account) // never rejects
    else this.#departures.left(this.#outside.clock.now(), account)
    this.#changePresence((now) => {
      if (isForGood) this.#presence.leave(now, number)
      else if (end === 'suspended') this.#presence.disconnect(now, number, RESUME_WITHIN_MS)
      else this.#presence.disconnect(now, number)
    })
  }

  async #endSession({ number, epoch }: Departure): Promise<void> {
    try {
      await this.#options.store.sessions.end(number, epoch)
    } catch (error) {
      this.#outside.logger.error('A session was not ended', { why: String(error) })
    }
  }

  // ---- Presence -------------------------------------------------------------------------------------------------

  async #choosePresence(
    now: Instant,
    account: OnlineAccount,
    { state, text }: SetPresence,
  ): Promise<Answer> {
    const { number } = account
    const rateKey = String(number)
    if (!this.#presenceRate.take(now, rateKey)) {
      return rateLimited(this.#presenceRate.waitMs(now, rateKey))
    }
    await this.#rememberInvisible(number, state === 'invisible')
    await this.#options.store.sessions.choose(number, account.epoch, { state, text })
    if (state !== 'invisible') await this.#showDevice(account)
    this.#changePresence((at) => this.#presence.choose(at, number, { state, text }))
    return done
  }

  /** So that the next login does not show for a moment who wants to be invisible. */
  async #rememberInvisible(number: AccountNumber, startsInvisible: boolean): Promise<void> {
    const { store } = this.#options
    for (;;) {
      const account = await store.account(number)
      if (account === undefined || account.startsInvisible === startsInvisible) return
      if (await store.updateAccount({ ...account, startsInvisible })) return
    }
  }

  #changePresence(change: (now: Instant) => void): void {
    change(this.#outside.clock.now())
    for (let entry = this.#presence.pollEvent(); entry; entry = this.#presence.pollEvent()) {
      this.#tellPresence(entry)
    }
    this.#rearm()
  }

  #tellPresence(entry: PresenceEntry): void {
    const frame = encodeFrame(
      encodeServerMessage({ kind: 'presence', isSnapshot: false, entries: [entry] }),
    )
    this.tally.add('presence', 'changes')
    for (const buddy of this.#watchers.of(entry.number)) {
      buddy.session.sendFrame(frame)
      this.tally.add('presence', 'deliveries')
    }
  }

  #presenceFor(online: OnlineAccount): readonly PresenceEntry[] {
    return online.buddies().flatMap((number) => this.#presence.told(number) ?? [])
  }

  #showEachOther(a: AccountNumber, b: AccountNumber): void {
    this.#showTo(a, b)
    this.#showTo(b, a)
  }

  #showTo(to: AccountNumber, of: AccountNumber): void {
    const entry = this.#presence.told(of)
    if (entry === undefined) return
    const message = { kind: 'presence', isSnapshot: false, entries: [entry] } as const
    this.#directory.ready(to)?.session.send(message)
  }

  // ---- Arrival --------------------------------------------------------------------------------------------------

  #opening(online: OnlineAccount, { account, proof }: LoggedIn): ServerMessage {
    const { number, handle, session, epoch } = online
    const start: SessionStart = {
      number,
      handle,
      timeMs: this.#outside.clock.wallNow(),
      heartbeatMs: HEARTBEAT_MS,
      epoch,
      stun: session.services,
      seenFrom: session.record.remote,
      ...this.#options.relays?.offered(session),
      pass: this.accounts.passOf(account, epoch),
      limits: SESSION_LIMITS,
    }
    return proof.kind === 'resumed'
      ? { kind: 'resumed', proof: proof.proof, ...start }
      : { kind: 'welcome', scram: proof.serverFinal, ...start }
  }

  /** Buddies pin the device's keys, so they are told before they hear anything else of it. */
  #tellDevice(
    { number, handle, device }: OnlineAccount,
    lists: ReadonlyMap<AccountNumber, SideNews>,
  ): void {
    for (const [to, { version, ...own }] of lists) {
      const buddy = entryOf({ number, handle, state: 'accepted', device, ...own })
      this.#directory.find(to)?.apply({ kind: 'buddy-changed', buddy, note: '', version })
    }
  }

  /** Who logged in invisibly shows itself: only now may a new device be seen. */
  async #showDevice(online: OnlineAccount): Promise<void> {
    if (!online.isDeviceHidden) return
    const lists = await this.#options.store.recordDevice(online.number, online.device)
    online.isDeviceHidden = false
    this.#tellDevice(online, lists)
  }

  #handleTimeout(now: Instant): void {
    this.#rendezvous.handleTimeout(now)
    this.mailbox.handleTimeout(now)
    for (let over = this.#departures.takeOver(now); over; over = this.#departures.takeOver(now)) {
      void this.#endSession(over) // never rejects
    }
    this.#changePresence(() => this.#presence.handleTimeout(now))
  }

  #rearm(): void {
    if (this.#isClosed) return
    this.#alarm.set(
      earliest(
        this.#presence.pollTimeout(),
        this.#rendezvous.pollTimeout(),
        this.mailbox.pollTimeout(),
        this.#departures.nextAt,
      ),
    )
  }
}

/** Whether a client that comes back has been told all this already. */
function knows(proof: ServerProof, seen: readonly PresenceEntry[]): boolean {
  return proof.kind === 'resumed' && equalBytes(proof.presence, presenceDigest(seen))
}
