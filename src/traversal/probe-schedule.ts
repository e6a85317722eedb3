/** When a pair is probed. The times are offsets from the agreed T0, or from when the pair was found. */
import { after, type Instant } from '../core/instant.ts'

/** Doubling from one round trip in a city to one around the world; then slowly until the round is over. */
export const PROBE_OFFSETS_MS = [20, 50, 100, 200, 400, 800, 1600, 3600, 5600, 7600, 9600] as const

/**
 * For a target that may be a stranger's, until its budget of five is used up: with openers 20, 200, 1600 ms.
 * Few, so spread out: no outage of a second takes them all. A hole that was opened stays open for 30 s, so the peer's
 * first probe finds it however late he starts, and once he was heard the whole ladder is climbed.
 */
const SPARSE_OFFSETS_MS = [20, 200, 1600, 3600, 7600] as const

/** After this a round of punching is given up. */
export const ROUND_MS = 10_000

export type ProbeStep = 'opener' | 'probe'

/** The remaining steps of one pair in one round. */
export class ProbeSchedule {
  readonly #startAt: Instant
  readonly #openers: readonly Instant[]
  #probes: readonly number[]
  #next = 0

  constructor(
    startAt: Instant,
    options: { readonly openers: readonly Instant[]; readonly isSparse: boolean },
  ) {
    this.#startAt = startAt
    this.#openers = options.openers
    this.#probes = options.isSparse ? SPARSE_OFFSETS_MS : PROBE_OFFSETS_MS
  }

  get dueAt(): Instant | undefined {
    const opener = this.#openers[this.#next]
    if (opener !== undefined) return opener
    const offset = this.#probes[this.#next - this.#openers.length]
    return offset === undefined ? undefined : after(this.#startAt, offset)
  }

  /** The step that is due is being taken. Probes that a late wake-up missed are left out: one now is worth as much. */
  take(now: Instant): ProbeStep {
    const isOpener = this.#next < this.#openers.length
    this.#next += 1
    if (isOpener) return 'opener'
    while (this.dueAt !== undefined && this.dueAt <= now) this.#next += 1
    return 'probe'
  }

  /** The target has shown itself: every rung that is still to come. */
  widen(now: Instant): void {
    if (this.#probes === PROBE_OFFSETS_MS) return
    this.#probes = PROBE_OFFSETS_MS.filter((offset) => after(this.#startAt, offset) > now)
    this.#next = this.#openers.length
  }
}

/** One packet in 4 ms over all pairs: a burst of probes would drown in a home router's or a radio link's queue. */
export const PACE_MS = 4

export class Pacer {
  #nextAt: Instant | undefined

  /** The moment that a packet which is due at `dueAt` may leave. */
  slotFor(dueAt: Instant): Instant {
    return this.#nextAt !== undefined && this.#nextAt > dueAt ? this.#nextAt : dueAt
  }

  noteSent(now: Instant): void {
    this.#nextAt = after(now, PACE_MS)
  }
}
