/** What a machine keeps for `pollTransmit` or `pollEvent`: first in, first out, without shifting arrays. */
export class OutboundQueue<T> {
  #items: T[] = [] // drained after every change, so it holds what one change produced
  #next = 0

  push(item: T): void {
    this.#items.push(item)
  }

  shift(): T | undefined {
    if (this.#next >= this.#items.length) return undefined
    const item = this.#items[this.#next]
    this.#next += 1
    if (this.#next === this.#items.length) {
      this.#items = []
      this.#next = 0
    }
    return item
  }

  get size(): number {
    return this.#items.length - this.#next
  }
}
