import { after, type Instant } from '../core/instant.ts'
import type { ConnectionStats } from '../reliable-udp/connection-event.ts'

/** What is sent and not acknowledged for so long, with nothing else heard, means a dead path. */
const STALL_MS = 1_500
const STALL_ROUND_TRIPS = 4

/**
 * Notices a path that takes our packets and brings nothing back, before its heartbeat does. `heard` counts what came by
 * the same way: what the peer says by another way tells nothing of this one.
 */
export class StallWatch {
  #at: Instant | undefined
  #heard = 0

  get deadline(): Instant | undefined {
    return this.#at
  }

  /** We were not listening for so long. */
  postpone(byMs: number): void {
    if (this.#at !== undefined) this.#at = after(this.#at, byMs)
  }

  /** Something was sent that wants to be acknowledged. */
  watch(now: Instant, stats: ConnectionStats, heard: number): void {
    if (this.#at === undefined) this.#restart(now, stats, heard)
  }

  /** True when the path has stalled. */
  isStalled(now: Instant, stats: ConnectionStats, heard: number): boolean {
    if (this.#at === undefined || now < this.#at) return false
    this.#at = undefined
    if (stats.bytesInFlight === 0) return false
    const hasHeard = heard > this.#heard
    this.#restart(now, stats, heard)
    return !hasHeard
  }

  #restart(now: Instant, stats: ConnectionStats, heard: number): void {
    this.#at = after(now, Math.max(STALL_MS, STALL_ROUND_TRIPS * stats.smoothedRttMs))
    this.#heard = heard
  }
}
