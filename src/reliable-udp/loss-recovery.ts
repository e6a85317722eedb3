/**
 * What happened to the packets we sent: RFC 9002's bookkeeping with RACK's idea of loss (RFC 8985).
 *
 * A packet is lost when a later one was acknowledged and it has been under way for a round trip plus a reordering
 * window. The window begins at a quarter of the least round trip and grows, up to a whole one, when a packet that was
 * given up turns out to have arrived. There is no packet threshold: three packets overtaking a fourth prove nothing,
 * and stacks that think otherwise fall to a few per cent of a link that reorders by 3 ms
 * (test: "takes reordering by many packets for what it is").
 *
 * When nothing comes back at all, the probe timeout (§6.2) asks: two packets with the oldest outstanding data, then
 * twice as long, and so on. A probe timeout alone never shrinks the window.
 */
import type { Instant } from '../core/instant.ts'
import {
  type AckSample,
  type CongestionController,
  emptyAckSample,
  emptyLossSample,
  type LossSample,
} from './congestion/controller.ts'
import type { AckRanges } from './frame.ts'
import { DeliveryRate } from './delivery-rate.ts'
import { LossEpisode } from './loss-episode.ts'
import { OutageFilter } from './outage-filter.ts'
import { ProbeTimeout, PROBES } from './probe-timeout.ts'
import { RangeSet } from './range-set.ts'
import { ReorderingWindow } from './reordering-window.ts'
import type { RttEstimator } from './rtt.ts'
import { type FrameFate, MAX_SENT_PACKETS, SentPackets, sentFlags } from './sent-packets.ts'
import { type Violation, violation } from './transport-error.ts'

/** RFC 9002 §7.6.1 kPersistentCongestionThreshold */
const PERSISTENT_CONGESTION_PTOS = 3

/** Lost packets are remembered this many PTOs for a late acknowledgement (RFC 9002 §A.1 leaves it open). */
const LOST_MEMORY_PTOS = 3

/** Packets of room in the window that still count as having filled it: pacing sends in small bursts. */
const BURST_PACKETS = 3

/** Is told of packets that wanted an acknowledgement, and of the frames in them. */
export interface PacketFate extends FrameFate {
  handlePacketAcked(number: number, bytes: number): void
  handlePacketLost(number: number, bytes: number): void
}

export interface LossRecoveryOptions {
  readonly controller: CongestionController
  readonly rtt: RttEstimator
  readonly fate: PacketFate
  readonly peerMaxAckDelayMs: number
  readonly datagramBytes: number
}

export class LossRecovery {
  readonly sent = new SentPackets()
  readonly #rate = new DeliveryRate()
  readonly #episode = new LossEpisode()
  readonly #outage = new OutageFilter()
  readonly #probe = new ProbeTimeout()
  readonly #fate: PacketFate
  readonly #peerMaxAckDelayMs: number
  readonly #ack: AckSample = emptyAckSample()
  readonly #loss: LossSample = emptyLossSample()
  #controller: CongestionController
  #rtt: RttEstimator
  #datagramBytes: number

  readonly #acked = new RangeSet() // of the packets in `sent`: ≤ MAX_SENT_PACKETS × 2 ranges
  #largestAcked = -1
  #firstUnsettled = 0
  #inFlight = 0
  #elicitingOutstanding = 0
  #lossDueAt: number | undefined
  #firstSampleAt = Infinity
  #reordering = new ReorderingWindow()
  #formerLossDelayMs = 0
  #packetsLost = 0
  #packetsSpurious = 0

  constructor(options: LossRecoveryOptions) {
    this.#controller = options.controller
    this.#rtt = options.rtt
    this.#fate = options.fate
    this.#peerMaxAckDelayMs = options.peerMaxAckDelayMs
    this.#datagramBytes = options.datagramBytes
  }

  get rtt(): RttEstimator {
    return this.#rtt
  }

  get controller(): CongestionController {
    return this.#controller
  }

  get inFlightBytes(): number {
    return this.#inFlight
  }

  get largestAcked(): number {
    return this.#largestAcked
  }

  get packetsLost(): number {
    return this.#packetsLost
  }

  /** Given up and then acknowledged after all. */
  get packetsSpurious(): number {
    return this.#packetsSpurious
  }

  get ptoCount(): number {
    return this.#probe.count
  }

  /** Packets that must go out now whatever the window says. */
  get probesWanted(): number {
    return this.#probe.wanted
  }

