/** draft-ietf-ccwg-bbr §2.7: no sharper than CUBIC's reduction. */
export const BETA = 0.7

/**
 * What congestion between two probes leaves us: bounds that follow the delivery of the last round, by at most 30 % a
 * round, and that the next probe does away with (draft-ietf-ccwg-bbr §5.5.10.3).
 */
export class ShortTermModel {
  #bandwidth = Infinity
  #inFlight = Infinity

  /** Bytes per ms. */
  get bandwidth(): number {
    return this.#bandwidth
  }

  get inFlightBytes(): number {
    return this.#inFlight
  }

  reset(): void {
    this.#bandwidth = Infinity
    this.#inFlight = Infinity
  }

  /** The bandwidth alone: a queue stood for a whole round, so what was delivered in it is what there is. */
  lowerBandwidth(delivered: number, bandwidth: number): void {
    this.#bandwidth = Math.max(delivered, BETA * Math.min(this.#bandwidth, bandwidth))
  }

  lowerInFlight(deliveredBytes: number, windowBytes: number): void {
    this.#inFlight = Math.max(deliveredBytes, BETA * Math.min(this.#inFlight, windowBytes))
  }

  /** Not below what was before a loss that never was. */
  raiseTo(bandwidth: number, inFlightBytes: number): void {
    this.#bandwidth = Math.max(this.#bandwidth, bandwidth)
    this.#inFlight = Math.max(this.#inFlight, inFlightBytes)
  }
}
