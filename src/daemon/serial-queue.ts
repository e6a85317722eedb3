/** Runs asynchronous steps one after another, in the order they were given. A step that fails does not stop the next. */
export class SerialQueue {
  #last: Promise<unknown> = Promise.resolve()

  run<T>(step: () => Promise<T>): Promise<T> {
    const result = this.#last.then(step)
    this.#last = result.catch(() => undefined) // whoever gave the step hears of its failure
    return result
  }

  /** Resolves when everything given so far has run. */
  async idle(): Promise<void> {
    await this.#last
  }
}
