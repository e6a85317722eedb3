/**
 * What is believed about the path (draft-ietf-ccwg-bbr §5.5): how fast it delivers, how long it is, how much of it is loss
 * of its own, and from these, how much in flight fills it. The state machine in `bbr.ts` decides how to send by it.
 */
import type { Instant } from '../../../core/instant.ts'
import { type AckSample, initialWindow } from '../controller.ts'
import { AckAggregation } from './ack-aggregation.ts'
import { BackgroundLoss } from './background-loss.ts'
import { BandwidthFilter } from './bandwidth-filter.ts'
import { InflightLimit } from './inflight-limit.ts'
import { MinRtt } from './min-rtt.ts'
import { RecentRtt } from './recent-rtt.ts'
import { Rounds } from './rounds.ts'
import { ShortTermModel } from './short-term-model.ts'

/**
 * What may stand in a queue while we do not probe: half a round trip, at most 20 ms. BBRv1's second bandwidth-delay
 * product is 60 to 80 ms of queue for everybody's chat.
 */
const HEADROOM_SHARE = 0.5
const MOST_HEADROOM_MS = 20

/**
 * On short paths the hosts are the delay: the sender's timer, the receiver's turn and its ACK, each up to the 2 ms that one
 * wake-up of the pacer may carry (the draft's offload budget of three quanta).
 */
const HOSTS_MS = 6

/**
 * Where the least round trip is below this, it is the same machine or network. There this much may always be under way:
 * one batch of the kernel, 5 ms of 100 Mbit/s. With less, hosts that take their turns 10 ms late make the rate, the rate
 * makes the window, and four packets in 10 ms are all there ever is.
 */
const NEAR_MS = 2
const NEAR_BYTES = 64 * 1024

/** The receiver acknowledges every 8th packet, or after a quarter of the round trip, ≤ 25 ms: so much waits with it. */
const ACK_PACKETS = 8
const ACK_SHARE = 0.25
const MOST_ACK_MS = 25

/** draft-ietf-ccwg-bbr §2.7 BBR.MinPipeCwnd: with fewer packets, one that waits for its ACK is a pause. */
const MIN_PACKETS = 4

/** Beyond the allowed queue, before a queue is said to stand: half as much again, and what timers add. */
const STANDING_FACTOR = 1.25
const STANDING_SLACK_MS = 2

/** What jitter may leave of the allowed queue when there is none. */
const EMPTY_SHARE = 0.25
const EMPTY_SLACK_MS = 2

/** What another flow like us may leave of it, which keeps it as short as we do. */
const FOREIGN_SHARE = 0.5

/**
 * On slow links a packet is a queue: at 256 kbit/s each takes 46 ms, and the least round trip was that of a small one. So
 * many of ours may be on their way out at once, in general and with half a pipe in flight.
 */
const STANDING_PACKETS = 3
const EMPTY_PACKETS = 2
const FOREIGN_PACKETS = 3

export class PathModel {
  readonly rounds = new Rounds()
  /** Without what the peer waited. */
  readonly recentRtt = new RecentRtt()
  readonly bandwidth = new BandwidthFilter()
  readonly minRtt = new MinRtt()
  readonly aggregation = new AckAggregation()
  readonly background: BackgroundLoss
  readonly shortTerm = new ShortTermModel()
  readonly limit = new InflightLimit()
  #datagramBytes: number

  constructor(datagramBytes: number) {
    this.#datagramBytes = datagramBytes
    this.background = new BackgroundLoss(datagramBytes)
  }

  get datagramBytes(): number {
    return this.#datagramBytes
  }

  setDatagramBytes(bytes: number): void {
    this.#datagramBytes = bytes
    this.background.setDatagramBytes(bytes)
  }

  /** Bytes per ms; 0 before the first sample. */
  get rate(): number {
    return Math.min(this.bandwidth.max, this.shortTerm.bandwidth)
  }

