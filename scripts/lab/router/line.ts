import { EventQueue } from '../../../test/sim/event-queue.ts'
import { Link, type LinkConditions } from '../../../test/sim/link.ts'
import type { Random } from '../../../src/core/random.ts'

/** Node's timers count whole milliseconds and may fire early; what is due within this is due. */
const EARLY_MS = 0.5

/** One direction of the line to the internet: the simulated worlds' link, in real time. */
export class Line {
  readonly #link: Link
  readonly #queue = new EventQueue() // ≤ what the line's rate and latency hold
  readonly #now: () => number
  #timer: NodeJS.Timeout | undefined

  constructor(conditions: LinkConditions, random: Random, now: () => number) {
    this.#link = new Link(conditions, random)
    this.#now = now
  }

  change(conditions: LinkConditions): void {
    this.#link.conditions = conditions
  }

  /** Calls `arrive` when the packet is at the other end, twice where it was doubled; tells why when it never will be. */
  carry(sizeBytes: number, arrive: () => void): string | undefined {
    const now = this.#now()
    const transit = this.#link.transit(now, sizeBytes)
    if (transit.kind === 'lost') return transit.why
    for (const at of transit.at) {
      if (at <= now && this.#queue.size === 0) arrive()
      else this.#queue.plan(at, arrive)
    }
    this.#arm()
    return undefined
  }

  /** What is under way never arrives. */
  close(): void {
    clearTimeout(this.#timer)
  }

  #arm(): void {
    clearTimeout(this.#timer)
    const { nextAt } = this.#queue
    if (nextAt === undefined) return
    this.#timer = setTimeout(() => this.#deliver(), Math.max(0, Math.ceil(nextAt - this.#now())))
  }

  #deliver(): void {
    const dueUntil = this.#now() + EARLY_MS
    while ((this.#queue.nextAt ?? Infinity) <= dueUntil) this.#queue.take()?.()
    this.#arm()
  }
}
