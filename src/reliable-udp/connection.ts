/**
 * An encrypted, reliable, multiplexed connection over whichever path: the machine that the parts of this room make up.
 *
 *     idle ──► handshaking ──► connected ──► closing ──► closed         we closed: CLOSE goes until it is answered
 *                    │             ├───────► draining ──► closed        the peer closed: answered, then silence
 *                    └─────────────┴────────────────────► closed        nobody came; the peer fell silent
 *
 * Packets are made when they are polled for and never before, so what was written during one change travels together.
 * A connection knows nothing of sockets and NATs: it sends to the path it was told, and takes packets from anywhere as
 * long as they authenticate. It never delivers a byte twice, out of order, or before the peer has proven itself.
 */
import { copyOf } from '../core/bytes.ts'
import type { Endpoint } from '../core/endpoint.ts'
import { HollerError } from '../core/holler-error.ts'
import { type Instant, instant } from '../core/instant.ts'
import type { Machine, SocketId, Transmit } from '../core/machine.ts'
import { OutboundQueue } from '../core/outbound-queue.ts'
import { ABSENCE_MS } from './absence.ts'
import { Closing } from './closing.ts'
import type {
  ClosedEvent,
  CloseReason,
  ConnectionEvent,
  ConnectionStats,
} from './connection-event.ts'
import type { Handshaking, Settled } from './connection-handshaking.ts'
import { LocalIds } from './connection-ids.ts'
import { type ConnectionOptions, newHandshake, sessionOptions } from './connection-options.ts'
import { PacketReceiving, type PeerClose } from './connection-receiving.ts'
import { PacketSending } from './connection-sending.ts'
import { MAX_WAITING_DATAGRAMS, Session } from './connection-session.ts'
import { statsOf } from './connection-stats.ts'
import { SessionTimers } from './connection-timers.ts'
import { DeadlineTable } from './deadline-table.ts'
import { LARGEST_UNRELIABLE_BYTES } from './frame.ts'
import { type ConnectionId, PacketReader } from './packet.ts'
import { differsByPortOnly, type Path, pathOf, samePath, transmitOn } from './path.ts'
import type { StreamDirection, StreamId, StreamPriority } from './streams/stream-id.ts'
import { transportErrorCodes, type Violation } from './transport-error.ts'

/** What exists once there are keys. */
interface Live {
  readonly session: Session
  readonly receiving: PacketReceiving
  readonly sending: PacketSending
  readonly timers: SessionTimers
}

type State =
  | { readonly kind: 'idle' | 'handshaking' | 'closed' }
  | { readonly kind: 'connected'; readonly live: Live }
  | {
      readonly kind: 'closing' | 'draining'
      readonly live: Live
      readonly closing: Closing
      /** The last event, told now or when it is over. */
      readonly last: ClosedEvent
    }

export class Connection implements Machine<ConnectionEvent> {
  readonly #options: ConnectionOptions
  readonly #events = new OutboundQueue<ConnectionEvent>()
  readonly #deadlines = new DeadlineTable()
  readonly #localIds: LocalIds
  readonly #packet = new PacketReader()
  /** Kept beyond the handshake while XX's last message may have to go again. */
  #handshake: Handshaking | undefined
  #state: State = { kind: 'idle' }
  #path: Path
  #now: Instant = instant(0)
  #keepAliveMs: number | undefined
  #vouchedUntil: Instant | undefined
  #isClosedTold = false

  /** @throws RangeError when the payload is longer than a handshake packet carries. */
  constructor(options: ConnectionOptions) {
    const { role, random, path } = options
    this.#options = options
    this.#path = path
    const initialId = role === 'initiator' ? undefined : options.initialId
    this.#localIds = new LocalIds(random, initialId, this.#events, options.resetKey)
    this.#handshake = newHandshake(options, this.#localIds.first)
  }

  get state(): State['kind'] {
    return this.#state.kind
  }

  /** The names under which packets find this connection. Changes are told by events. */
  get localIds(): readonly ConnectionId[] {
    return this.#localIds.names
  }

  /** Where packets go. */
  get path(): Path {
    return this.#live?.session.paths.current ?? this.#path
  }