  /** The bandwidth-delay product: what is in flight when the pipe is full and no queue stands. */
  get bdpBytes(): number {
    const { rate } = this
    const { ms } = this.minRtt
    return rate === 0 || ms === Infinity ? initialWindow(this.#datagramBytes) : rate * ms
  }

  /** §5.6.4.5: what lets a queue drain, and still feeds the path. */
  get probeRttBytes(): number {
    return Math.max(this.bdpBytes / 2, this.minBytes)
  }

  get minBytes(): number {
    return MIN_PACKETS * this.#datagramBytes
  }

  /** What may be under way whatever was measured; 0 where the way is long. */
  get nearBytes(): number {
    return this.minRtt.ms < NEAR_MS ? NEAR_BYTES : 0
  }

  /** The queue that may stand while we do not probe, in ms. */
  get headroomMs(): number {
    return Math.max(Math.min(HEADROOM_SHARE * this.minRtt.ms, MOST_HEADROOM_MS), HOSTS_MS)
  }

  /** A round trip longer than this for a whole round: a queue stands that should not. */
  get standingRttMs(): number {
    const packetsMs = STANDING_PACKETS * this.#packetMs
    return this.minRtt.ms + STANDING_FACTOR * this.headroomMs + STANDING_SLACK_MS + packetsMs
  }

  /** A queue that is no longer than this while we cruise is what timers and packets make of none. */
  get toleratedRttMs(): number {
    return this.minRtt.ms + EMPTY_SLACK_MS + this.#packetMs
  }

  /** No longer than this with half a pipe in flight: nobody else has a queue here. */
  get emptyRttMs(): number {
    const slackMs = Math.max(EMPTY_SHARE * this.headroomMs, EMPTY_SLACK_MS)
    return this.minRtt.ms + slackMs + EMPTY_PACKETS * this.#packetMs
  }

  /**
   * Longer than this with half a pipe in flight: others fill the queue. One like us leaves less of it; but to a new flow, of
   * which it knows nothing yet, all that it may. `rate`: what the path delivered of late; it may have become slower, and
   * its packets longer, since the bandwidth was measured.
   */
  foreignRttMs(rate: number, isNew: boolean): number {
    const share = isNew ? 1 : FOREIGN_SHARE
    const packetsMs = (FOREIGN_PACKETS * this.#datagramBytes) / Math.max(rate, 1)
    return this.minRtt.ms + share * this.headroomMs + packetsMs
  }

  /** The whole pipe, and what the hosts and their ACKs hold back: nothing of it waits in the path. */
  get drainedBytes(): number {
    const held = this.rate * Math.min(ACK_SHARE * this.minRtt.ms, MOST_ACK_MS)
    const packets = Math.min(ACK_PACKETS, held / this.#datagramBytes) + 2
    const filled = this.bdpBytes + packets * this.#datagramBytes
    return Math.max(filled, this.rate * HOSTS_MS, this.nearBytes)
  }

  /** The pipe and the queue that may stand. */
  get cruisingBytes(): number {
    const { bdpBytes } = this
    const queued = this.rate * this.headroomMs
    const aggregated = Math.min(this.aggregation.extraBytes, HEADROOM_SHARE * bdpBytes)
    return Math.max(bdpBytes + Math.max(queued, aggregated), this.drainedBytes)
  }

  /** How long the path takes to send one packet. */
  get #packetMs(): number {
    const { max } = this.bandwidth
    return max === 0 ? 0 : this.#datagramBytes / max
  }

  /** What an ACK says of rates, rounds and aggregation. The least round trip is updated after the states are. */
  handleAck(sample: Readonly<AckSample>, windowBytes: number, isStartup: boolean): void {
    const queueRttMs = sample.rttMs === 0 ? 0 : sample.rttMs - sample.ackDelayMs
    if (queueRttMs > 0)
      this.recentRtt.add(sample.now, queueRttMs, Math.min(this.minRtt.ms, queueRttMs))
    this.rounds.handleAck(sample, queueRttMs)
    this.bandwidth.update(sample.deliveryRate, sample.isAppLimited)
    const { count } = this.rounds
    const { now, ackedBytes } = sample
    this.aggregation.handleAck(now, ackedBytes, this.rate, windowBytes, count, isStartup)
  }

  updateMinRtt(now: Instant, rttMs: number): void {
    this.minRtt.update(now, rttMs)
  }

  /** Nothing is known of what the path became. The least round trip goes with the estimator's own. */
  forget(): void {
    this.bandwidth.replace(0)
    this.shortTerm.reset()
    this.limit.forget()
  }
}
