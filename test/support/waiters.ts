interface Waiter {
  readonly check: () => boolean
}

/** Lets tests wait for a condition that is looked at again whenever something happened, up to a deadline. */
export class Waiters {
  readonly #waiters = new Set<Waiter>()

  /** Something happened: whoever waits looks again. */
  notify(): void {
    for (const waiter of [...this.#waiters]) if (waiter.check()) this.#waiters.delete(waiter)
  }

  /** What `look` returns once it is not `undefined`; rejects with `complaint` when that takes too long. */
  async until<T>(look: () => T | undefined, withinMs: number, complaint: () => string): Promise<T> {
    const found = look()
    if (found !== undefined) return found
    return new Promise((resolve, reject) => {
      const check = (): boolean => {
        const value = look()
        if (value === undefined) return false
        clearTimeout(timer)
        resolve(value)
        return true
      }
      const waiter = { check }
      const timer = setTimeout(() => {
        this.#waiters.delete(waiter)
        reject(new Error(`${complaint()} (waited ${withinMs / 1000} s)`))
      }, withinMs)
      this.#waiters.add(waiter)
    })
  }
}
