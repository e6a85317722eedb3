/**
 * The live sessions with buddies: asks to be introduced when there is a reason to, and carries what the endpoint
 * tells to the conversations. Only accepted buddies are talked to, whoever the server introduces.
 */
import type { Clock } from '../core/clock.ts'
import type { Instant } from '../core/instant.ts'
import { uniform } from '../core/random.ts'
import { Alarm } from '../io/alarm.ts'
import type { PathPolicy } from '../protocol/control/schema.ts'
import type { AccountNumber, Introduced } from '../protocol/server/messages.ts'
import type { Archive } from './archive.ts'
import { Conversations } from './conversations.ts'
import { every } from './deadline.ts'
import { GREETING_DELAY_MS, Introductions } from './introductions.ts'
import type { Device } from './keys.ts'
import { Listeners } from './listeners.ts'
import type { Network, PeerEvent } from './network.ts'
import { Postman } from './postman.ts'
import type { Prekeys } from './prekeys.ts'
import type { PresenceMirror } from './presence-mirror.ts'
import type { PeerPathReport } from './peer-paths.ts'
import { personOf } from './roster.ts'
import type { ServerSession } from './server-session.ts'

type PathKind = PeerPathReport['kind']

/** A question may be lost; more than one a second tells nothing more. */
const PING_AGAIN_MS = 1_000

export interface BuddySessionsOptions {
  readonly own: AccountNumber
  readonly device: Device
  readonly archive: Archive
  readonly clock: Clock
  readonly network: Network
  readonly session: ServerSession
  readonly presence: PresenceMirror
  readonly prekeys: Prekeys
  readonly isInvisible: () => boolean
}

export class BuddySessions {
  readonly conversations: Conversations
  readonly postman: Postman
  readonly #options: BuddySessionsOptions
  readonly #introductions: Introductions
  readonly #alarm: Alarm
  /** Live sessions and what carries them. One per connected buddy: the endpoint bounds them. */
  readonly #live = new Map<AccountNumber, PathKind>()
  readonly #changes = new Listeners<AccountNumber>()
  readonly #pongs = new Listeners<{ readonly peer: AccountNumber; readonly rttMs: number }>()
  readonly #awaited = new Map<AccountNumber, number>() // by `reach`, whose callers are bounded

  constructor(options: BuddySessionsOptions) {
    this.#options = options
    this.#introductions = new Introductions(options.archive.random)
    this.#alarm = new Alarm(options.clock, (now) => this.#introduce(now))
    this.conversations = new Conversations(options.archive, {
      send: (peer, bytes) =>
        options.network.change((now, endpoint) => endpoint.send(now, peer, bytes)),
      wantSession: (peer) => this.#want(peer),
      disconnect: (peer) => this.disconnect(peer),
      withdraw: (peer, ids) => {
        this.postman.withdraw(peer, ids).catch((error: unknown) => {
          options.archive.logger.debug('Not withdrawn', { peer, error: String(error) })
        })
      },
    })
    this.postman = new Postman({
      own: options.own,
      device: options.device,
      archive: options.archive,
      clock: options.clock,
      session: options.session,
      prekeys: options.prekeys,
      conversations: () => this.conversations,
      isInvisible: options.isInvisible,
    })
  }

  /** From now on the endpoint speaks for this account. */
  start(): void {
    const { network, own, archive } = this.#options
    network.change((now, endpoint) => {
      endpoint.setAccount(now, own)
      for (const { number, pathPolicy } of archive.roster.all()) {
        endpoint.setPolicy(now, number, pathPolicy)
        endpoint.setPinnedStatic(number, archive.pins.get(number)?.static)
      }
    })
    for (const peer of archive.outbox.buddies()) this.#want(peer)
  }

