/** A path made of numbers: a controller is fed with what the ACKs of such a path would say, a round trip at a time. */
import { type Instant, instant } from '../../../../src/core/instant.ts'
import { Bbr } from '../../../../src/reliable-udp/congestion/bbr/bbr.ts'
import { emptyLossSample } from '../../../../src/reliable-udp/congestion/controller.ts'
import { SeededRandom } from '../../../sim/seeded-random.ts'
import { ackOf } from '../samples.ts'

const PACKET = 1200

export interface Circumstances {
  /** Bytes per ms that the path delivers at most. */
  bandwidth: number
  rttMs: number
  /** A queue that is not ours. */
  foreignQueueMs: number
  isAppLimited: boolean
  /** The share lost in each round. */
  loss: number
}

/** Each round everything in flight is acknowledged, in ten ACKs, and as much as window and pace allow is sent. */
export class Path {
  readonly bbr: Bbr
  readonly circumstances: Circumstances = {
    bandwidth: 2500,
    rttMs: 50,
    foreignQueueMs: 0,
    isAppLimited: false,
    loss: 0,
  }
  #now = 1000
  #delivered = 0
  #inFlight = 0

  constructor(seed = 1) {
    this.bbr = new Bbr(PACKET, new SeededRandom(seed))
    this.#inFlight = this.bbr.windowBytes
  }

  get now(): Instant {
    return instant(this.#now)
  }

  get inFlightBytes(): number {
    return this.#inFlight
  }

  /** The round trip with what stands in the queue. */
  get rttMs(): number {
    const { bandwidth, rttMs, foreignQueueMs } = this.circumstances
    return Math.max(rttMs + foreignQueueMs, this.#inFlight / bandwidth)
  }

  /** One round trip; the state at its end. */
  round(): string {
    const { isAppLimited, loss } = this.circumstances
    const before = this.#delivered
    const sent = this.#inFlight
    const { rttMs } = this
    const lost = Math.floor((sent * loss) / PACKET) * PACKET
    if (lost > 0) this.#lose(lost, sent)
    const rate = (sent - lost) / rttMs
    const next = Math.min(this.bbr.windowBytes, (this.bbr.pacingRate ?? Infinity) * rttMs)
    for (let i = 0; i < 10; i++) {
      const bytes = (sent - lost) / 10
      this.#now += rttMs / 10
      this.#delivered += bytes
      this.#inFlight = sent - lost + ((next - sent + lost) * (i + 1)) / 10
      this.bbr.handleAck(
        ackOf(bytes, this.#now, {
          rttMs,
          smoothedRttMs: rttMs,
          minRttMs: this.circumstances.rttMs,
          delivered: this.#delivered,
          priorDelivered: i === 9 ? before : 0,
          deliveryRate: rate,
          inFlightBytes: this.#inFlight,
          sentInFlightBytes: sent,
          lostSinceSentBytes: lost,
          isAppLimited,
        }),
      )
    }
    this.#inFlight = Math.max(Math.min(this.bbr.windowBytes, next), PACKET)
    return this.bbr.state
  }

  /** Until this state, in at most so many rounds; how many it took. */
  roundsUntil(state: string, most = 200): number {
    for (let rounds = 0; rounds <= most; rounds++) {
      if (this.bbr.state === state) return rounds
      this.round()
    }
    throw new Error(`still ${this.bbr.state} after ${most} rounds`)
  }

  #lose(lostBytes: number, sentInFlightBytes: number): void {
    this.bbr.handleLoss({
      ...emptyLossSample(),
      now: this.now,
      lostBytes,
      inFlightBytes: this.#inFlight - lostBytes,
      delivered: this.#delivered,
      sentInFlightBytes,
      lostSinceSentBytes: lostBytes,
      isAppLimited: this.circumstances.isAppLimited,
      isNewEpisode: true,
    })
  }
}
