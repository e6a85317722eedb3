/** One data packet in: opened, its frames handed to the parts they are for, its arrival noted. */
import { copyOf } from '../core/bytes.ts'
import type { Instant } from '../core/instant.ts'
import { timingSafeEqual } from '../crypto/hash.ts'
import type { Session } from './connection-session.ts'
import { type AckRanges, type FrameSink, frameTypes } from './frame.ts'
import { FrameReader } from './frame-reader.ts'
import {
  BASE_DATAGRAM_BYTES,
  DATA_OVERHEAD_BYTES,
  expandPacketNumber,
  type PacketReader,
} from './packet.ts'
import type { Path } from './path.ts'
import { RESET_BYTES, resetTokenIn } from './stateless-reset.ts'
import { priorityOf, type StreamId } from './streams/stream-id.ts'
import { type Violation, violation } from './transport-error.ts'

export interface PeerClose {
  readonly isByApplication: boolean
  readonly code: number
  readonly reason: string
}

export class PacketReceiving implements FrameSink {
  readonly #session: Session
  readonly #reader = new FrameReader()
  #scratch = new Uint8Array(BASE_DATAGRAM_BYTES) // grows to the longest packet: ≤ 65,535
  #payload = this.#scratch
  #from: Path
  #packetBytes = 0
  #number = 0
  #isEliciting = false
  #wantsAckNow = false
  #isProbing = true
  #peerClose: PeerClose | undefined

  constructor(session: Session) {
    this.#session = session
    this.#from = session.paths.current
  }

  /** What the peer said when it closed. */
  get peerClose(): PeerClose | undefined {
    return this.#peerClose
  }

  /** Not a packet at all, but the peer's word that it knows nothing of us any more. */
  isReset(bytes: Uint8Array, packet: PacketReader): boolean {
    if (packet.end - packet.start !== RESET_BYTES) return false
    const token = resetTokenIn(bytes.subarray(packet.start, packet.end))
    const known = this.#session.remoteIds.resetToken
    return token !== undefined && known !== undefined && timingSafeEqual(token, known)
  }

