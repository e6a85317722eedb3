/**
 * Everything of the account that is logged in: its archive, its buddies' presence, its sessions with them. It lives
 * on while the server is away; what the server says is worked off here one notice after the other.
 */
import { HollerError } from '../core/holler-error.ts'
import { after } from '../core/instant.ts'
import { isSafetyNumber, safetyNumber } from '../crypto/safety-number.ts'
import { Alarm } from '../io/alarm.ts'
import type { PathPolicy, Person } from '../protocol/control/schema.ts'
import {
  type AccountNumber,
  MAX_LOCAL_ADDRESSES,
  MAX_PUBLIC_ENDPOINTS,
  type Presence,
  type Report,
  type Resumed,
  type RosterVersion,
  type Welcome,
} from '../protocol/server/messages.ts'
import type { Known } from '../tcp/login.ts'
import type { ServerNotice, ServerRequest } from '../tcp/server-link-event.ts'
import type { Account, OwnPresence } from './accounts.ts'
import { type Archive, type ArchiveOptions, openArchive } from './archive.ts'
import { BuddyDesk } from './buddy-desk.ts'
import { BuddySessions } from './buddy-sessions.ts'
import type { EphemeralEvent } from './events.ts'
import type { Device } from './keys.ts'
import type { Network } from './network.ts'
import { unknownIdentity } from './pins.ts'
import { Prekeys } from './prekeys.ts'
import { PresenceMirror } from './presence-mirror.ts'
import { type Buddy, personOf } from './roster.ts'
import { RosterPages } from './roster-pages.ts'
import { SerialQueue } from './serial-queue.ts'
import type { ServerSession } from './server-session.ts'

/** What the server may be ahead of our disk. Beyond it a notice is dropped; the next login brings everything anew. */
const MAX_NOTICES = 10_000

export interface ActiveAccountOptions extends ArchiveOptions {
  readonly account: Account
  readonly device: Device
  readonly network: Network
  readonly session: ServerSession
  readonly announce: (event: EphemeralEvent) => void
  /** Writes the account's record. */
  readonly keep: (account: Account) => Promise<void>
}

export class ActiveAccount {
  readonly archive: Archive
  readonly sessions: BuddySessions
  readonly presence = new PresenceMirror()
  /** What is asked of the server about people. */
  readonly desk: BuddyDesk
  readonly #options: ActiveAccountOptions
  readonly #session: ServerSession
  readonly #pages = new RosterPages()
  readonly #steps = new SerialQueue()
  /** When the presence that was chosen is over. */
  readonly #presenceEnd: Alarm
  #waitingNotices = 0 // ≤ MAX_NOTICES
  /** What the server has last been told of where we are, over this connection. */
  #reported = ''
  /** What the server has said yes to in this session, which outlives connections. */
  #toldPresence: OwnPresence | undefined
  #account: Account

  static async open(options: ActiveAccountOptions): Promise<ActiveAccount> {
    const { store, clock, random, device, account } = options
    const { slot } = account
    const prekeys = await Prekeys.open({ store, clock, random, device, slot })
    return new ActiveAccount(options, await openArchive(options, slot), prekeys)
  }

  private constructor(options: ActiveAccountOptions, archive: Archive, prekeys: Prekeys) {
    this.#options = options
    this.#account = options.account
    this.#session = options.session
    this.archive = archive
    this.desk = new BuddyDesk(options.account.number, options.session)
    this.#presenceEnd = new Alarm(options.clock, () => this.#endPresence())
    this.#awaitPresenceEnd()
    this.sessions = new BuddySessions({
      own: options.account.number,
      device: options.device,
      archive,
      clock: options.clock,
      network: options.network,
      session: options.session,
      presence: this.presence,
      prekeys,
      isInvisible: () => this.#account.presence.state === 'invisible',
    })
    this.sessions.start()
  }

  get account(): Account {
    return this.#account
  }

  /** Who we are, as others are told. */
  get person(): Person {
    const { number, handle } = this.#account
    return { number, handle }
  }

  /** What the server need not tell us once more. */
  get known(): Omit<Known, 'pass'> {
    const { version } = this.archive.roster
    const roster = version === undefined ? {} : { roster: version }
    return { presence: this.presence.digest, ...roster }
  }

