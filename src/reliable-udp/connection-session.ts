/**
 * The parts of a connection whose handshake is done, and nothing but the parts: what receives (`connection-receiving`)
 * and what sends (`connection-sending`) both work on them. Frames that were sent find back to their parts here.
 */
import { after, type Instant } from '../core/instant.ts'
import type { OutboundQueue } from '../core/outbound-queue.ts'
import type { Random } from '../core/random.ts'
import { ChatRepeats, type Repeat } from './chat-repeats.ts'
import type { ControllerFactory } from './congestion/controller.ts'
import type { ConnectionEvent } from './connection-event.ts'
import { type LocalIds, RemoteIds } from './connection-ids.ts'
import type { Established } from './handshake.ts'
import { LossRecovery, type PacketFate } from './loss-recovery.ts'
import { MtuDiscovery } from './mtu-discovery.ts'
import { Pacer } from './pacing.ts'
import { BASE_DATAGRAM_BYTES } from './packet.ts'
import { type KeyLimits, KeyUsage, PacketProtection } from './packet-protection.ts'
import type { Path } from './path.ts'
import { PathValidation } from './path-validation.ts'
import { ReceivedPackets } from './received-packets.ts'
import { RttEstimator } from './rtt.ts'
import type { SentFrameKind } from './sent-packets.ts'
import type { StreamId, StreamSide } from './streams/stream-id.ts'
import { Streams } from './streams/streams.ts'
import type { TransportParameters } from './transport-parameters.ts'

/** Unreliable datagrams that wait to be sent: what is late is worth nothing. */
export const MAX_WAITING_DATAGRAMS = 32

export interface SessionOptions {
  readonly side: StreamSide
  readonly path: Path
  readonly isPathPinned: boolean
  readonly random: Random
  readonly events: OutboundQueue<ConnectionEvent>
  readonly localIds: LocalIds
  readonly ownParameters: TransportParameters
  readonly established: Established
  readonly newController: ControllerFactory
  readonly keyLimits: KeyLimits
}

export class Session implements PacketFate {
  readonly protection: PacketProtection
  readonly keyUsage: KeyUsage
  readonly received = new ReceivedPackets()
  readonly recovery: LossRecovery
  readonly pacer = new Pacer(BASE_DATAGRAM_BYTES)
  readonly streams: Streams
  readonly repeats = new ChatRepeats()
  readonly mtu: MtuDiscovery
  readonly paths: PathValidation
  readonly localIds: LocalIds
  readonly remoteIds: RemoteIds
  readonly events: OutboundQueue<ConnectionEvent>
  readonly datagrams: Uint8Array[] = [] // ≤ MAX_WAITING_DATAGRAMS
  readonly idleTimeoutMs: number
  /** Somebody knows without us that the peer is there: the idle time begins after that. */
  vouchedUntil: Instant | undefined
  readonly #newController: ControllerFactory
  readonly #random: Random
  readonly #isUnacked = ({ stream, offset, length }: Repeat): boolean =>
    this.streams.isUnacked(stream, offset, length)
  #idleFrom: Instant
  #hasSentSinceReceived = false
  /** The present change's time, for what is told of it from deep inside. */
  now: Instant
  owesPing = false
  /** A PING padded to the full size: a first look at a new path. */
  owesPathPing = false
  owedKeyGeneration: number | undefined
  forgetKeyAt: Instant | undefined
  lastSentAt: Instant
  packetsSent = 0
  packetsReceived = 0
  packetsDropped = 0
  bytesReceived = 0
  bytesSent = 0

  constructor(now: Instant, options: SessionOptions) {
    const { established, ownParameters, newController } = options
    const { parameters } = established
    this.now = now
    this.lastSentAt = now
    this.#idleFrom = now
    this.events = options.events
    this.localIds = options.localIds
    this.remoteIds = new RemoteIds(parameters.sourceId, parameters.resetToken)
    this.protection = new PacketProtection(established.keys, options.side)
    this.keyUsage = new KeyUsage(now, options.keyLimits)
    this.paths = new PathValidation(options.random, options.path, options.isPathPinned)
    this.mtu = new MtuDiscovery(parameters.maxDatagramBytes, options.path.to)
    this.streams = new Streams(options.side, options.events)
    this.streams.setPeerLimits({
      streamsPerKind: parameters.maxStreams,
      bytesPerStream: parameters.maxStreamBytes,
      bytes: parameters.maxBytes,
    })
    this.#newController = newController
    this.#random = options.random
    const rtt = new RttEstimator()
    if (established.rttMs !== undefined) rtt.update(established.rttMs, 0)
    this.recovery = new LossRecovery({
      controller: newController(now, BASE_DATAGRAM_BYTES, options.random),
      rtt,
      fate: this,
      peerMaxAckDelayMs: parameters.maxAckDelayMs,
      datagramBytes: BASE_DATAGRAM_BYTES,
    })
    this.idleTimeoutMs = shorterIdleTimeout(ownParameters.idleTimeoutMs, parameters.idleTimeoutMs)
  }

