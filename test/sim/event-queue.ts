interface Entry {
  readonly at: number
  readonly order: number
  readonly run: () => void
}

/** What will happen in a world, earliest first; what is due at the same moment happens in the order it was planned. */
export class EventQueue {
  readonly #heap: Entry[] = []
  #planned = 0

  get size(): number {
    return this.#heap.length
  }

  get nextAt(): number | undefined {
    return this.#heap[0]?.at
  }

  plan(at: number, run: () => void): void {
    const entry = { at, order: this.#planned++, run }
    let hole = this.#heap.length
    while (hole > 0) {
      const parent = (hole - 1) >> 1
      const above = this.#heap[parent]
      if (above === undefined || !precedes(entry, above)) break
      this.#heap[hole] = above
      hole = parent
    }
    this.#heap[hole] = entry
  }

  take(): (() => void) | undefined {
    const first = this.#heap[0]
    const last = this.#heap.pop()
    if (last !== undefined && this.#heap.length > 0) this.#sink(last)
    return first?.run
  }

  #sink(entry: Entry): void {
    let hole = 0
    for (;;) {
      const child = this.#earlierChild(hole)
      const below = this.#heap[child]
      if (below === undefined || !precedes(below, entry)) break
      this.#heap[hole] = below
      hole = child
    }
    this.#heap[hole] = entry
  }

  #earlierChild(parent: number): number {
    const left = this.#heap[2 * parent + 1]
    const right = this.#heap[2 * parent + 2]
    const isRight = left !== undefined && right !== undefined && precedes(right, left)
    return 2 * parent + (isRight ? 2 : 1)
  }
}

function precedes(a: Entry, b: Entry): boolean {
  return a.at < b.at || (a.at === b.at && a.order < b.order)
}
