/**
 * Writes that come together leave as one: a synced write costs hardly more for hundreds than for one. While a write is
 * under way the next group gathers, so nobody waits for company; they reach the disk in the order they were asked for.
 */
import type { StoreChange } from '../core/store.ts'

/** A group of this many costs hardly more than a single write; a larger one would keep its first member waiting. */
const MAX_GROUP = 256

interface Waiting {
  readonly changes: readonly StoreChange[]
  readonly done: () => void
  readonly failed: (error: unknown) => void
}

export class GroupCommit {
  readonly #writeGroup: (changes: readonly StoreChange[]) => Promise<void>
  #waiting: Waiting[] = [] // as many as callers wait for: sessions bound theirs
  #isWriting = false

  constructor(writeGroup: (changes: readonly StoreChange[]) => Promise<void>) {
    this.#writeGroup = writeGroup
  }

  /** Resolves when the changes are on disk. All of a group fail together, and none of it is written then. */
  async write(changes: readonly StoreChange[]): Promise<void> {
    await new Promise<void>((done, failed) => {
      this.#waiting.push({ changes, done, failed })
      if (!this.#isWriting) void this.#writeAll() // never rejects: each member hears of its own failure
    })
  }

  async #writeAll(): Promise<void> {
    this.#isWriting = true
    await Promise.resolve() // what comes in the same turn of the event loop is one group
    while (this.#waiting.length > 0) {
      const group = this.#waiting.slice(0, MAX_GROUP)
      this.#waiting = this.#waiting.slice(MAX_GROUP)
      try {
        await this.#writeGroup(group.flatMap(({ changes }) => changes))
        for (const { done } of group) done()
      } catch (error) {
        for (const { failed } of group) failed(error)
      }
    }
    this.#isWriting = false
  }

  /** Resolves when what was asked for so far has been written or has failed. */
  async idle(): Promise<void> {
    await this.write([]).catch(() => undefined) // groups keep their order
  }
}
