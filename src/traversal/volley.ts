/** Probes of a punching attempt that leave one after another at an even pace. */
import type { Endpoint } from '../core/endpoint.ts'
import { after, type Instant } from '../core/instant.ts'
import type { SocketId } from '../core/machine.ts'

export interface Shot {
  readonly via: SocketId | undefined
  readonly to: Endpoint
  /** Only to open our own NAT. */
  readonly isOpener?: boolean
}

export interface VolleyPlan {
  /** From when it is planned. */
  readonly delayMs: number
  readonly paceMs: number
  readonly shots: readonly Shot[]
}

/** After a late wake-up at most so many leave at once: more would be the burst that the pace is to prevent. */
const MOST_AT_ONCE = 8

export class Volley {
  readonly #plan: VolleyPlan
  #next = 0
  #dueAt: Instant

  constructor(now: Instant, plan: VolleyPlan) {
    this.#plan = plan
    this.#dueAt = after(now, plan.delayMs)
  }

  get dueAt(): Instant | undefined {
    return this.#next < this.#plan.shots.length ? this.#dueAt : undefined
  }

  /** What is due; the rest follows from now on, however late it is. */
  take(now: Instant): readonly Shot[] {
    const { shots, paceMs } = this.#plan
    const taken: Shot[] = []
    for (; taken.length < MOST_AT_ONCE && this.#dueAt <= now; this.#next += 1) {
      const shot = shots[this.#next]
      if (shot === undefined) return taken
      taken.push(shot)
      this.#dueAt = after(this.#dueAt, paceMs)
    }
    if (this.#dueAt < now) this.#dueAt = after(now, paceMs)
    return taken
  }
}
