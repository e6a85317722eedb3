import { after, type Instant } from '../core/instant.ts'
import type { ConnectionStats } from '../reliable-udp/connection-event.ts'

/** What is sent and not acknowledged for so long, with nothing else heard, means a dead path. */
const STALL_MS = 1_500
const STALL_ROUND_TRIPS = 4

/** How often is looked while something is under way: so much later than need be is a dead path found at most. */
const LOOK_EVERY_MS = 250

/**
 * Notices a path that takes our packets and brings nothing back, before its heartbeat does. `heard` counts what came by
 * the same way: what the peer says by another way tells nothing of this one.
 */
export class StallWatch {
  #watching: { readonly lookAt: Instant; readonly silentSince: Instant } | undefined
  #heard = 0

  get deadline(): Instant | undefined {
    return this.#watching?.lookAt
  }

  /** We were not listening for so long. */
  postpone(byMs: number): void {
    if (this.#watching === undefined) return
    const { lookAt, silentSince } = this.#watching
    this.#watching = { lookAt: after(lookAt, byMs), silentSince: after(silentSince, byMs) }
  }

  /** Something was sent that wants to be acknowledged. */
  watch(now: Instant, heard: number): void {
    if (this.#watching === undefined) this.#lookOn(now, now, heard)
  }

  /** True when the path has stalled. */
  isStalled(now: Instant, stats: ConnectionStats, heard: number): boolean {
    if (this.#watching === undefined || now < this.#watching.lookAt) return false
    const { silentSince } = this.#watching
    this.#watching = undefined
    if (stats.bytesInFlight === 0) return false
    const limitMs = Math.max(STALL_MS, STALL_ROUND_TRIPS * stats.smoothedRttMs)
    const hasHeard = heard > this.#heard
    const isStalled = !hasHeard && now >= after(silentSince, limitMs)
    this.#lookOn(now, hasHeard || isStalled ? now : silentSince, heard)
    return isStalled
  }

  #lookOn(now: Instant, silentSince: Instant, heard: number): void {
    this.#watching = { lookAt: after(now, LOOK_EVERY_MS), silentSince }
    this.#heard = heard
  }
}
