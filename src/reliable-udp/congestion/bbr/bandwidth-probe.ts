/**
 * A probe for bandwidth, from filling the pipe to the last ACK of what was sent in it (draft-ietf-ccwg-bbr §5.3.3.10): what
 * it teaches about how much in flight is too much.
 */
import type { AckSample, LossSample } from '../controller.ts'
import { type FullPipe, PROBE_GROWTH } from './full-pipe.ts'
import type { PathModel } from './path-model.ts'
import { BETA } from './short-term-model.ts'

/** A rise of the round trip that ends start-up and probes: the pipe is full, more would only be queue. */
export const FULL_RTT_RISE_MS = 10

/** Two whole rounds at 1.25 find 1.56 times as much: by then it is no sample's chance. */
const ANOTHER_PATH_GROWTH = 1.5

/** What the ACKs now coming in tell of the last probe. */
type AckPhase = 'none' | 'refilling' | 'probe-starting' | 'probe-feedback' | 'probe-stopping'

export class BandwidthProbe {
  readonly #model: PathModel
  readonly #pipe: FullPipe
  #ackPhase: AckPhase = 'none'
  #isSample = false
  #wasTooHigh = false
  #isPrecautionary = false
  #rttMs = 0
  /** What was believed before the probe, in bytes per ms; 0 when there was none since the last answer. */
  #bandwidthBefore = 0

  constructor(model: PathModel, pipe: FullPipe) {
    this.#model = model
    this.#pipe = pipe
  }

  startRefill(): void {
    this.#model.shortTerm.reset()
    this.#model.limit.beginProbe()
    this.#isPrecautionary = false
    this.#ackPhase = 'refilling'
  }

  startUp(sample: Readonly<AckSample>, windowBytes: number): void {
    const { rounds, limit, datagramBytes } = this.#model
    this.#isSample = true
    this.#ackPhase = 'probe-starting'
    this.#rttMs = rounds.last.rttMs
    this.#bandwidthBefore = this.#model.bandwidth.max
    this.#pipe.reset(sample.deliveryRate, PROBE_GROWTH)
    limit.steepen(windowBytes, datagramBytes)
  }

  /** What is sent from now on is no probe; what was is still to be acknowledged. */
  stop(): void {
    this.#ackPhase = 'probe-stopping'
  }

  forget(): void {
    this.#ackPhase = 'none'
    this.#isSample = false
  }

  /** While it goes on: whether it has found what it can find. `rounds`: how long it goes on. */
  isOver(sample: Readonly<AckSample>, windowBytes: number, rounds: number): boolean {
    const isOver = this.#hasFoundEnd(sample, windowBytes, rounds)
    if (isOver) this.#wasTooHigh = false
    return isOver
  }

  /** While it goes on: it has found so much more that what was believed was not this path's. */
  get hasFoundAnotherPath(): boolean {
    const before = this.#bandwidthBefore
    return before > 0 && this.#model.bandwidth.max >= before * ANOTHER_PATH_GROWTH
  }

  /** Learns from an ACK. True when the probe that has now been answered should be repeated at once. */
  handleAck(sample: Readonly<AckSample>, isUp: boolean, windowBytes: number): boolean {
    const { rounds, bandwidth, background, limit, datagramBytes } = this.#model
    if (rounds.isStart && this.#ackPhase === 'probe-starting') this.#ackPhase = 'probe-feedback'
    if (rounds.isStart && this.#ackPhase === 'probe-stopping') {
      const isWorthMore = this.#isPrecautionary || this.#hasFoundMore
      const isQueueLong = rounds.last.rttMs > this.#model.standingRttMs
      this.#isSample = false
      this.#ackPhase = 'none'
      this.#bandwidthBefore = 0
      if (!sample.isAppLimited) bandwidth.advance()
      if (isWorthMore && !isQueueLong && !this.#wasTooHigh) return true
    }
    if (background.isExceeded(sample.lostSinceSentBytes, sample.sentInFlightBytes)) return false
    limit.raiseTo(sample.sentInFlightBytes)
    if (!isUp || limit.bytes === Infinity) return false
    if (!sample.isWindowLimited || windowBytes < limit.bytes) return false
    limit.grow(sample.ackedBytes, datagramBytes)
    if (rounds.isStart) limit.steepen(windowBytes, datagramBytes)
    return false
  }

  /** True when what was lost shows that the probe had too much in flight. */
  handleLoss(sample: Readonly<LossSample>, windowBytes: number): boolean {
    const { background, limit, bdpBytes } = this.#model
    const { lostSinceSentBytes, sentInFlightBytes } = sample
    if (!this.#isSample || !background.isExceeded(lostSinceSentBytes, sentInFlightBytes))
      return false
    this.#wasTooHigh = true
    this.#isSample = false
    if (sample.isAppLimited) return true
    const arrived = sentInFlightBytes - lostSinceSentBytes
    limit.set(Math.max(arrived, Math.min(bdpBytes, windowBytes) * BETA))
    return true
  }

  // A queue ended it although the rate had grown: the queue is somebody else's too, or was a moment's.
  get #hasFoundMore(): boolean {
    const before = this.#bandwidthBefore
    return before > 0 && this.#model.bandwidth.max >= before * PROBE_GROWTH
  }

  #hasFoundEnd(sample: Readonly<AckSample>, windowBytes: number, rounds: number): boolean {
    const { limit, recentRtt } = this.#model
    if (this.#wasTooHigh && sample.inFlightBytes >= limit.bytes) {
      this.#isPrecautionary = true
      return true
    }
    if (sample.isWindowLimited && windowBytes >= limit.bytes) {
      this.#pipe.reset(sample.deliveryRate, PROBE_GROWTH) // the limit held us back, not the path
      return false
    }
    return this.#pipe.isFull || (rounds > 0 && recentRtt.leastMs > this.#rttMs + FULL_RTT_RISE_MS)
  }
}
