/**
 * The volume in flight above which the path lost too much (`inflight_longterm` of draft-ietf-ccwg-bbr). It is found by
 * probing alone, raised slowly at first and twice as fast each round while a probe goes well.
 */

/** draft-ietf-ccwg-bbr §2.7: what cruising leaves free for others. */
const HEADROOM = 0.15

const MOST_DOUBLINGS = 30

export class InflightLimit {
  #bytes = Infinity
  #doublings = 0
  #ackedPerStep = Infinity
  #acked = 0

  /** `Infinity` until a probe lost too much. */
  get bytes(): number {
    return this.#bytes
  }

  /** What is left when others get their headroom. */
  withHeadroom(datagramBytes: number): number {
    if (this.#bytes === Infinity) return Infinity
    return this.#bytes - Math.max(datagramBytes, HEADROOM * this.#bytes)
  }

  set(bytes: number): void {
    this.#bytes = bytes
  }

  /** So much was in flight and it was not too much. */
  raiseTo(bytes: number): void {
    if (this.#bytes !== Infinity) this.#bytes = Math.max(this.#bytes, bytes)
  }

  forget(): void {
    this.#bytes = Infinity
  }

  beginProbe(): void {
    this.#doublings = 0
    this.#acked = 0
  }

  steepen(windowBytes: number, datagramBytes: number): void {
    this.#ackedPerStep = Math.max(windowBytes / 2 ** this.#doublings, datagramBytes)
    this.#doublings = Math.min(this.#doublings + 1, MOST_DOUBLINGS)
  }

  /** The probe fills the limit and loses nothing. */
  grow(ackedBytes: number, datagramBytes: number): void {
    this.#acked += ackedBytes
    const steps = Math.floor(this.#acked / this.#ackedPerStep)
    this.#acked -= steps * this.#ackedPerStep
    this.#bytes += steps * datagramBytes
  }
}
