/**
 * Token buckets for the networks that ask something of us, /24 of IPv4 and /56 of IPv6: what one household, office or
 * rack can be given by its provider counts as one, so that spoofing many addresses of a victim's network gains nothing.
 */
import type { Endpoint } from '../core/endpoint.ts'
import type { Instant } from '../core/instant.ts'

export interface BucketLimits {
  readonly perSecond: number
  readonly burst: number
}

interface Bucket {
  tokens: number
  filledAt: Instant
}

/** About 100 bytes each. Who floods from more networks than this is not held by any bucket, and not by a bigger table. */
const DEFAULT_MAX_PREFIXES = 8192

export class PrefixBuckets {
  readonly #limits: BucketLimits
  readonly #maxPrefixes: number
  readonly #buckets = new Map<string, Bucket>() // ≤ #maxPrefixes, least recently used dropped

  constructor(limits: BucketLimits, { maxPrefixes = DEFAULT_MAX_PREFIXES } = {}) {
    this.#limits = limits
    this.#maxPrefixes = maxPrefixes
  }

  /** Takes one token of the sender's network; `false` when there is none. */
  take(now: Instant, from: Endpoint): boolean {
    const prefix = prefixOf(from)
    const bucket = this.#buckets.get(prefix) ?? { tokens: this.#limits.burst, filledAt: now }
    this.#buckets.delete(prefix)
    this.#buckets.set(prefix, bucket) // the youngest of the map's order again
    this.#dropOldest()
    return takeToken(bucket, this.#limits, now)
  }

  get size(): number {
    return this.#buckets.size
  }

  #dropOldest(): void {
    if (this.#buckets.size <= this.#maxPrefixes) return
    const [oldest] = this.#buckets.keys()
    if (oldest !== undefined) this.#buckets.delete(oldest)
  }
}

/** One bucket for everybody together. */
export class SharedBucket {
  readonly #limits: BucketLimits
  #bucket: Bucket | undefined

  constructor(limits: BucketLimits) {
    this.#limits = limits
  }

  take(now: Instant): boolean {
    this.#bucket ??= { tokens: this.#limits.burst, filledAt: now }
    return takeToken(this.#bucket, this.#limits, now)
  }
}

function takeToken(bucket: Bucket, { perSecond, burst }: BucketLimits, now: Instant): boolean {
  const earned = ((now - bucket.filledAt) / 1000) * perSecond
  bucket.tokens = Math.min(burst, bucket.tokens + earned)
  bucket.filledAt = now
  if (bucket.tokens < 1) return false
  bucket.tokens -= 1
  return true
}

/** By text, since this runs for each datagram of a flood: `192.0.2` for /24, `2001:db8:0:12` (14 hex digits of 56 bits) for /56. */
export function prefixOf({ family, address }: Endpoint): string {
  if (family === 4) return address.slice(0, address.lastIndexOf('.'))
  const [head = '', tail] = address.split('::')
  const front = head === '' ? [] : head.split(':')
  const back = tail === undefined || tail === '' ? [] : tail.split(':')
  const zeros = Array<string>(Math.max(0, 8 - front.length - back.length)).fill('0')
  const groups = [...front, ...zeros, ...back].slice(0, 4).map((group) => group.padStart(4, '0'))
  return groups.join('').slice(0, 14)
}
