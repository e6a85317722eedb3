/**
 * Packet-timed round trips (draft-ietf-ccwg-bbr §5.5.1) and what was seen in the present and in the last one: a round ends
 * with the acknowledgement of a packet that was sent after it began. The draft's "latest delivery signals" are these.
 */
import type { AckSample } from '../controller.ts'

export class Round {
  /** The fastest delivery, in bytes per ms. */
  bandwidth = 0
  /** The largest volume delivered within one sample. */
  volume = 0
  ackedBytes = 0
  lostBytes = 0
  /** The shortest round trip, without what the peer waited before it acknowledged. */
  rttMs = Infinity
  rttSamples = 0
  isAppLimited = false

  add(sample: Readonly<AckSample>, queueRttMs: number): void {
    this.bandwidth = Math.max(this.bandwidth, sample.deliveryRate)
    this.volume = Math.max(this.volume, sample.delivered - Math.max(sample.priorDelivered, 0))
    if (sample.isAppLimited) this.isAppLimited = true
    if (queueRttMs === 0) return
    this.rttMs = Math.min(this.rttMs, queueRttMs)
    this.rttSamples += 1
  }

  clear(): void {
    this.bandwidth = 0
    this.volume = 0
    this.ackedBytes = 0
    this.lostBytes = 0
    this.rttMs = Infinity
    this.rttSamples = 0
    this.isAppLimited = false
  }
}

export class Rounds {
  #nextDelivered = 0
  #count = 0
  #isStart = false
  #present = new Round()
  #last = new Round()

  get count(): number {
    return this.#count
  }

  /** The ACK just handled began a new round: `last` is the one that has ended. */
  get isStart(): boolean {
    return this.#isStart
  }

  get present(): Round {
    return this.#present
  }

  get last(): Round {
    return this.#last
  }

  /** `queueRttMs`: the ACK's round trip without the peer's waiting; 0 when it gave none. */
  handleAck(sample: Readonly<AckSample>, queueRttMs: number): void {
    if (sample.priorDelivered >= 0) this.#present.add(sample, queueRttMs)
    this.#present.ackedBytes += sample.ackedBytes
    this.#isStart = sample.priorDelivered >= this.#nextDelivered
    if (!this.#isStart) return
    this.#nextDelivered = sample.delivered
    this.#count += 1
    const ended = this.#present
    this.#present = this.#last
    this.#last = ended
    this.#present.clear()
    this.#present.add(sample, queueRttMs) // it belongs to both: measured over the one, sent in the other
  }

  handleLost(bytes: number): void {
    this.#present.lostBytes += bytes
  }

  /** A round begins now: what was sent before says nothing about what is done from now on. */
  restart(delivered: number): void {
    this.#nextDelivered = delivered
  }

  /** Signs of congestion of the phase before are answered. */
  forgetSignals(): void {
    this.#present.clear()
  }
}