  /** Opens an authentic packet never seen before; its frames stay until the next one is opened. */
  open(bytes: Uint8Array, packet: PacketReader): boolean {
    const { protection } = this.#session
    const generation = protection.receiveGeneration
    this.#number = expandPacketNumber(packet.truncatedNumber, protection.largestReceived + 1)
    this.#makeRoom(packet.end - packet.start - DATA_OVERHEAD_BYTES)
    const isOpen = protection.open(bytes, packet, this.#number, this.#payload)
    if (!isOpen) this.#session.packetsDropped += 1
    else if (protection.receiveGeneration !== generation) this.#forgetKeyLater()
    return isOpen
  }

  /** Whether the packet that `open` has just opened is a CLOSE: ours always begin with it. */
  get isClose(): boolean {
    const [first] = this.#payload
    return first === frameTypes.transportClose || first === frameTypes.applicationClose
  }

  /** Takes in the frames of the packet that `open` has just opened. */
  take(now: Instant, packet: PacketReader, bytes: Uint8Array, from: Path): Violation | undefined {
    const session = this.#session
    const number = this.#number
    const isNewest = number === session.protection.largestReceived
    this.#from = from
    this.#packetBytes = packet.end - packet.start // of several in a datagram, each pays for itself
    this.#isEliciting = false
    this.#wantsAckNow = packet.asksForAck
    this.#isProbing = true
    this.#noteArrival(now, packet, bytes)
    const wrong = this.#reader.readAll(this.#payload, this)
    if (wrong !== undefined) return wrong
    const { received, paths, rttMs } = session
    received.handleReceived(now, number, this.#isEliciting, this.#wantsAckNow, rttMs)
    paths.handlePacket(now, from, this.#packetBytes, isNewest, this.#isProbing)
    return undefined
  }

  onPing(): void {
    this.#elicit()
    this.#wantsAckNow = true
  }

  onAck(ranges: AckRanges, delayMs: number): Violation | undefined {
    this.#isProbing = false
    const { recovery, keyUsage, streams, now } = this.#session
    const wrong = recovery.handleAck(now, ranges, delayMs)
    if (wrong !== undefined) return wrong
    keyUsage.handleAcknowledged(recovery.largestAcked)
    streams.setCongestionWindow(recovery.windowBytes)
    this.#session.settleRepeats()
    return undefined
  }

  onStream(
    stream: StreamId,
    offset: number,
    bytes: Uint8Array,
    start: number,
    end: number,
    isLast: boolean,
  ): Violation | undefined {
    this.#elicit()
    const { streams, now, rttMs } = this.#session
    if (priorityOf(stream) !== 'bulk') this.#wantsAckNow = true
    return streams.handleData(now, stream, offset, bytes, start, end, isLast, rttMs)
  }

  onResetStream(stream: StreamId, code: number, finalSize: number): Violation | undefined {
    this.#elicit()
    const { streams, now, rttMs } = this.#session
    return streams.handleReset(now, stream, code, finalSize, rttMs)
  }

  onStopSending(stream: StreamId, code: number): Violation | undefined {
    this.#elicit()
    return this.#session.streams.handleStopSending(stream, code)
  }

  onKeyUpdate(generation: number): Violation | undefined {
    this.#elicit()
    if (generation === this.#session.protection.openedGeneration) return undefined
    return violation('keyUpdate', 'announces keys other than those it is sealed with')
  }

  onMaxData(limit: number): void {
    this.#elicit()
    this.#session.streams.handleMaxData(limit)
  }

  onMaxStreamData(stream: StreamId, limit: number): Violation | undefined {
    this.#elicit()
    return this.#session.streams.handleMaxStreamData(stream, limit)
  }

  onMaxStreams(kind: number, limit: number): Violation | undefined {
    this.#elicit()
    return this.#session.streams.handleMaxStreams(kind, limit)
  }

  onNewConnectionId(
    sequence: number,
    retirePriorTo: number,
    id: Uint8Array,
    resetToken: Uint8Array,
  ): Violation | undefined {
    this.#isEliciting = true
    return this.#session.remoteIds.handleNew(sequence, retirePriorTo, id, resetToken)
  }

  onPathChallenge(data: Uint8Array): void {
    this.#isEliciting = true
    this.#session.paths.handleChallenge(this.#from, data, this.#packetBytes)
  }

  onPathResponse(data: Uint8Array): void {
    this.#isEliciting = true
    const moved = this.#session.paths.handleResponse(data)
    if (moved === undefined) return
    this.#session.changePath(moved.isRebinding, undefined)
    this.#session.events.push({ kind: 'path-changed', path: moved.path })
  }

  onClose(isByApplication: boolean, code: number, reason: string): void {
    this.#peerClose ??= { isByApplication, code, reason }
  }

  onDatagram(bytes: Uint8Array): void {
    this.#elicit()
    this.#session.events.push({ kind: 'datagram', bytes: copyOf(bytes) })
  }

  #elicit(): void {
    this.#isEliciting = true
    this.#isProbing = false
  }

  #noteArrival(now: Instant, packet: PacketReader, bytes: Uint8Array): void {
    const session = this.#session
    session.handleReceived(now, packet.end - packet.start)
    session.localIds.handleUsed(bytes, packet.start + 1)
  }

  // Most packets are as long as the one before.
  #makeRoom(payloadBytes: number): void {
    if (payloadBytes === this.#payload.length) return
    if (payloadBytes > this.#scratch.length) this.#scratch = new Uint8Array(payloadBytes)
    this.#payload = this.#scratch.subarray(0, payloadBytes)
  }

  // RFC 9001 §6.5: late packets of the generation before are still welcome for three PTOs.
  #forgetKeyLater(): void {
    const session = this.#session
    session.forgetKeyAt = (session.now + 3 * session.recovery.ptoMs) as Instant
  }
}
