/**
 * The next packet out: whether one may go, what goes into it, sealing and noting it.
 *
 * What presses decides whether a packet goes at all: probes after a timeout go whatever the window says; control frames
 * and chat go as far as the window allows; bulk also waits for the pacer; acknowledgements alone wait until the events
 * of the change are told, no longer. What is less pressing fills the room that is left. Nothing is queued between a stream and the wire, so a chat frame never
 * stands behind a file's packets.
 *
 * Packets of a file leave in batches: one piece of memory with packets of equal size, the last may be shorter, which the
 * kernel takes in one call. A batch is what the pacer lets go now, and at most a millisecond of its rate.
 */
import type { Instant } from '../core/instant.ts'
import type { Transmit } from '../core/machine.ts'
import type { Session } from './connection-session.ts'
import { DatagramSlab } from './datagram-slab.ts'
import { FrameWriter } from './frame-writer.ts'
import { BASE_DATAGRAM_BYTES, DATA_HEADER_BYTES, TAG_BYTES } from './packet.ts'
import { transmitOn } from './path.ts'
import type { PathProbe } from './path-validation.ts'
import { sentFlags } from './sent-packets.ts'
import type { StreamPriority } from './streams/stream-id.ts'

/** With less room in the window a packet is not worth its overhead: the next acknowledgement gives more. */
const SMALLEST_USEFUL_ROOM = 256

/** What Linux takes in one call (UDP_MAX_SEGMENTS), and the largest UDP payload over IPv4. */
const MAX_BATCH_PACKETS = 64
const MAX_BATCH_BYTES = 65_507
/** As Linux TCP sizes its own bursts: on a slow path a longer one would be a queue. */
const MAX_BATCH_MS = 1

/** One for all connections: regions are handed out once. */
const slab = new DatagramSlab()

const ELICITING = sentFlags.ackEliciting | sentFlags.inFlight

/** What makes the next packet go. */
type Occasion = 'probe' | 'urgent' | 'bulk' | 'acknowledgement'

