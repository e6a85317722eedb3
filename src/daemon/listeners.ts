/** Who wants to hear of something. Listeners are this process's own parts, so their number is fixed by its code. */
export class Listeners<T> {
  readonly #listeners = new Set<(value: T) => void>()

  /** The returned function takes the listener away again. */
  add(listener: (value: T) => void): () => void {
    this.#listeners.add(listener)
    return () => void this.#listeners.delete(listener)
  }

  tell(value: T): void {
    for (const listener of [...this.#listeners]) listener(value)
  }
}
