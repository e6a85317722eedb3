/**
 * Thousands of clients share a process here, and would each have a machine of its own. To begin a connection is work; did
 * all begin at once, those whom the server has answered would wait for it, and the server for them.
 */
export class Turns {
  readonly #most: number
  #waiting: (() => void)[] = []

  /** `most` begin in each turn of the event loop. */
  constructor(most: number) {
    this.#most = most
  }

  /** Resolves when the next may begin, in the order in which they asked. */
  async next(): Promise<void> {
    await new Promise<void>((begin) => {
      this.#waiting.push(begin)
      if (this.#waiting.length === 1) this.#schedule()
    })
  }

  #schedule(): void {
    setImmediate(() => {
      for (const begin of this.#waiting.splice(0, this.#most)) begin()
      if (this.#waiting.length > 0) this.#schedule()
    })
  }
}
