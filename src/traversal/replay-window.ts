/** How far a probe may lag behind the newest one: more than a birthday attempt of 1,024 sends in all. */
const WINDOW = 2048

/** Which sequence numbers of a sender were already taken: each is good once. */
export class ReplayWindow {
  readonly #taken = new Set<number>() // ≤ 2 × WINDOW
  #newest = -1

  /** False for what was taken before, or is too old to know. Only for numbers that are authentic. */
  take(sequence: number): boolean {
    if (sequence <= this.#newest - WINDOW || this.#taken.has(sequence)) return false
    this.#taken.add(sequence)
    this.#newest = Math.max(this.#newest, sequence)
    if (this.#taken.size > 2 * WINDOW) this.#forget()
    return true
  }

  #forget(): void {
    for (const sequence of this.#taken) {
      if (sequence <= this.#newest - WINDOW) this.#taken.delete(sequence)
    }
  }
}