  /** Somebody knocked in a way that made sense: without, a responder that nobody expected is not worth keeping. */
  get isApproached(): boolean {
    return this.#handshake?.hasAttempts === true || !this.#isBeforeSession
  }

  /** How the peer tells that it has lost the connection: the token of the id that our packets carry now. */
  get peerResetToken(): Uint8Array | undefined {
    return this.#live?.session.remoteIds.resetToken
  }

  get stats(): ConnectionStats {
    return statsOf(this.#live?.session)
  }

  /** The initiator knocks. The responder only begins to count the time it is willing to wait, and need not be started. */
  start(now: Instant): void {
    if (this.#state.kind !== 'idle') return
    this.#begin(now)
    this.#state = { kind: 'handshaking' }
    this.#handshake?.start(now)
  }

  /** @throws HollerError `BUSY` before the connection stands, after it ended, or when the peer allows no more streams. */
  openStream(
    now: Instant,
    options: { readonly priority: StreamPriority; readonly direction?: StreamDirection },
  ): StreamId {
    this.#begin(now)
    const streams = this.#connected?.session.streams
    if (streams === undefined) throw new HollerError('BUSY', `The connection is ${this.state}`)
    return streams.open(options.priority, options.direction ?? 'bidirectional')
  }

  /** How many of the bytes were taken. After fewer than offered, `stream-writable` tells when there is room again. */
  write(now: Instant, stream: StreamId, bytes: Uint8Array): number {
    this.#begin(now)
    return this.#connected?.session.streams.write(stream, bytes) ?? 0
  }

  /** Ends our half after what was written. */
  finish(now: Instant, stream: StreamId): void {
    this.#begin(now)
    this.#connected?.session.streams.finish(stream)
  }

  /** The next bytes in order; `undefined` when there are none now. */
  read(now: Instant, stream: StreamId, maxBytes = Infinity): Uint8Array | undefined {
    this.#begin(now)
    const session = this.#connected?.session
    return session?.streams.read(now, stream, maxBytes, session.rttMs)
  }

  /** Gives up our half: what was not delivered never will be. */
  resetStream(now: Instant, stream: StreamId, code: number): void {
    this.#begin(now)
    this.#connected?.session.streams.reset(stream, code)
  }

  /** Asks the peer to give up its half: what still comes is dropped. */
  stopReading(now: Instant, stream: StreamId, code: number): void {
    this.#begin(now)
    const session = this.#connected?.session
    session?.streams.stopReading(now, stream, code, session.rttMs)
  }

  /** Sends bytes that may be lost. False when they are too long or too many wait already. */
  sendDatagram(now: Instant, bytes: Uint8Array): boolean {
    this.#begin(now)
    const datagrams = this.#connected?.session.datagrams
    if (datagrams === undefined || bytes.length > LARGEST_UNRELIABLE_BYTES) return false
    if (datagrams.length >= MAX_WAITING_DATAGRAMS) return false
    datagrams.push(copyOf(bytes))
    return true
  }

  /**
   * Packets go to this path from now on; the caller knows that it works. Where only the port is another, round trips and
   * window stay, else they begin anew. `rttHintMs`: what was measured when the path was found.
   */
  migrate(now: Instant, path: Path, rttHintMs?: number): void {
    this.#begin(now)
    const before = this.path
    this.#path = path
    const session = this.#live?.session
    session?.paths.moveTo(path)
    if (samePath(before, path)) return
    this.#handshake?.restartSending(now)
    session?.changePath(differsByPortOnly(before, path), rttHintMs)
    if (session !== undefined) session.owesPathPing = true
  }

  /** Sends a PING when nothing else was sent for so long; `undefined` ends it. */
  keepAlive(intervalMs: number | undefined): void {
    this.#keepAliveMs = intervalMs
    this.#live?.timers.keepAlive(intervalMs)
  }

  /**
   * Somebody beside the connection knows that the peer and the path are alive until then, by questions of its own: the
   * idle time counts from that instant, and no packets of ours are needed for it. Each call takes the last one's place.
   */
  vouch(now: Instant, until: Instant | undefined): void {
    if (this.#vouchedUntil === until) return
    this.#begin(now)
    this.#vouchedUntil = until
    if (this.#live !== undefined) this.#live.session.vouchedUntil = until
  }

  /** Tells the peer and ends. `closed` follows when it has answered, or was told several times. */
  close(now: Instant, code: number, reason: string): void {
    this.#begin(now)
    if (this.#state.kind === 'connected') {
      this.#startClosing(now, this.#state.live, closed('local', code, reason), true)
    } else if (this.#isBeforeSession) {
      this.#end(closed('local', code, reason))
    }
  }

  handleDatagram(now: Instant, from: Endpoint, bytes: Uint8Array, via?: SocketId): void {
    if (this.#state.kind === 'closed') return
    this.#begin(now)
    const path = pathOf(from, via)
    const packet = this.#packet
    for (let at = 0; at < bytes.length && packet.read(bytes, at); at = packet.end) {
      this.#handlePacket(now, bytes, packet, path)
    }
  }

  handleTimeout(now: Instant): void {
    this.#begin(now)
    this.#refreshDeadlines()
    if (this.#deadlines.isDue('handshake', now)) this.#handshake?.handleTimeout(now)
    const state = this.#state
    if ('closing' in state) {
      state.closing.handleTimeout(now)
      if (state.closing.isOver(now)) this.#end(state.last)
    } else if (this.#handshake?.hasFailed === true) {
      this.#end(closed('handshake-failed', transportErrorCodes.none, this.#handshake.failure))
    } else if (state.kind === 'connected' && !state.live.timers.handleTimeout(now)) {
      this.#end(closed('idle', transportErrorCodes.none, 'the peer fell silent'))
    }
  }

  pollTransmit(): Transmit | undefined {
    const datagram = this.#handshake?.pollDatagram()
    if (datagram !== undefined) return transmitOn(datagram.path ?? this.path, datagram.bytes)
    const state = this.#state
    if (state.kind === 'connected') return state.live.sending.next(this.#now)
    if (!('closing' in state)) return undefined
    const close = state.closing.pollPacket()
    return close === undefined ? undefined : transmitOn(this.path, close)
  }

  pollEvent(): ConnectionEvent | undefined {
    return this.#events.shift()
  }

  pollTimeout(): Instant | undefined {
    this.#refreshDeadlines()
    return this.#deadlines.earliest
  }

  get #live(): Live | undefined {
    return 'live' in this.#state ? this.#state.live : undefined
  }

  get #connected(): Live | undefined {
    return this.#state.kind === 'connected' ? this.#state.live : undefined
  }

  #begin(now: Instant): void {
    this.#now = now
    const session = this.#live?.session
    if (session !== undefined) session.now = now
    const { earliest } = this.#deadlines
    if (earliest === undefined || now - earliest < ABSENCE_MS) return
    this.#deadlines.clear()
    this.#handshake?.handleAbsence(now)
    session?.handleAbsence(now)
  }

  #handlePacket(now: Instant, bytes: Uint8Array, packet: PacketReader, from: Path): void {
    switch (packet.kind) {
      case 'data':
        this.#handleData(now, bytes, packet, from)
        return
      case 'handshake': {
        const whole = bytes.subarray(packet.start, packet.end)
        this.#handshake?.handlePacket(now, whole, from)
        const settled = this.#handshake?.settled
        if (settled !== undefined && this.#isBeforeSession) this.#connect(now, settled, from)
        return
      }
      case 'version-negotiation':
        this.#handshake?.handleVersionNegotiation(bytes.subarray(packet.start, packet.end))
        return
      case 'retry':
        this.#handshake?.handleRetry(now, bytes.subarray(packet.start, packet.end))
        return
    }
  }

  get #isBeforeSession(): boolean {
    return this.#state.kind === 'idle' || this.#state.kind === 'handshaking'
  }

  #handleData(now: Instant, bytes: Uint8Array, packet: PacketReader, from: Path): void {
    if (this.#isBeforeSession) {
      const proven = this.#handshake?.proven(now, bytes, packet, from)
      if (proven === undefined) return
      this.#connect(now, proven, from)
    }
    const live = this.#live
    if (live?.receiving.isReset(bytes, packet) === true) {
      this.#end(closed('reset', transportErrorCodes.none, 'the peer has lost the connection'))
      return
    }
    if (live?.receiving.open(bytes, packet) !== true) return
    if (this.#state.kind !== 'connected') {
      this.#handleAfterClose(live.receiving.isClose)
      return
    }
    const wrong = live.receiving.take(now, packet, bytes, from)
    this.#confirmHandshake()
    const said = live.receiving.peerClose
    if (wrong !== undefined) this.#closeForViolation(now, live, wrong)
    else if (said !== undefined) this.#startDraining(now, live, said)
  }

  #connect(now: Instant, settled: Settled, from: Path): void {
    const { remoteStatic, payload } = settled.established
    if (settled.side === 'responder') this.#path = from
    const session = new Session(
      now,
      sessionOptions(this.#options, settled, this.#path, this.#localIds, this.#events),
    )
    const sending = new PacketSending(session)
    const timers = new SessionTimers(session, sending, this.#deadlines)
    timers.keepAlive(this.#keepAliveMs)
    session.vouchedUntil = this.#vouchedUntil
    const live = { session, sending, timers, receiving: new PacketReceiving(session) }
    this.#state = { kind: 'connected', live }
    this.#events.push({ kind: 'connected', remoteStatic, payload })
    this.#localIds.issueStock()
    const early = this.#handshake?.early ?? []
    this.#handshake?.settle(settled.side)
    if (settled.side === 'responder') this.#confirmHandshake()
    for (const packet of early) this.#handleEarly(now, packet.bytes, packet.from)
  }

  #handleEarly(now: Instant, bytes: Uint8Array, from: Path): void {
    const packet = new PacketReader()
    if (packet.read(bytes, 0)) this.#handlePacket(now, bytes, packet, from)
  }

  // Something came under the new keys: the peer has the whole handshake.
  #confirmHandshake(): void {
    this.#handshake?.confirm()
    this.#handshake = undefined
  }

  #startClosing(now: Instant, live: Live, last: ClosedEvent, isByApplication: boolean): void {
    const packet = live.sending.buildClose(now, isByApplication, last.code, last.text)
    const closing = new Closing(now, packet, live.session.recovery.ptoMs, true)
    this.#state = { kind: 'closing', live, closing, last }
  }

  #closeForViolation(now: Instant, live: Live, wrong: Violation): void {
    const last = closed('protocol-violation', wrong.code, wrong.text)
    this.#startClosing(now, live, last, false)
    this.#tellClosed(last)
  }

