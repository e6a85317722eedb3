/** Notices that the relay carries again after it did not: then the network is back, and for both sides in the same moment. */

/** So many questions in a row are not lost by chance: at a loss of 15 % each way that is one time in fifty. */
const MISSED_MEANS_SILENCE = 3

export class RelayWatch {
  #missed = 0
  #isLost = false

  /** A heartbeat's question leaves through the relay; the ones before are unanswered, or `heard` was called. */
  asked(): void {
    this.#missed += 1
  }

  /** The relay does not carry for us any more. */
  lost(): void {
    this.#isLost = true
  }

  /** It does, as it tells itself. True when it had been lost. */
  ready(): boolean {
    return this.#ends()
  }

  /** The peer was heard through it. True after a silence. */
  heard(): boolean {
    return this.#ends()
  }

  #ends(): boolean {
    const wasSilent = this.#isLost || this.#missed > MISSED_MEANS_SILENCE
    this.#isLost = false
    this.#missed = 0
    return wasSilent
  }
}