  /** Says goodbye to every peer. */
  stop(): void {
    this.#alarm.clear()
    this.postman.stop()
    this.#options.network.change((now, endpoint) => endpoint.setAccount(now, undefined))
    for (const peer of this.#live.keys()) this.conversations.with(peer).closed()
    this.#live.clear()
  }

  /** Everything may be different: a new login, another network. */
  retryAll(): void {
    const now = this.#options.clock.now()
    this.#introductions.retryAll(now)
    this.#introduce(now)
  }

  cameOnline(peer: AccountNumber): void {
    const { own, clock, archive } = this.#options
    const now = clock.now()
    const delayMs = own < peer ? 0 : GREETING_DELAY_MS * (1 + uniform(archive.random) / 2)
    this.#introductions.greet(now, peer, delayMs)
    this.#introduce(now)
  }

  wentOffline(peer: AccountNumber): void {
    this.#introductions.wentOffline(peer)
  }

  introduced(message: Introduced): void {
    if (!this.#isBuddy(message.from)) {
      this.#options.archive.dropped.count('introduced-to-stranger')
      return
    }
    this.#options.network.change((now, endpoint) => endpoint.introduced(now, message))
  }

  /** They are no buddy any more: what waits for them fails, and the session ends. */
  async forget(peer: AccountNumber): Promise<void> {
    this.#introductions.forget(peer)
    if (this.#options.archive.outbox.has(peer)) {
      await this.conversations.with(peer).fail('not-buddies')
    }
    this.disconnect(peer)
  }

  disconnect(peer: AccountNumber): void {
    this.#options.network.change((now, endpoint) => endpoint.disconnect(now, peer))
  }

  /** A standing session was judged by the identity before: it ends, and another one is made. */
  identityAccepted(peer: AccountNumber): void {
    const { clock, archive, network } = this.#options
    network.change((_now, endpoint) => {
      endpoint.setPinnedStatic(peer, archive.pins.get(peer)?.static)
    })
    this.postman.buddyChanged(peer)
    this.disconnect(peer)
    this.#introductions.greet(clock.now(), peer, 0)
    if (archive.outbox.has(peer)) this.#want(peer)
    else this.#introduce(clock.now())
  }

  /** A standing session ends with it, and a new one is made under the new rule. */
  setPolicy(peer: AccountNumber, policy: PathPolicy): void {
    const wasLive = this.#live.has(peer)
    const now = this.#options.network.change((at, endpoint) => {
      endpoint.setPolicy(at, peer, policy)
      return at
    })
    if (wasLive) this.#introductions.greet(now, peer, 0)
    this.#introduce(now)
  }

  report(peer: AccountNumber): PeerPathReport | undefined {
    return this.#options.network.change((now, endpoint) => endpoint.pathReport(now, peer))
  }

  kind(peer: AccountNumber): PathKind {
    return this.#live.get(peer) ?? 'none'
  }

  get connected(): readonly AccountNumber[] {
    return [...this.#live.keys()]
  }

  /** Resolves when a path of the wanted kind carries the session, which is made where there is none. */
  async reach(
    peer: AccountNumber,
    until: 'any' | 'direct',
    signal: AbortSignal,
  ): Promise<PeerPathReport> {
    this.#awaited.set(peer, (this.#awaited.get(peer) ?? 0) + 1)
    try {
      return await this.#reached(peer, until, signal)
    } finally {
      const others = (this.#awaited.get(peer) ?? 1) - 1
      if (others > 0) this.#awaited.set(peer, others)
      else this.#awaited.delete(peer)
    }
  }

  /** Asks for a sign of life by the path that carries the session, again each second; resolves with the round trip in ms. */
  async ping(peer: AccountNumber, signal: AbortSignal): Promise<number> {
    const { clock, network } = this.#options
    return await new Promise((resolve, reject) => {
      const ask = (): boolean => network.change((now, endpoint) => endpoint.ping(now, peer))
      const forget = this.#pongs.add((pong) => {
        if (pong.peer === peer) finish(() => resolve(pong.rttMs))
      })
      const stopAsking = every(clock, PING_AGAIN_MS, ask)
      const abort = (): void => finish(() => reject(signal.reason as Error))
      const finish = (act: () => void): void => {
        forget()
        stopAsking()
        signal.removeEventListener('abort', abort)
        act()
      }
      signal.addEventListener('abort', abort)
      if (signal.aborted) abort()
      else ask()
    })
  }

  handlePeerEvent(event: PeerEvent, now: Instant): void {
    switch (event.kind) {
      case 'introduce-wanted':
        void this.#askServer(event) // never rejects
        return
      case 'peer-connected':
        this.#connected(event, now)
        return
      case 'message':
        this.conversations.with(event.peer).receive(event.bytes)
        this.postman.prepare(event.peer)
        return
      case 'send-ready':
        this.conversations.with(event.peer).sendReady()
        return
      case 'path-changed':
        if (this.#live.has(event.peer)) {
          this.#pathChanged(event.peer, event.report.kind, event.report.reason)
        }
        return
      case 'pong':
        this.#pongs.tell(event)
        return
      case 'peer-closed':
        this.#closed(event, now)
        return
    }
  }

  async #reached(
    peer: AccountNumber,
    until: 'any' | 'direct',
    signal: AbortSignal,
  ): Promise<PeerPathReport> {
    return await new Promise((resolve, reject) => {
      const look = (changed: AccountNumber): void => {
        const report = changed === peer ? this.report(peer) : undefined
        if (report === undefined || !this.#isReached(peer, until)) return
        finish(() => resolve(report))
      }
      const finish = (act: () => void): void => {
        forget()
        signal.removeEventListener('abort', abort)
        act()
      }
      const abort = (): void => finish(() => reject(signal.reason as Error))
      const forget = this.#changes.add(look)
      signal.addEventListener('abort', abort)
      if (signal.aborted) abort()
      this.#want(peer)
      look(peer)
    })
  }

  #want(peer: AccountNumber): void {
    const now = this.#options.clock.now()
    this.#introductions.want(now, peer)
    this.#introduce(now)
    if (this.#options.archive.outbox.has(peer)) this.postman.wanted(peer)
  }

  #introduce(now: Instant): void {
    const { presence, session, network } = this.#options
    const canReach = (peer: AccountNumber): boolean =>
      session.isOnline && presence.isOnline(peer) && this.#isBuddy(peer)
    for (const peer of this.#introductions.take(now, canReach)) {
      try {
        network.change((at, endpoint) => endpoint.introduce(at, peer))
      } catch (error) {
        this.#options.archive.logger.debug('Cannot introduce', { peer, error: String(error) })
        this.#introductions.closed(now, peer, this.#isWanted(peer))
      }
    }
    this.#alarm.set(this.#introductions.nextDue(now))
  }

  async #askServer(event: Extract<PeerEvent, { kind: 'introduce-wanted' }>): Promise<void> {
    const { peer, session: sessionId, isAnswer, probeKey, candidates, nat, relay } = event
    const { session, archive, network } = this.#options
    try {
      const introduction = { to: peer, session: sessionId, isAnswer, probeKey, candidates }
      await session.request({
        kind: 'introduce',
        ...introduction,
        ...(nat === undefined ? {} : { nat }),
        ...(relay === undefined || isAnswer ? {} : { relay }),
      })
    } catch (error) {
      archive.logger.debug('Not introduced', { peer, error: String(error) })
      network.change((now, endpoint) => endpoint.introduceRefused(now, sessionId))
    }
  }

  #connected(event: Extract<PeerEvent, { kind: 'peer-connected' }>, now: Instant): void {
    const { peer, identity, remoteStatic } = event
    if (!this.#isBuddy(peer)) {
      this.disconnect(peer)
      return
    }
    this.#introductions.connected(now, peer)
    this.conversations.with(peer).connected({ identity, static: remoteStatic })
    this.#options.network.change((_now, endpoint) => endpoint.setPinnedStatic(peer, remoteStatic))
    this.#live.set(peer, 'none')
    const report = this.report(peer)
    this.#pathChanged(peer, report?.kind ?? 'none', report?.reason ?? '')
  }

  #closed(event: Extract<PeerEvent, { kind: 'peer-closed' }>, now: Instant): void {
    const { peer, reason, wasConnected } = event
    if (reason === 'replaced' && !wasConnected) return // the attempt goes on as another one
    this.conversations.with(peer).closed()
    if (this.#options.archive.outbox.has(peer)) this.postman.wanted(peer)
    const from = this.kind(peer)
    this.#live.delete(peer)
    this.#announce(peer, from, 'none', reason)
    this.#introductions.closed(now, peer, this.#isWanted(peer))
    this.#introduce(now)
  }

  #pathChanged(peer: AccountNumber, to: PathKind, reason: string): void {
    const from = this.kind(peer)
    this.#live.set(peer, to)
    this.#changes.tell(peer)
    this.#announce(peer, from, to, reason)
  }

  #announce(peer: AccountNumber, from: PathKind, to: PathKind, reason: string): void {
    const { archive } = this.#options
    const buddy = archive.roster.get(peer)
    if (from === to || buddy === undefined) return
    const data = { buddy: personOf(buddy), from, to, reason }
    archive.journal.commit([], [{ type: 'path.changed', data }]).catch((error: unknown) => {
      archive.logger.error('Cannot write the journal', { error: String(error) })
    })
  }

  #isReached(peer: AccountNumber, until: 'any' | 'direct'): boolean {
    const kind = this.#live.get(peer)
    return until === 'any' ? kind !== undefined : kind === 'lan' || kind === 'direct'
  }

  #isBuddy(peer: AccountNumber): boolean {
    return this.#options.archive.roster.get(peer)?.state === 'accepted'
  }

  #isWanted(peer: AccountNumber): boolean {
    return this.#options.archive.outbox.has(peer) || this.#awaited.has(peer)
  }
}
