/** NewReno as RFC 9002 §7 and appendix B have it: the plainest controller, and the check of the interface. */
import {
  type AckSample,
  type CongestionController,
  initialWindow,
  type LossSample,
  MAX_WINDOW_BYTES,
  MIN_WINDOW_PACKETS,
} from './controller.ts'

/** RFC 9002 §B.1 kLossReductionFactor */
const LOSS_REDUCTION = 0.5

export class NewReno implements CongestionController {
  readonly name = 'new-reno'
  readonly pacingRate = undefined
  #datagramBytes: number
  #window: number
  #threshold = Infinity
  #ackedInAvoidance = 0
  #beforeLoss: { readonly window: number; readonly threshold: number } | undefined

  constructor(datagramBytes: number) {
    this.#datagramBytes = datagramBytes
    this.#window = initialWindow(datagramBytes)
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
    // NewReno looks at acknowledgements alone.
  }

  handleAck(sample: Readonly<AckSample>): void {
    if (!sample.isWindowLimited || sample.growthBytes === 0) return
    if (this.isInSlowStart) this.#grow(sample.growthBytes)
    else this.#avoid(sample.growthBytes)
  }

  handleLoss(sample: Readonly<LossSample>): void {
    if (!sample.isNewEpisode) return
    this.#beforeLoss = { window: this.#window, threshold: this.#threshold }
    this.#window = Math.max(this.#window * LOSS_REDUCTION, this.#minimum)
    this.#threshold = this.#window
    this.#ackedInAvoidance = 0
  }

  handlePersistentCongestion(): void {
    this.#window = this.#minimum
    this.#beforeLoss = undefined
  }

  handleSpuriousLoss(): void {
    if (this.#beforeLoss === undefined) return
    this.#window = Math.max(this.#window, this.#beforeLoss.window)
    this.#threshold = Math.max(this.#threshold, this.#beforeLoss.threshold)
    this.#beforeLoss = undefined
  }

  handleDatagramBytes(bytes: number): void {
    this.#datagramBytes = bytes
    this.#window = Math.max(this.#window, this.#minimum)
  }

  get #minimum(): number {
    return MIN_WINDOW_PACKETS * this.#datagramBytes
  }

  // One packet for each window acknowledged, counted in bytes so that stretched ACKs lose nothing.
  #avoid(bytes: number): void {
    this.#ackedInAvoidance += bytes
    while (this.#ackedInAvoidance >= this.#window) {
      this.#ackedInAvoidance -= this.#window
      this.#grow(this.#datagramBytes)
    }
  }

  #grow(bytes: number): void {
    this.#window = Math.min(this.#window + bytes, MAX_WINDOW_BYTES)
  }
}