  #startDraining(now: Instant, live: Live, said: PeerClose): void {
    const packet = live.sending.buildClose(now, false, transportErrorCodes.none, '')
    const closing = new Closing(now, packet, live.session.recovery.ptoMs, false)
    const last = closed('peer', said.code, said.reason)
    this.#state = { kind: 'draining', live, closing, last }
    this.#tellClosed(last)
  }

  // What still comes finds a peer that does not know: it is told again, until it says CLOSE itself.
  #handleAfterClose(isClose: boolean): void {
    if (!('closing' in this.#state)) return
    if (this.#state.kind === 'closing' && isClose) this.#end(this.#state.last)
    else this.#state.closing.handlePacket()
  }

  #end(last: ClosedEvent): void {
    this.#state = { kind: 'closed' }
    this.#handshake = undefined
    this.#tellClosed(last)
  }

  #tellClosed(last: ClosedEvent): void {
    if (this.#isClosedTold) return
    this.#isClosedTold = true
    this.#events.push(last)
  }

  #refreshDeadlines(): void {
    const state = this.#state
    this.#deadlines.clear()
    this.#deadlines.set('handshake', this.#handshake?.deadline)
    if (state.kind === 'connected') state.live.timers.refresh()
    else if ('closing' in state) this.#deadlines.set('closing', state.closing.deadline)
  }
}

function closed(reason: CloseReason, code: number, text: string): ClosedEvent {
  return { kind: 'closed', reason, code, text }
}
