/**
 * Which numbers of a sender, of packets or of probes, were already taken. Reordering by more than this is loss: at 100,000
 * packets a second it is still 20 ms, at a messenger's pace minutes, and more than a birthday attempt of 1,024 probes.
 */
export const REPLAY_WINDOW_PACKETS = 2048

const WORDS = REPLAY_WINDOW_PACKETS / 32

/** A bitmap that slides with the largest number seen. Nothing is opened twice. */
export class ReplayWindow {
  readonly #bits = new Uint32Array(WORDS)
  #largest = -1

  /** The greatest number marked; −1 before the first. */
  get largest(): number {
    return this.#largest
  }

  /** Whether the number may be new: neither seen nor too old to know. */
  isFresh(number: number): boolean {
    if (number > this.#largest) return true
    if (number <= this.#largest - REPLAY_WINDOW_PACKETS) return false
    return ((this.#word(number) >>> (number % 32)) & 1) === 0
  }

  /** Marks the number; false for one that was marked before, or is too old to know. Only for what is authentic. */
  take(number: number): boolean {
    if (!this.isFresh(number)) return false
    this.mark(number)
    return true
  }

  /** Only for packets that were authentic: a forged number must not move the window. */
  mark(number: number): void {
    if (number > this.#largest) this.#slideTo(number)
    const index = wordIndex(number)
    this.#bits[index] = this.#word(number) | (1 << (number % 32))
  }

  #slideTo(number: number): void {
    const from = Math.max(this.#largest + 1, number - REPLAY_WINDOW_PACKETS + 1)
    for (let skipped = from; skipped <= number; skipped++) {
      const index = wordIndex(skipped)
      this.#bits[index] = this.#word(skipped) & ~(1 << (skipped % 32))
    }
    this.#largest = number
  }

  #word(number: number): number {
    return this.#bits[wordIndex(number)] ?? 0
  }
}

function wordIndex(number: number): number {
  return Math.floor(number / 32) % WORDS
}