  handleWelcome(welcome: Welcome | Resumed): void {
    const { timeMs, stun, handle, pass, relays } = welcome
    this.archive.roster.catchUp()
    const account = { ...this.#account, handle }
    delete account.pass // it has served
    this.#keepInOrder({ ...account, ...(pass && { pass }) })
    this.#options.network.change((now, endpoint) => {
      endpoint.setServerTime(now, timeMs)
      endpoint.setStunServers(now, stun)
      endpoint.setRelays(now, stun[0], relays)
    })
    this.#concealAsWanted()
    this.#reported = ''
    this.report()
    if (welcome.kind === 'welcome') this.#toldPresence = undefined
    this.#tellPresence()
    this.sessions.retryAll()
    this.sessions.postman.online()
  }

  /**
   * Worked off in order; what one says is on disk before the next is looked at. But a buddy who waits for us to punch does
   * not wait until the mail of an hour is on disk.
   */
  handleNotice(notice: ServerNotice): void {
    if (notice.kind === 'introduced' && this.#isKnown(notice.from)) {
      this.sessions.introduced(notice)
      return
    }
    if (this.#waitingNotices >= MAX_NOTICES) {
      this.archive.dropped.count('server-notice-flood')
      this.archive.roster.missed()
      return
    }
    this.#waitingNotices += 1
    this.#steps
      .run(() => this.#workOff(notice))
      .catch((error: unknown) => {
        this.archive.roster.missed()
        const fields = { notice: notice.kind, error: String(error) }
        this.archive.logger.error('Cannot keep what the server said', fields)
      })
      .finally(() => (this.#waitingNotices -= 1))
  }

  /** Tells the server where we are, for its session record. */
  report(): void {
    const { addresses, port, publicAddresses, natProfile } = this.#options.network
    const report: Omit<Report, 'id'> = {
      kind: 'report',
      localAddresses: addresses.slice(0, MAX_LOCAL_ADDRESSES),
      publicEndpoints: publicAddresses.slice(0, MAX_PUBLIC_ENDPOINTS),
      udpPort: port,
      tcpPort: 0, // this daemon takes no TCP connections
      ...(natProfile === undefined ? {} : { nat: natProfile }),
    }
    const text = JSON.stringify(report)
    if (text === this.#reported || !this.#session.isOnline) return
    this.#reported = text
    this.#tell(report)
  }

  /** Kept also when the server is away: it is told at the next login. */
  async setPresence(presence: OwnPresence): Promise<void> {
    await this.#keep({ ...this.#account, presence })
    this.#awaitPresenceEnd()
    if (this.#session.isOnline) await this.#sayPresence(presence)
  }

  async requestBuddy(name: string, note: string): Promise<void> {
    await this.#session.request({ kind: 'buddy-request', to: name, note })
  }

  /** @throws HollerError `REQUEST_UNKNOWN` when they have not asked. */
  async answerBuddy(buddy: Buddy, answer: 'buddy-accept' | 'buddy-reject'): Promise<void> {
    if (buddy.state !== 'pending-in') {
      throw new HollerError(
        'REQUEST_UNKNOWN',
        `${buddy.handle} (${buddy.number}) has not asked to be your buddy`,
      )
    }
    await this.#session.request({ kind: answer, number: buddy.number })
    if (answer === 'buddy-reject') await this.#steps.run(() => this.#forget(buddy.number))
  }

  /** Their identity is forgotten too: who is added again is met for the first time. */
  async removeBuddy({ number }: Buddy): Promise<void> {
    await this.#session.request({ kind: 'buddy-remove', number })
    await this.#steps.run(async () => {
      await this.#forget(number)
      await this.archive.pins.forget(number)
    })
  }

  /** Also somebody who is not on the list, who can be named by number only. */
  async block(name: string | number): Promise<void> {
    const text = String(name)
    const isNumber = /^[1-9]\d{0,14}$/.test(text)
    const number = isNumber ? Number(text) : this.archive.roster.require(text).number
    await this.#session.request({ kind: 'buddy-block', number })
  }

  async unblock({ number }: Buddy): Promise<void> {
    await this.#session.request({ kind: 'buddy-unblock', number })
  }

  /**
   * The other identity that has come in the buddy's name is theirs from now on: what waits is sent to it.
   *
   * @throws HollerError `IDENTITY_UNCHANGED` when no other has come.
   */
  async acceptIdentity(buddy: Buddy): Promise<void> {
    await this.#steps.run(() => this.archive.pins.accept(buddy))
    this.sessions.identityAccepted(buddy.number)
  }

  /**
   * The user has compared the safety number with the buddy, by voice or on paper.
   *
   * @throws HollerError `IDENTITY_UNKNOWN` before the first session, `SAFETY_NUMBER_WRONG`
   */
  async verifyIdentity(buddy: Buddy, number: string): Promise<void> {
    const { clock, device } = this.#options
    await this.#steps.run(async () => {
      const pin = this.archive.pins.get(buddy.number)
      if (pin === undefined) throw unknownIdentity(buddy)
      if (!isSafetyNumber(number, safetyNumber(device.keys.identity, pin.identity))) {
        const whose = `${buddy.handle} (${buddy.number})`
        throw new HollerError(
          'SAFETY_NUMBER_WRONG',
          `This is not the safety number of the identity that is known of ${whose}`,
        )
      }
      await this.archive.pins.verify(buddy, pin.identity, clock.wallNow())
    })
  }

  /** Which paths this buddy's sessions may take; a standing session begins anew under the new rule. */
  async setPolicy(buddy: Buddy, policy: PathPolicy): Promise<void> {
    await this.archive.roster.setPolicy(buddy, policy)
    this.sessions.setPolicy(buddy.number, policy)
    this.#concealAsWanted()
  }

  #awaitPresenceEnd(): void {
    const { clock } = this.#options
    const { untilMs } = this.#account.presence
    const leftMs = untilMs === undefined ? undefined : Math.max(0, untilMs - clock.wallNow())
    this.#presenceEnd.set(leftMs === undefined ? undefined : after(clock.now(), leftMs))
  }

  #endPresence(): void {
    this.setPresence({ state: 'online', text: '' }).catch((error: unknown) => {
      this.archive.logger.debug('Presence not told to the server', { error: String(error) })
    })
  }

  /** Ends the sessions with peers and waits for what is being written. */
  async stop(): Promise<void> {
    this.#presenceEnd.clear()
    this.sessions.stop()
    await this.#steps.idle()
    await this.sessions.conversations.idle()
  }

  #isKnown(number: AccountNumber): boolean {
    return this.archive.roster.get(number)?.state === 'accepted'
  }

  async #workOff(notice: ServerNotice): Promise<void> {
    switch (notice.kind) {
      case 'roster': {
        const entries = this.#pages.add(notice)
        if (entries === undefined) return
        for (const { number } of this.archive.roster.missingFrom(entries)) {
          await this.#forget(number)
        }
        await this.archive.roster.update(entries, notice.version)
        this.#concealAsWanted()
        for (const { number, state } of entries) {
          if (state === 'blocked') await this.#partFrom(number)
        }
        return
      }
      case 'buddy-changed':
        await this.archive.roster.change(notice.buddy, notice.note, notice.version)
        if (notice.buddy.state === 'blocked') await this.#partFrom(notice.buddy.number)
        this.#concealAsWanted() // we may have changed our mind while the server was answering
        this.sessions.postman.buddyChanged(notice.buddy.number, notice.buddy.device)
        this.sessions.retryAll()
        return
      case 'buddy-removed':
        await this.#forget(notice.number, notice.version)
        return
      case 'presence':
        this.#applyPresence(notice)
        return
      case 'introduced':
        this.sessions.introduced(notice)
        return
      case 'deliver':
        await this.sessions.postman.take(notice)
        return
      case 'keys-left':
        await this.sessions.postman.replenish(notice)
        return
      case 'error': {
        const text = notice.text === '' ? notice.code : notice.text
        await this.archive.journal.commit([], [{ type: 'server.notice', data: { text } }])
        return
      }
    }
  }

  #applyPresence(presence: Presence): void {
    for (const { entry, cameOnline } of this.presence.apply(presence)) {
      if (cameOnline) this.sessions.cameOnline(entry.number)
      else if (entry.state === 'offline') this.sessions.wentOffline(entry.number)
      const buddy = this.archive.roster.get(entry.number)
      if (buddy === undefined) continue
      this.#options.announce({
        type: 'presence.changed',
        key: String(entry.number),
        data: { buddy: personOf(buddy), presence: entry.state, presenceText: entry.text },
      })
    }
  }

  async #forget(number: AccountNumber, version?: RosterVersion): Promise<void> {
    await this.#partFrom(number)
    await this.archive.roster.remove(number, version)
  }

  async #partFrom(number: AccountNumber): Promise<void> {
    await this.sessions.forget(number)
    this.presence.forget(number)
  }

  async #keep(account: Account): Promise<void> {
    this.#account = account
    await this.#options.keep(account)
  }

  #keepInOrder(account: Account): void {
    this.#account = account
    this.#steps
      .run(() => this.#options.keep(account))
      .catch((error: unknown) => {
        this.archive.logger.error('Cannot keep the account', { error: String(error) })
      })
  }

  /** Unless the server knows already. */
  #tellPresence(): void {
    const { presence } = this.#account
    const told = this.#toldPresence
    if (told?.state === presence.state && told.text === presence.text) return
    this.#sayPresence(presence).catch((error: unknown) => {
      this.archive.logger.debug('Presence not told to the server', { error: String(error) })
    })
  }

  async #sayPresence(presence: OwnPresence): Promise<void> {
    this.#toldPresence = undefined
    const { state, text } = presence
    await this.#session.request({ kind: 'set-presence', state, text })
    this.#toldPresence = presence
  }

  /** Whoever may only be reached through the relay is not to learn our addresses from the server either. */
  #concealAsWanted(): void {
    if (!this.#session.isOnline) return // the next login comes here before our addresses are told
    for (const { number, state, pathPolicy, isConcealed = false } of this.archive.roster.all()) {
      const wanted = pathPolicy === 'relay'
      if (state === 'accepted' && wanted !== isConcealed) {
        this.#tell({ kind: 'buddy-conceal', number, isConcealed: wanted })
      }
    }
  }

  // For what the next login repeats: when it does not arrive, nothing is lost.
  #tell(message: ServerRequest): void {
    this.#session.request(message).catch((error: unknown) => {
      this.archive.logger.debug('Not told to the server', {
        message: message.kind,
        error: String(error),
      })
    })
  }
}