export class PacketSending {
  readonly #session: Session
  readonly #writer = new FrameWriter(slab.memory)
  readonly #header = {
    destination: new Uint8Array(0) as Uint8Array,
    packetBytes: 0,
    number: 0,
    keyPhase: 0,
    asksForAck: false,
  }
  #isWaitingForPacer = false
  #sealedGeneration = 0
  #isEliciting = false
  #isPadded = false
  /** Where the packet being built begins in the slab, and where its frames do. */
  #start = 0
  #bodyStart = 0

  constructor(session: Session) {
    this.#session = session
  }

  /** When the pacer lets the next packet of a file go. */
  get pacingDeadline(): Instant | undefined {
    return this.#isWaitingForPacer ? this.#session.pacer.nextAt : undefined
  }

  next(now: Instant): Transmit | undefined {
    const { paths, recovery } = this.#session
    this.#isWaitingForPacer = false
    if (!recovery.hasRoomFor('pressing')) return undefined
    this.#skipHopelessRepeats(now)
    if (paths.hasProbe) {
      const probe = paths.pollProbe(now, recovery.ptoMs)
      if (probe !== undefined) return this.#buildPathProbe(now, probe)
    }
    return this.#buildMtuProbe(now) ?? this.#nextBatch(now)
  }

  /** A packet with nothing but a CLOSE in it, to be kept and sent again as it is. */
  buildClose(now: Instant, isByApplication: boolean, code: number, reason: string): Uint8Array {
    this.#begin(slab.reserve(BASE_DATAGRAM_BYTES), BASE_DATAGRAM_BYTES)
    this.#writer.close(isByApplication, code, reason)
    return slab.take(this.#seal(now, 0))
  }

  #nextBatch(now: Instant): Transmit | undefined {
    const { paths, mtu } = this.#session
    let occasion: Occasion | undefined
    let bytes = 0
    // What pressed may have turned out to be settled: then the next occasion counts.
    for (let attempt = 0; attempt < 2 && bytes === 0; attempt++) {
      occasion = this.#occasion(now)
      if (occasion === undefined) return undefined
      const wanted = occasion === 'bulk' ? this.#batchPackets : 1
      const start = slab.reserve(wanted * mtu.datagramBytes)
      bytes = this.#buildPacket(now, occasion, start)
      if (bytes === 0 || wanted === 1) continue
      return this.#extendBatch(now, start, bytes, wanted)
    }
    return bytes === 0 ? undefined : transmitOn(paths.current, slab.take(bytes))
  }

  /** Adds packets of the same size to the first one, up to `most` in all or until one turns out shorter. */
  #extendBatch(now: Instant, start: number, segmentBytes: number, most: number): Transmit {
    const { paths, mtu } = this.#session
    let total = segmentBytes
    if (segmentBytes === mtu.datagramBytes) {
      for (let count = 1; count < most && this.#occasion(now) === 'bulk'; count++) {
        const bytes = this.#buildPacket(now, 'bulk', start + total)
        total += bytes
        if (bytes < segmentBytes) break
      }
    }
    return transmitOn(paths.current, slab.take(total), segmentBytes)
  }

  get #batchPackets(): number {
    const { pacer, mtu } = this.#session
    const bytes = Math.min(MAX_BATCH_BYTES, MAX_BATCH_MS * pacer.rate)
    return Math.max(1, Math.min(MAX_BATCH_PACKETS, Math.floor(bytes / mtu.datagramBytes)))
  }

  #occasion(now: Instant): Occasion | undefined {
    const { recovery, streams, received, pacer } = this.#session
    if (recovery.probesWanted > 0) return 'probe'
    const hasRoom = this.#hasRoom
    const priority = streams.mostUrgent()
    if (hasRoom && (isUrgent(priority) || this.#owesControl(now))) return 'urgent'
    if (priority === 'bulk' && hasRoom && recovery.windowRoom >= this.#session.mtu.datagramBytes) {
      pacer.update(now, recovery.controller, recovery.rtt)
      if (pacer.mayGo) return 'bulk'
      this.#isWaitingForPacer = true
    }
    if (received.isDue) return 'acknowledgement'
    if (priority === undefined && recovery.windowRoom > 0) recovery.markAppLimited()
    return undefined
  }

  get #hasRoom(): boolean {
    const { recovery } = this.#session
    return recovery.urgentRoom >= SMALLEST_USEFUL_ROOM && recovery.hasRoomFor('data')
  }

  // A repeat whose time came while the window was full is of no use later.
  #skipHopelessRepeats(now: Instant): void {
    if (this.#session.repeats.isDue(now) && !this.#hasRoom) this.#session.settleRepeats()
  }

  #owesControl(now: Instant): boolean {
    const { streams, localIds, datagrams, owedKeyGeneration, repeats } = this.#session
    const { owesPing, owesPathPing } = this.#session
    return (
      owesPing ||
      owesPathPing ||
      streams.owesControlFrames ||
      localIds.owesFrames ||
      owedKeyGeneration !== undefined ||
      datagrams.length > 0 ||
      repeats.isDue(now)
    )
  }

  /** The size of the packet that is now in the slab at `start`; 0 when there turned out to be nothing to say. */
  #buildPacket(now: Instant, occasion: Occasion, start: number): number {
    const session = this.#session
    this.#updateKeys(now)
    this.#begin(start, this.#sizeFor(occasion))
    const hasAck = this.#writeAck(now)
    if (occasion === 'acknowledgement') {
      if (session.received.wantsPing && session.recovery.windowRoom >= SMALLEST_USEFUL_ROOM) {
        this.#isEliciting = this.#writer.ping()
      }
    } else {
      this.#fill(now)
      if (occasion === 'probe' && !this.#isEliciting) this.#isEliciting = this.#writer.ping()
    }
    if (hasAck) session.received.handleAckSent(!this.#isEliciting)
    if (this.#writer.at === this.#bodyStart) return 0
    if (this.#isPadded) this.#writer.padTo(this.#writer.end)
    return this.#seal(now, this.#isEliciting ? ELICITING : 0)
  }

  // Probes are small, so that they pass where large packets have stopped to (RFC 8899 §4.3).
  #sizeFor(occasion: Occasion): number {
    const { recovery, mtu } = this.#session
    if (occasion === 'probe' || occasion === 'acknowledgement') return BASE_DATAGRAM_BYTES
    return Math.min(mtu.datagramBytes, recovery.urgentRoom)
  }

  #writeAck(now: Instant): boolean {
    const { received, recovery } = this.#session
    if (!received.hasNews && !received.isDue) return false
    if (!this.#writer.ack(received.ranges, received.delayMs(now))) return false
    recovery.sent.addFrame('ack', received.largest)
    return true
  }

  #fill(now: Instant): void {
    const { streams, recovery, localIds } = this.#session
    const writer = this.#writer
    const before = writer.at
    this.#writeOwed()
    localIds.writeFrames(writer, recovery.sent)
    streams.writeControlFrames(writer, recovery.sent)
    this.#writeDatagrams()
    this.#writeStreams(now, 'control')
    this.#writeRepeats(now, true)
    this.#writeStreams(now, 'chat')
    this.#writeStreams(now, 'bulk')
    this.#writeRepeats(now, false)
    if (writer.at > before) this.#isEliciting = true
  }

  #writeOwed(): void {
    const session = this.#session
    if (
      session.owedKeyGeneration !== undefined &&
      this.#writer.keyUpdate(session.owedKeyGeneration)
    ) {
      session.recovery.sent.addFrame('key-update', session.owedKeyGeneration)
      session.owedKeyGeneration = undefined
    }
    if (session.owesPing && this.#writer.ping()) session.owesPing = false
    if (!session.owesPathPing || !this.#writer.ping()) return
    session.owesPathPing = false
    this.#isPadded = true
  }

  #writeDatagrams(): void {
    const { datagrams } = this.#session
    while (datagrams[0] !== undefined && this.#writer.datagram(datagrams[0])) datagrams.shift()
  }

  #writeStreams(now: Instant, priority: StreamPriority): void {
    const { streams, recovery, repeats } = this.#session
    for (;;) {
      const piece = streams.writeData(priority, this.#writer, recovery.sent)
      if (piece === undefined) return
      if (priority === 'chat') repeats.handleSent(now, piece)
    }
  }

  // Those whose time has come go before bulk; the others take what bulk left.
  #writeRepeats(now: Instant, isDue: boolean): void {
    const { repeats, streams, recovery, rttMs } = this.#session
    if (repeats.entries.length === 0) return
    for (const entry of repeats.entries) {
      const isWanted = isDue
        ? repeats.isEntryDue(now, entry)
        : repeats.mayRideAlong(now, entry, rttMs)
      if (!isWanted) continue
      const { stream, offset, length, isLast } = entry
      const isSent = streams.repeatData(stream, offset, length, isLast, this.#writer, recovery.sent)
      if (isSent) entry.copies += 1
    }
    if (isDue) this.#session.settleRepeats()
  }

  #updateKeys(now: Instant): void {
    const session = this.#session
    const { protection, keyUsage } = session
    this.#noteGeneration(now) // the peer may have moved us on
    const isInStep = protection.sendGeneration === protection.receiveGeneration
    if (!isInStep || !keyUsage.isUpdateDue(now)) return
    protection.advanceSending()
    session.owedKeyGeneration = protection.sendGeneration
    this.#noteGeneration(now)
  }

  #noteGeneration(now: Instant): void {
    const { protection, keyUsage, recovery } = this.#session
    if (protection.sendGeneration === this.#sealedGeneration) return
    this.#sealedGeneration = protection.sendGeneration
    keyUsage.restart(now, recovery.sent.next)
  }

  #buildMtuProbe(now: Instant): Transmit | undefined {
    const { mtu, recovery, paths } = this.#session
    const bytes = mtu.wantedProbe(now)
    if (bytes === undefined) return undefined
    this.#begin(slab.reserve(bytes), bytes)
    this.#writer.ping()
    this.#writer.padTo(this.#writer.end)
    mtu.handleProbeSent(recovery.sent.next, bytes)
    const built = this.#seal(now, sentFlags.ackEliciting | sentFlags.mtuProbe)
    return transmitOn(paths.current, slab.take(built))
  }

  // Not entered as wanting an acknowledgement: on another path than the rest it must not set off probes, nor give round
  // trips. The challenge has its own repetition.
  #buildPathProbe(now: Instant, probe: PathProbe): Transmit {
    this.#begin(slab.reserve(probe.bytes), probe.bytes)
    if (probe.kind === 'challenge') this.#writer.pathChallenge(probe.data)
    else this.#writer.pathResponse(probe.data)
    this.#writer.padTo(this.#writer.end)
    return transmitOn(probe.path, slab.take(this.#seal(now, 0)))
  }

  // What is written from here on lies where it will be sealed.
  #begin(start: number, datagramBytes: number): void {
    this.#start = start
    this.#bodyStart = start + DATA_HEADER_BYTES
    this.#writer.reset(slab.memory, this.#bodyStart, start + datagramBytes - TAG_BYTES)
    this.#isEliciting = false
    this.#isPadded = false
  }

  #seal(now: Instant, flags: number): number {
    const session = this.#session
    const { recovery, protection, remoteIds, keyUsage } = session
    const header = this.#header
    const bodyEnd = this.#writer.at
    const bytes = bodyEnd + TAG_BYTES - this.#start
    header.destination = remoteIds.current
    header.packetBytes = bytes
    header.number = recovery.sent.next
    header.keyPhase = protection.sendGeneration & 3
    header.asksForAck = (flags & sentFlags.ackEliciting) !== 0 && this.#fallsSilent()
    protection.seal(slab.memory, this.#start, bodyEnd, header)
    keyUsage.handleSent(bytes)
    this.#note(now, bytes, flags)
    return bytes
  }

  #fallsSilent(): boolean {
    return this.#session.streams.mostUrgent() === undefined
  }

  #note(now: Instant, bytes: number, flags: number): void {
    const session = this.#session
    session.recovery.handleSent(now, bytes, flags)
    session.handleSent(now, bytes, (flags & sentFlags.ackEliciting) !== 0)
    if ((flags & sentFlags.inFlight) === 0) return
    session.pacer.handleSent(bytes)
    session.mtu.handlePacketSent(bytes)
  }
}

function isUrgent(priority: StreamPriority | undefined): boolean {
  return priority === 'control' || priority === 'chat'
}
