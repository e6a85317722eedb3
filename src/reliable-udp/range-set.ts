const INITIAL_RANGES = 4

/**
 * A set of integers as ascending, disjoint, never touching ranges `[start, end)`: packet numbers received, bytes
 * acknowledged. Two typed arrays and no object per range; the usual change, growing the last range, is one write.
 *
 * It has no bound of its own: whoever keeps one that strangers can grow looks at `count`.
 */
export class RangeSet {
  #starts = new Float64Array(INITIAL_RANGES)
  #ends = new Float64Array(INITIAL_RANGES)
  #count = 0

  get count(): number {
    return this.#count
  }

  get isEmpty(): boolean {
    return this.#count === 0
  }

  /** The smallest member; 0 when empty. */
  get min(): number {
    return this.startAt(0)
  }

  /** One more than the greatest member; 0 when empty. */
  get end(): number {
    return this.endAt(this.#count - 1)
  }

  startAt(index: number): number {
    return index < this.#count ? (this.#starts[index] ?? 0) : 0
  }

  endAt(index: number): number {
    return index < this.#count ? (this.#ends[index] ?? 0) : 0
  }

  /** The index of the first range whose end is greater than `value`; `count` when there is none. */
  indexAfter(value: number): number {
    let low = 0
    let high = this.#count
    while (low < high) {
      const middle = (low + high) >> 1
      if (this.endAt(middle) > value) high = middle
      else low = middle + 1
    }
    return low
  }

  has(value: number): boolean {
    const index = this.indexAfter(value)
    return index < this.#count && this.startAt(index) <= value
  }

  /** Whether every member of `[start, end)` is here. */
  covers(start: number, end: number): boolean {
    if (start >= end) return true
    const index = this.indexAfter(start)
    return index < this.#count && this.startAt(index) <= start && this.endAt(index) >= end
  }

  add(start: number, end: number): void {
    if (start >= end) return
    const last = this.#count - 1
    if (last >= 0 && start === this.#ends[last]) {
      this.#ends[last] = end
      return
    }
    // The ranges from `low` up to `high` touch the new one and melt into it.
    const low = this.indexAfter(start - 1)
    let high = low
    while (high < this.#count && this.startAt(high) <= end) high++
    if (low === high) {
      this.#insert(low, start, end)
      return
    }
    this.#starts[low] = Math.min(start, this.startAt(low))
    this.#ends[low] = Math.max(end, this.endAt(high - 1))
    this.#cut(low + 1, high)
  }

  remove(start: number, end: number): void {
    if (start >= end) return
    let low = this.indexAfter(start)
    if (low < this.#count && this.startAt(low) < start) {
      const cutEnd = this.endAt(low)
      this.#ends[low] = start
      low += 1
      if (cutEnd > end) {
        this.#insert(low, end, cutEnd)
        return
      }
    }
    let high = low
    while (high < this.#count && this.endAt(high) <= end) high++
    this.#cut(low, high)
    if (low < this.#count && this.startAt(low) < end) this.#starts[low] = end
  }

  removeBelow(bound: number): void {
    this.#cut(0, this.indexAfter(bound))
    if (this.#count > 0 && this.startAt(0) < bound) this.#starts[0] = bound
  }

  dropFirst(): void {
    this.#cut(0, Math.min(1, this.#count))
  }

  clear(): void {
    this.#count = 0
  }

  /** The ranges as pairs, for tests and logs. */
  toPairs(): (readonly [start: number, end: number])[] {
    const pairs: (readonly [number, number])[] = []
    for (let i = 0; i < this.#count; i++) pairs.push([this.startAt(i), this.endAt(i)])
    return pairs
  }

  #insert(index: number, start: number, end: number): void {
    if (this.#count === this.#starts.length) this.#grow()
    this.#starts.copyWithin(index + 1, index, this.#count)
    this.#ends.copyWithin(index + 1, index, this.#count)
    this.#starts[index] = start
    this.#ends[index] = end
    this.#count += 1
  }

  #cut(from: number, to: number): void {
    if (from >= to) return
    this.#starts.copyWithin(from, to, this.#count)
    this.#ends.copyWithin(from, to, this.#count)
    this.#count -= to - from
  }

  #grow(): void {
    const starts = new Float64Array(this.#starts.length * 2)
    const ends = new Float64Array(this.#ends.length * 2)
    starts.set(this.#starts)
    ends.set(this.#ends)
    this.#starts = starts
    this.#ends = ends
  }
}