  get hasOutstanding(): boolean {
    return this.#elicitingOutstanding > 0
  }

  get ptoMs(): number {
    return this.#rtt.ptoMs(this.#peerMaxAckDelayMs)
  }

  /** Whole bytes; controllers compute with fractions. */
  get windowBytes(): number {
    return Math.floor(this.#controller.windowBytes)
  }

  get windowRoom(): number {
    return this.windowBytes - this.#inFlight
  }

  /** The same for control frames and chat. */
  get urgentRoom(): number {
    return Math.floor(this.#controller.urgentWindowBytes) - this.#inFlight
  }

  /** How long after its sending a packet is given up, once a later one was acknowledged. */
  get lossDelayMs(): number {
    return this.#reordering.lossDelayMs(this.#rtt)
  }

  /** RFC 9002 §A.8 */
  get deadline(): Instant | undefined {
    if (this.#lossDueAt !== undefined) return this.#lossDueAt as Instant
    if (this.#elicitingOutstanding === 0) return undefined
    return this.#probe.deadline(this.ptoMs, this.#rtt.minMs)
  }

  /** Enters a packet whose frames were added to `sent`; its number is the answer. */
  handleSent(now: Instant, bytes: number, flags: number): number {
    const isInFlight = (flags & sentFlags.inFlight) !== 0
    if (isInFlight && this.#inFlight === 0) this.#rate.handleFirstInFlight(now)
    const marked = this.#rate.isAppLimited ? flags | sentFlags.appLimited : flags
    const number = this.sent.commit(now, bytes, marked)
    if ((flags & sentFlags.ackEliciting) === 0) return number
    this.#elicitingOutstanding += 1
    this.#probe.handleSent(now)
    if (!isInFlight) return number
    this.#inFlight += bytes
    this.#rate.handleSent(this.sent, number, this.#inFlight)
    this.#controller.handleSent(now, bytes, this.#inFlight, this.#rate.isAppLimited)
    return number
  }

  /** The sender ran out of data while the window had room: what is measured now is not the path's rate. */
  markAppLimited(): void {
    this.#rate.markAppLimited(this.#inFlight)
  }

  handleAck(now: Instant, ranges: AckRanges, delayMs: number): Violation | undefined {
    const largest = ranges.endAt(0) - 1
    if (largest >= this.sent.next) {
      return violation('protocolViolation', 'acknowledges a packet that was never sent')
    }
    this.#beginAckSample(now, largest)
    const isLargestNew = largest >= this.sent.first && !this.sent.has(largest, sentFlags.acked)
    const hadEliciting = this.#acknowledge(ranges)
    this.#largestAcked = Math.max(this.#largestAcked, largest)
    if (isLargestNew && hadEliciting) this.#sampleRtt(now, largest, delayMs)
    if (hadEliciting) this.#probe.handleAnswered()
    const lostBytes = this.#detectLost(now)
    if (this.#ack.ackedBytes > 0 || lostBytes > 0) this.#finishAckSample(lostBytes)
    this.#retire(now)
    return undefined
  }

  /** Either a reordering window has passed, or it is time to probe. */
  handleTimeout(now: Instant): void {
    if (this.#lossDueAt !== undefined) {
      this.#detectLost(now)
      this.#retire(now)
      return
    }
    this.#probe.handleTimeout()
    this.#handBackOldest(PROBES)
  }

  /**
   * The path is another one. What is under way counts no longer against the new path's window, gives no round-trip
   * samples, and is not called lost before the old path's time.
   */
  changePath(controller: CongestionController, rtt: RttEstimator): void {
    this.#formerLossDelayMs = this.lossDelayMs
    for (let n = this.sent.first; n < this.sent.next; n++) {
      this.sent.setFlags(n, (this.sent.flags(n) | sentFlags.formerPath) & ~sentFlags.inFlight)
    }
    this.#inFlight = 0
    this.#probe.handleAnswered()
    this.#controller = controller
    this.#rtt = rtt
    this.#episode.forget()
    this.#reordering = new ReorderingWindow()
    this.#firstSampleAt = Infinity
  }

  /** We were away ourselves: answers lay unread meanwhile. */
  handleAbsence(now: Instant): void {
    this.#outage.handleAbsence(now)
  }

  setDatagramBytes(bytes: number): void {
    this.#datagramBytes = bytes
    this.#controller.handleDatagramBytes(bytes)
  }

  /**
   * Room in the ring of sent packets, if need be at the cost of the memory of lost ones. What keeps the connection
   * going (acknowledgements, probes) still has some when data has none.
   */
  hasRoomFor(what: 'data' | 'pressing'): boolean {
    const limit = what === 'data' ? MAX_SENT_PACKETS : 4 * MAX_SENT_PACKETS
    const { sent } = this
    while (sent.size >= limit && sent.has(sent.first, sentFlags.lost)) sent.retireFirst()
    return sent.size < limit
  }

  #beginAckSample(now: Instant, largest: number): void {
    const sample = this.#ack
    sample.now = now
    sample.ackedBytes = 0
    sample.growthBytes = 0
    sample.rttMs = 0
    sample.ackDelayMs = 0
    sample.priorInFlightBytes = this.#inFlight
    sample.isWindowLimited = this.#isWindowLimited()
    sample.largestAcked = largest
    sample.priorDelivered = -1
    sample.deliveryRate = 0
    sample.isAppLimited = false
  }

  #isWindowLimited(): boolean {
    const window = this.windowBytes
    if (this.#inFlight + BURST_PACKETS * this.#datagramBytes >= window) return true
    return this.#controller.isInSlowStart && this.#inFlight * 2 >= window
  }

  // A peer repeats its ranges until it knows that we have them: what was acknowledged before is stepped over whole.
  #acknowledge(ranges: AckRanges): boolean {
    const known = this.#acked
    let hadEliciting = false
    for (let i = 0; i < ranges.count; i++) {
      const end = ranges.endAt(i)
      const start = Math.max(ranges.startAt(i), this.sent.first)
      let next = known.indexAfter(start)
      for (let n = start; n < end; next++) {
        const gapEnd = next < known.count ? Math.min(end, known.startAt(next)) : end
        for (; n < gapEnd; n++) {
          const flags = this.sent.flags(n)
          if ((flags & sentFlags.ackEliciting) !== 0) hadEliciting = true
          this.#acknowledgeOne(n, flags)
        }
        n = Math.max(n, known.endAt(next))
      }
      known.add(start, end)
    }
    return hadEliciting
  }

  #acknowledgeOne(number: number, flags: number): void {
    const { sent } = this
    sent.setFlags(number, flags | sentFlags.acked)
    sent.tellAcked(number, this.#fate)
    if ((flags & sentFlags.lost) !== 0) {
      this.#handleSpurious(number, flags)
      return
    }
    if ((flags & sentFlags.ackEliciting) === 0) return
    const bytes = sent.bytes(number)
    this.#elicitingOutstanding -= 1
    this.#fate.handlePacketAcked(number, bytes)
    if ((flags & sentFlags.inFlight) === 0) return
    this.#inFlight -= bytes
    this.#ack.ackedBytes += bytes
    if (this.#episode.isAfter(sent.sentAt(number))) this.#ack.growthBytes += bytes
    this.#rate.handleAcked(sent, number)
  }

  #sampleRtt(now: Instant, largest: number, delayMs: number): void {
    if (this.sent.has(largest, sentFlags.formerPath)) return
    const sentAt = this.sent.sentAt(largest)
    if (!this.#outage.isWorthMeasuring(now, sentAt, this.#probe.count)) return
    const rtt = now - sentAt
    const ackDelayMs = Math.min(delayMs, this.#peerMaxAckDelayMs)
    this.#rtt.update(rtt, ackDelayMs)
    this.#ack.rttMs = rtt
    this.#ack.ackDelayMs = ackDelayMs
    if (this.#firstSampleAt === Infinity) this.#firstSampleAt = now
  }

  #finishAckSample(lostBytes: number): void {
    const sample = this.#ack
    sample.lostBytes = lostBytes
    sample.inFlightBytes = this.#inFlight
    sample.smoothedRttMs = this.#rtt.smoothedMs
    sample.minRttMs = this.#rtt.minMs
    sample.nextNumber = this.sent.next
    this.#rate.finishAck(sample.now, this.sent, sample)
    this.#controller.handleAck(sample)
  }

  // In the order of sending the first packet that is not lost yet ends the search: later ones were sent later.
  #detectLost(now: Instant): number {
    const { sent } = this
    const delay = this.lossDelayMs
    const lostBefore = this.#packetsLost
    let lostBytes = 0
    let newestLost = -1
    let runStartedAt = Infinity
    let longestRun = 0
    this.#lossDueAt = undefined
    for (let n = this.#firstUnsettled; n <= this.#largestAcked; n++) {
      const flags = sent.flags(n)
      if ((flags & sentFlags.acked) !== 0) runStartedAt = Infinity
      if (isSettled(flags)) continue
      const sentAt = sent.sentAt(n)
      const isFormer = (flags & sentFlags.formerPath) !== 0
      const dueAt = sentAt + (isFormer ? Math.max(delay, this.#formerLossDelayMs) : delay)
      if (dueAt > now) {
        this.#lossDueAt = dueAt
        break
      }
      this.#markLost(n, flags)
      if ((flags & sentFlags.inFlight) === 0) continue
      lostBytes += sent.bytes(n)
      newestLost = n
      if (sentAt <= this.#firstSampleAt) continue
      runStartedAt = Math.min(runStartedAt, sentAt)
      longestRun = Math.max(longestRun, sentAt - runStartedAt)
    }
    this.#settle()
    if (lostBytes === 0) return 0
    this.#beginLossSample(now, lostBytes, newestLost)
    this.#episode.countLost(this.#packetsLost - lostBefore)
    this.#controller.handleLoss(this.#loss)
    if (longestRun > this.ptoMs * PERSISTENT_CONGESTION_PTOS) this.#handlePersistentCongestion(now)
    return lostBytes
  }

  #markLost(number: number, flags: number): void {
    this.sent.setFlags(number, flags | sentFlags.lost)
    this.#elicitingOutstanding -= 1
    if ((flags & sentFlags.handedBack) === 0) this.sent.tellLost(number, this.#fate)
    this.#fate.handlePacketLost(number, this.sent.bytes(number))
    if ((flags & sentFlags.inFlight) === 0) return
    this.#inFlight -= this.sent.bytes(number)
    this.#rate.handleLost(this.sent.bytes(number))
    this.#packetsLost += 1
  }

  #beginLossSample(now: Instant, lostBytes: number, newestLost: number): void {
    const sample = this.#loss
    sample.now = now
    sample.lostBytes = lostBytes
    sample.inFlightBytes = this.#inFlight
    this.#rate.describeLoss(this.sent, newestLost, sample)
    sample.isNewEpisode = this.#episode.isAfter(this.sent.sentAt(newestLost))
    if (!sample.isNewEpisode) return
    this.#episode.start(now)
    this.#reordering.handleEpisode()
  }

  #handlePersistentCongestion(now: Instant): void {
    this.#controller.handlePersistentCongestion(now)
    this.#rtt.forgetMin()
  }

  #handleSpurious(number: number, flags: number): void {
    if ((flags & (sentFlags.formerPath | sentFlags.mtuProbe)) !== 0) return
    const { now } = this.#ack
    this.#packetsSpurious += 1
    if ((flags & sentFlags.inFlight) !== 0) this.#rate.handleSpurious(this.sent.bytes(number))
    this.#reordering.handleFalseLoss(now, this.#rtt)
    if (this.#episode.takeFalse(this.sent.sentAt(number))) this.#controller.handleSpuriousLoss(now)
  }

  // What the probes carry: the oldest outstanding frames, without calling their packets lost.
  #handBackOldest(count: number): void {
    let left = count
    for (let n = this.#firstUnsettled; n < this.sent.next && left > 0; n++) {
      const flags = this.sent.flags(n)
      if (isSettled(flags) || (flags & sentFlags.handedBack) !== 0) continue
      left -= 1
      this.sent.setFlags(n, flags | sentFlags.handedBack)
      this.sent.tellLost(n, this.#fate)
    }
  }

  #settle(): void {
    while (
      this.#firstUnsettled < this.sent.next &&
      isSettled(this.sent.flags(this.#firstUnsettled))
    ) {
      this.#firstUnsettled += 1
    }
  }

  #retire(now: Instant): void {
    const { sent } = this
    const forgetBefore = now - LOST_MEMORY_PTOS * this.ptoMs
    while (sent.first < this.#firstUnsettled) {
      const flags = sent.flags(sent.first)
      const isRemembered = (flags & (sentFlags.acked | sentFlags.lost)) === sentFlags.lost
      if (isRemembered && sent.sentAt(sent.first) >= forgetBefore) break
      sent.retireFirst()
    }
    this.#acked.removeBelow(sent.first)
  }
}

function isSettled(flags: number): boolean {
  return (
    (flags & (sentFlags.acked | sentFlags.lost)) !== 0 || (flags & sentFlags.ackEliciting) === 0
  )
}
