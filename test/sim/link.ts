import { type Random, uniform } from '../../src/core/random.ts'

/** Gilbert-Elliott: a good and a bad state, changed packet by packet. Right for streams of packets. */
export interface BurstLoss {
  /** Chance to enter the bad state, and to leave it, at each packet. Mean burst = 1 / leave packets. */
  readonly enter: number
  readonly leave: number
  /** Loss in the bad state; 1 when absent. */
  readonly loss?: number
}

/** The same in time: moments in which nothing passes, however many packets there are. Right for sparse traffic. */
export interface Outages {
  /** Mean time between them, and mean duration; both exponential. */
  readonly everyMs: number
  readonly lastMs: number
}

/** What one direction of a link does to packets. Everything absent is perfect. */
export interface LinkConditions {
  readonly latencyMs?: number
  /** Uniform extra delay. The order of packets is kept. */
  readonly jitterMs?: number
  /** 0..1, each packet by itself. */
  readonly loss?: number
  readonly burst?: BurstLoss
  readonly outages?: Outages
  /** 0..1: a second copy follows 1 ms later. */
  readonly duplicate?: number
  /** A packet is overtaken: it comes `delayMs` later than its followers think. */
  readonly reorder?: { readonly chance: number; readonly delayMs: number }
  /** Uniform extra delay of each packet by itself: the order is lost where packets are closer than that. */
  readonly scatterMs?: number
  readonly rateBytesPerSecond?: number
  /** What waits for the rate at most; 64 KiB when absent. Tail drop. */
  readonly queueBytes?: number
  /** A token bucket that drops what exceeds it, without any queue. */
  readonly policer?: { readonly rateBytesPerSecond: number; readonly burstBytes: number }
  /** IP packets beyond this vanish without a word. */
  readonly mtuBytes?: number
}

export type LinkLoss = 'loss' | 'policed' | 'queue-full' | 'too-big'

export type Transit =
  | { readonly kind: 'arrives'; readonly at: readonly number[] }
  | { readonly kind: 'lost'; readonly why: LinkLoss }

const DEFAULT_QUEUE_BYTES = 65_536
const DUPLICATE_AFTER_MS = 1

/** One direction of a link: a packet in at a time, its arrival times out. */
export class Link {
  /** May be changed at any time: `link.conditions = { ...link.conditions, loss: 1 }`. */
  conditions: LinkConditions
  readonly #random: Random
  #isBad = false
  #freeAt = 0
  #policedBytes = 0 // how much of the bucket is used
  #policedAt = 0
  #lastArrival = 0
  #isOutage = true // until the first change
  #changesAt = 0

  constructor(conditions: LinkConditions, random: Random) {
    this.conditions = conditions
    this.#random = random
  }

  transit(now: number, sizeBytes: number): Transit {
    const { mtuBytes, duplicate, latencyMs = 0 } = this.conditions
    if (mtuBytes !== undefined && sizeBytes > mtuBytes) return { kind: 'lost', why: 'too-big' }
    if (!this.#conforms(now, sizeBytes)) return { kind: 'lost', why: 'policed' }
    const queueMs = this.#queue(now, sizeBytes)
    if (queueMs === undefined) return { kind: 'lost', why: 'queue-full' }
    if (this.#isLost() || this.#isOut(now)) return { kind: 'lost', why: 'loss' }
    const at = this.#arrival(now + queueMs + latencyMs)
    return { kind: 'arrives', at: this.#happens(duplicate) ? [at, at + DUPLICATE_AFTER_MS] : [at] }
  }

  /** How long a packet that came now would wait for the rate. */
  waitingMs(now: number): number {
    return Math.max(0, this.#freeAt - now)
  }

  #conforms(now: number, sizeBytes: number): boolean {
    const { policer } = this.conditions
    if (policer === undefined) return true
    const refilled = ((now - this.#policedAt) / 1000) * policer.rateBytesPerSecond
    this.#policedBytes = Math.max(0, this.#policedBytes - refilled)
    this.#policedAt = now
    if (this.#policedBytes + sizeBytes > policer.burstBytes) return false
    this.#policedBytes += sizeBytes
    return true
  }

  /** How long the packet waits and is sent at the link's rate; `undefined` when the queue has no room for it. */
  #queue(now: number, sizeBytes: number): number | undefined {
    const { rateBytesPerSecond, queueBytes = DEFAULT_QUEUE_BYTES } = this.conditions
    if (rateBytesPerSecond === undefined) return 0
    const startAt = Math.max(now, this.#freeAt)
    const waitingBytes = ((startAt - now) / 1000) * rateBytesPerSecond
    if (waitingBytes > queueBytes) return undefined
    this.#freeAt = startAt + (sizeBytes / rateBytesPerSecond) * 1000
    return this.#freeAt - now
  }

  #isLost(): boolean {
    const { loss, burst } = this.conditions
    if (burst !== undefined) {
      if (this.#happens(this.#isBad ? burst.leave : burst.enter)) this.#isBad = !this.#isBad
      if (this.#isBad && this.#happens(burst.loss ?? 1)) return true
    }
    return this.#happens(loss)
  }

  #isOut(now: number): boolean {
    const { outages } = this.conditions
    if (outages === undefined) return false
    while (this.#changesAt <= now) {
      this.#isOutage = !this.#isOutage
      const meanMs = this.#isOutage ? outages.lastMs : outages.everyMs
      this.#changesAt += -Math.log(1 - uniform(this.#random)) * meanMs
    }
    return this.#isOutage
  }

  #arrival(earliest: number): number {
    const { jitterMs, reorder, scatterMs } = this.conditions
    if (scatterMs !== undefined) return earliest + uniform(this.#random) * scatterMs
    const jittered = jitterMs === undefined ? 0 : uniform(this.#random) * jitterMs
    if (this.#happens(reorder?.chance)) return earliest + jittered + (reorder?.delayMs ?? 0)
    this.#lastArrival = Math.max(this.#lastArrival, earliest + jittered)
    return this.#lastArrival
  }

  #happens(chance: number | undefined): boolean {
    return chance !== undefined && chance > 0 && uniform(this.#random) < chance
  }
}