  get rttMs(): number {
    return this.recovery.rtt.smoothedMs
  }

  /** RFC 9000 §10.1: never shorter than three PTOs, so that a slow path has its chances. */
  get idleAt(): Instant | undefined {
    if (this.idleTimeoutMs === 0) return undefined
    const { vouchedUntil } = this
    const from =
      vouchedUntil !== undefined && vouchedUntil > this.#idleFrom ? vouchedUntil : this.#idleFrom
    return after(from, Math.max(this.idleTimeoutMs, 3 * this.recovery.ptoMs))
  }

  handleReceived(now: Instant, bytes: number): void {
    this.packetsReceived += 1
    this.bytesReceived += bytes
    this.#idleFrom = now
    this.#hasSentSinceReceived = false
  }

  // RFC 9000 §10.1: the idle time counts from what was received, or from the first thing sent after it.
  handleSent(now: Instant, bytes: number, isEliciting: boolean): void {
    this.packetsSent += 1
    this.bytesSent += bytes
    this.lastSentAt = now
    if (!isEliciting || this.#hasSentSinceReceived) return
    this.#hasSentSinceReceived = true
    this.#idleFrom = now
  }

  /** We were away: the peer is asked, and gets its time to show that it is still there. */
  handleAbsence(now: Instant): void {
    this.recovery.handleAbsence(now)
    this.#idleFrom = now
    this.owesPing = true
  }

  /** Chat frames that arrived, or whose times are over, are not repeated. */
  settleRepeats(): void {
    if (this.repeats.entries.length > 0) this.repeats.settle(this.now, this.#isUnacked, this.rttMs)
  }

  /** RFC 9000 §9.4: another address means another path, of which nothing is known; another port does not. */
  changePath(isRebinding: boolean, rttHintMs: number | undefined): void {
    this.remoteIds.moveOn()
    if (isRebinding) return
    const controller = this.#newController(this.now, BASE_DATAGRAM_BYTES, this.#random)
    this.recovery.changePath(controller, new RttEstimator(rttHintMs))
    this.mtu.reset(this.paths.current.to)
    this.#setDatagramBytes(BASE_DATAGRAM_BYTES)
  }

  handleFrameAcked(kind: SentFrameKind, a: number, b: number, c: number): void {
    switch (kind) {
      case 'stream':
      case 'stream-fin':
        this.streams.handleDataAcked(a as StreamId, b, c, kind === 'stream-fin')
        return
      case 'ack':
        this.received.handleAckAcked(a)
        return
      case 'reset-stream':
        this.streams.handleResetAcked(a as StreamId)
        return
      case 'stop-sending':
      case 'max-data':
      case 'max-stream-data':
      case 'max-streams':
      case 'new-connection-id':
      case 'key-update':
        return
    }
  }

  handleFrameLost(kind: SentFrameKind, a: number, b: number, c: number): void {
    switch (kind) {
      case 'stream':
      case 'stream-fin':
        this.streams.handleDataLost(a as StreamId, b, c, kind === 'stream-fin')
        return
      case 'ack':
        return
      case 'reset-stream':
      case 'stop-sending':
      case 'max-data':
      case 'max-stream-data':
      case 'max-streams':
        this.streams.handleControlLost(kind, a)
        return
      case 'new-connection-id':
        this.localIds.handleFrameLost(a)
        return
      case 'key-update':
        if (a === this.protection.sendGeneration) this.owedKeyGeneration = a
        return
    }
  }

  handlePacketAcked(number: number, bytes: number): void {
    this.repeats.handleFate(false)
    if (this.mtu.handleAcked(number, bytes)) this.#setDatagramBytes(this.mtu.datagramBytes)
  }

  handlePacketLost(number: number, bytes: number): void {
    this.repeats.handleFate(true)
    if (!this.mtu.handleLost(this.now, number, bytes, this.recovery.ptoMs)) return
    this.#setDatagramBytes(this.mtu.datagramBytes)
  }

  #setDatagramBytes(bytes: number): void {
    this.recovery.setDatagramBytes(bytes)
    this.pacer.setDatagramBytes(bytes)
  }
}

function shorterIdleTimeout(a: number, b: number): number {
  if (a === 0) return b
  return b === 0 ? a : Math.min(a, b)
}
