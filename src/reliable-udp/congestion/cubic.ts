/**
 * CUBIC (RFC 9438) with HyStart++ (RFC 9406): after a reduction the window returns to where the loss was along a cube
 * root's curve, flat near that point and steep beyond it, and never slower than NewReno would.
 */
import type { Instant } from '../../core/instant.ts'
import {
  type AckSample,
  type CongestionController,
  initialWindow,
  type LossSample,
  MAX_WINDOW_BYTES,
  MIN_WINDOW_PACKETS,
} from './controller.ts'
import { HyStart } from './hystart.ts'

/** RFC 9438 §4.6 and §5: what remains after a loss, and how steep the curve is (packets per s³). */
const BETA = 0.7
const STEEPNESS = 0.4
/** RFC 9438 §4.3: makes the Reno-like estimate as fair as Reno, given that we give up less. */
const RENO_INCREASE = (3 * (1 - BETA)) / (1 + BETA)
/** RFC 9438 §4.2: the curve may not ask for more than this within one round trip. */
const MAX_STEP = 1.5

interface CubicState {
  readonly window: number
  readonly threshold: number
  readonly lastMax: number
  readonly epochStartedAt: Instant | undefined
  readonly epochWindow: number
}

export class Cubic implements CongestionController {
  readonly name = 'cubic'
  readonly pacingRate = undefined
  readonly #hystart = new HyStart()
  #datagramBytes: number
  #window: number
  #threshold = Infinity
  #lastMax = 0
  #priorWindow = 0
  #epochStartedAt: Instant | undefined
  #epochWindow = 0
  #renoWindow = 0
  #lastAckAt: Instant | undefined
  #beforeLoss: CubicState | undefined

  constructor(datagramBytes: number) {
    this.#datagramBytes = datagramBytes
    this.#window = initialWindow(datagramBytes)
  }

  /** Goes on from a window that another controller found. */
  continueAt(windowBytes: number): void {
    this.#setWindow(Math.max(windowBytes, this.#minimum))
    this.#threshold = this.#window
    this.#lastMax = this.#window
    this.#priorWindow = this.#window
    this.#epochStartedAt = undefined
    this.#beforeLoss = undefined
  }

  get windowBytes(): number {
    return this.#window
  }

  get urgentWindowBytes(): number {
    return this.#window
  }

  get isInSlowStart(): boolean {
    return this.#window < this.#threshold
  }

  handleSent(): void {
    // CUBIC looks at acknowledgements alone.
  }

  handleAck(sample: Readonly<AckSample>): void {
    const sinceLastAck = this.#lastAckAt === undefined ? 0 : sample.now - this.#lastAckAt
    this.#lastAckAt = sample.now
    if (this.isInSlowStart) {
      this.#slowStart(sample)
    } else if (sample.isWindowLimited) {
      this.#avoid(sample)
    } else if (this.#epochStartedAt !== undefined) {
      // RFC 9438 §5.8: time in which the application had nothing to send does not move the curve.
      this.#epochStartedAt = (this.#epochStartedAt + sinceLastAck) as Instant
    }
  }

  handleLoss(sample: Readonly<LossSample>): void {
    if (!sample.isNewEpisode) return
    this.#beforeLoss = {
      window: this.#window,
      threshold: this.#threshold,
      lastMax: this.#lastMax,
      epochStartedAt: this.#epochStartedAt,
      epochWindow: this.#epochWindow,
    }
    // RFC 9438 §4.7, fast convergence: a window that shrinks from loss to loss makes room for newcomers.
    const isShrinking = this.#window < this.#lastMax
    this.#lastMax = isShrinking ? (this.#window * (1 + BETA)) / 2 : this.#window
    this.#priorWindow = this.#window
    this.#window = Math.max(this.#window * BETA, this.#minimum)
    this.#threshold = this.#window
    this.#epochStartedAt = undefined
  }

  handlePersistentCongestion(): void {
    this.#lastMax = this.#window
    this.#window = this.#minimum
    this.#epochStartedAt = undefined
    this.#beforeLoss = undefined
  }

  handleSpuriousLoss(): void {
    const before = this.#beforeLoss
    if (before === undefined) return
    this.#beforeLoss = undefined
    if (this.#window >= before.window) return
    this.#window = before.window
    this.#threshold = before.threshold
    this.#lastMax = before.lastMax
    this.#epochStartedAt = before.epochStartedAt
    this.#epochWindow = before.epochWindow
    this.#renoWindow = before.window
  }

  handleDatagramBytes(bytes: number): void {
    this.#datagramBytes = bytes
    this.#window = Math.max(this.#window, this.#minimum)
  }

  get #minimum(): number {
    return MIN_WINDOW_PACKETS * this.#datagramBytes
  }

  #slowStart(sample: Readonly<AckSample>): void {
    this.#hystart.handleAck(sample.rttMs, sample.largestAcked, sample.nextNumber)
    if (sample.isWindowLimited) this.#setWindow(this.#window + this.#slowStartGrowth(sample))
    if (this.#hystart.isOver && this.#threshold === Infinity) this.#threshold = this.#window
  }

  #slowStartGrowth(sample: Readonly<AckSample>): number {
    return sample.growthBytes / this.#hystart.growthDivisor
  }

  #avoid(sample: Readonly<AckSample>): void {
    const { now, growthBytes } = sample
    if (growthBytes === 0) return
    const startedAt = this.#epochStartedAt ?? this.#startEpoch(now)
    const elapsedMs = now - startedAt
    this.#renoWindow += this.#renoStep() * (growthBytes / this.#window) * this.#datagramBytes
    if (this.#curve(elapsedMs) < this.#renoWindow) {
      this.#setWindow(Math.max(this.#window, this.#renoWindow))
      return
    }
    const wanted = this.#curve(elapsedMs + sample.smoothedRttMs)
    const target = Math.min(Math.max(wanted, this.#window), this.#window * MAX_STEP)
    this.#setWindow(this.#window + ((target - this.#window) * growthBytes) / this.#window)
  }

  // RFC 9438 §4.3: as fast as Reno once the window of before the loss is reached again.
  #renoStep(): number {
    return this.#renoWindow < this.#priorWindow ? RENO_INCREASE : 1
  }

  #startEpoch(now: Instant): Instant {
    this.#epochStartedAt = now
    this.#epochWindow = this.#window
    this.#renoWindow = this.#window
    if (this.#lastMax < this.#window) this.#lastMax = this.#window
    return now
  }

  // RFC 9438 §4.2, in bytes and ms.
  #curve(elapsedMs: number): number {
    const rise = (this.#lastMax - this.#epochWindow) / this.#datagramBytes
    const t = elapsedMs / 1000 - Math.cbrt(Math.max(rise, 0) / STEEPNESS)
    return this.#lastMax + STEEPNESS * t * t * t * this.#datagramBytes
  }

  #setWindow(bytes: number): void {
    this.#window = Math.min(bytes, MAX_WINDOW_BYTES)
  }
}
