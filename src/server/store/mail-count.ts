/** How much mail waits in all: what was there at the start, counted once beside everything else, and what changed since. */
import type { MailQuota } from './mail-store.ts'

export class MailCount {
  #messages = 0
  #bytes = 0
  #isWhole = false

  /** `undefined` while what was there at the start is still being counted, or when that has failed. */
  get total(): MailQuota | undefined {
    return this.#isWhole ? { messages: this.#messages, bytes: this.#bytes } : undefined
  }

  /** Messages came, or went: then both are negative. */
  changed({ messages, bytes }: MailQuota): void {
    this.#messages += messages
    this.#bytes += bytes
  }

  /**
   * Begins to count; resolves when that is of one moment, however long it takes: changes may come from then on.
   *
   * @throws what the reading of the first throws
   */
  async begin(mails: AsyncIterable<{ readonly bytes: number }>): Promise<void> {
    const each = mails[Symbol.asyncIterator]()
    const first = await each.next()
    void this.#countOn(each, first) // never rejects
  }

  async #countOn(
    each: AsyncIterator<{ readonly bytes: number }>,
    first: IteratorResult<{ readonly bytes: number }>,
  ): Promise<void> {
    try {
      for (let next = first; next.done !== true; next = await each.next()) {
        this.changed({ messages: 1, bytes: next.value.bytes })
      }
      this.#isWhole = true
    } catch {
      // A disk that fails is told by whoever needs it, and a store may be closed meanwhile: there is no figure then.
    }
  }
}
