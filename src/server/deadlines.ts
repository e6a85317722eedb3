import type { Instant } from '../core/instant.ts'

interface Entry<K> {
  readonly key: K
  readonly at: Instant
}

/**
 * Many deadlines of which the earliest is wanted: a binary heap. A deadline that moved leaves its old entry behind,
 * which is skipped when it comes up.
 */
export class Deadlines<K> {
  readonly #current = new Map<K, Instant>() // BOUNDED: by whoever sets deadlines, one a key
  #heap: Entry<K>[] = [] // ≤ 2 × #current + 16: compacted beyond that

  set(key: K, at: Instant): void {
    if (this.#current.get(key) === at) return
    this.#current.set(key, at)
    this.#heap.push({ key, at })
    this.#rise(this.#heap.length - 1)
    if (this.#heap.length > 2 * this.#current.size + 16) this.#compact()
  }

  delete(key: K): void {
    this.#current.delete(key)
  }

  get earliest(): Instant | undefined {
    this.#skipStale()
    return this.#heap[0]?.at
  }

  /** Removes and gives one key whose deadline has come; `undefined` when there is none. */
  takeDue(now: Instant): K | undefined {
    this.#skipStale()
    const first = this.#heap[0]
    if (first === undefined || first.at > now) return undefined
    this.#removeFirst()
    this.#current.delete(first.key)
    return first.key
  }

  #skipStale(): void {
    for (let first = this.#heap[0]; first !== undefined; first = this.#heap[0]) {
      if (this.#current.get(first.key) === first.at) return
      this.#removeFirst()
    }
  }

  #compact(): void {
    this.#heap = [...this.#current].map(([key, at]) => ({ key, at }))
    this.#heap.sort((a, b) => a.at - b.at) // a sorted array is a heap
  }

  #removeFirst(): void {
    const last = this.#heap.pop()
    if (last === undefined || this.#heap.length === 0) return
    this.#heap[0] = last
    this.#sink()
  }

  #rise(index: number): void {
    for (let child = index; child > 0;) {
      const parent = (child - 1) >> 1
      if (this.#isInOrder(parent, child)) return
      this.#swap(parent, child)
      child = parent
    }
  }

  #sink(): void {
    for (let parent = 0; ;) {
      const left = 2 * parent + 1
      const right = left + 1
      let smallest = parent
      if (!this.#isInOrder(smallest, left)) smallest = left
      if (!this.#isInOrder(smallest, right)) smallest = right
      if (smallest === parent) return
      this.#swap(parent, smallest)
      parent = smallest
    }
  }

  #isInOrder(parent: number, child: number): boolean {
    const above = this.#heap[parent]
    const below = this.#heap[child]
    return above === undefined || below === undefined || above.at <= below.at
  }

  #swap(a: number, b: number): void {
    const kept = this.#heap[a]
    const other = this.#heap[b]
    if (kept === undefined || other === undefined) return
    this.#heap[a] = other
    this.#heap[b] = kept
  }
}
