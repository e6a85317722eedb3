import type { Instant } from '../core/instant.ts'

export interface BucketShape {
  /** How many may come at once. */
  readonly burst: number
  /** One more is allowed after each such time. */
  readonly everyMs: number
}

/** So many at once, and one more every so often. */
export class TokenBucket {
  readonly #shape: BucketShape
  #tokens: number
  #at: Instant

  constructor(now: Instant, shape: BucketShape) {
    this.#shape = shape
    this.#tokens = shape.burst
    this.#at = now
  }

  /** Takes so many; `false`, and takes none, when there are fewer. */
  take(now: Instant, count = 1): boolean {
    this.#fill(now)
    if (this.#tokens < count) return false
    this.#tokens -= count
    return true
  }

  /** Gives back one that was taken. */
  giveBack(): void {
    this.#tokens = Math.min(this.#shape.burst, this.#tokens + 1)
  }

  /** How long until there are so many again; 0 when there are. */
  waitMs(now: Instant, count = 1): number {
    this.#fill(now)
    return Math.ceil(Math.max(0, count - this.#tokens) * this.#shape.everyMs)
  }

  isFull(now: Instant): boolean {
    this.#fill(now)
    return this.#tokens >= this.#shape.burst
  }

  #fill(now: Instant): void {
    const earned = (now - this.#at) / this.#shape.everyMs
    this.#tokens = Math.min(this.#shape.burst, this.#tokens + earned)
    this.#at = now
  }
}

/** More keys than any honest crowd; 150 bytes each. */
const MOST_KEYS = 65_536

/** A bucket for each of many. One that is full again says nothing and is forgotten. */
export class TokenBuckets {
  readonly #shape: BucketShape
  readonly #buckets = new Map<string, TokenBucket>() // ≤ MOST_KEYS, the longest unused dropped first

  constructor(shape: BucketShape) {
    this.#shape = shape
  }

  take(now: Instant, key: string): boolean {
    const bucket = this.#buckets.get(key) ?? new TokenBucket(now, this.#shape)
    this.#buckets.delete(key) // so that the map's order is the order of use
    this.#buckets.set(key, bucket)
    const isTaken = bucket.take(now)
    this.#forget(now)
    return isTaken
  }

  giveBack(key: string): void {
    this.#buckets.get(key)?.giveBack()
  }

  waitMs(now: Instant, key: string): number {
    return this.#buckets.get(key)?.waitMs(now) ?? 0
  }

  get size(): number {
    return this.#buckets.size
  }

  // Amortised: each use adds one key at most, and looks at the two that have been unused for longest.
  #forget(now: Instant): void {
    let looked = 0
    for (const [key, bucket] of this.#buckets) {
      looked += 1
      const isOver = this.#buckets.size > MOST_KEYS
      if (looked > 2 || !(isOver || bucket.isFull(now))) return
      this.#buckets.delete(key)
    }
  }
}
