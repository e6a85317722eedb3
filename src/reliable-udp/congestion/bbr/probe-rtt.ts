/**
 * Little in flight until the path's own round trip shows (draft-ietf-ccwg-bbr §5.3.4). When it was not seen for 10 s, for
 * long enough that all flows of a bottleneck meet in it; for a round, to see whose queue it is that stands.
 */
import type { Instant } from '../../../core/instant.ts'
import type { AckSample } from '../controller.ts'
import type { Rounds } from './rounds.ts'

/** §2.13: long enough for flows of different round trips to overlap, and 1 % of the time at half the rate. */
const DURATION_MS = 200

/** The least round trip is stale; a queue stands, or did in start-up; we compete, and perhaps nobody else does any more. */
export type ProbeRttReason = 'stale' | 'standing-queue' | 'after-startup' | 'competing'

export class ProbeRtt {
  #window = 0
  #reason: ProbeRttReason = 'stale'
  #lowSince: Instant | undefined
  #rounds = 0
  #rttMs = Infinity

  get windowBytes(): number {
    return this.#window
  }

  get reason(): ProbeRttReason {
    return this.#reason
  }

  /** The least round trip of the rounds with little in flight. */
  get rttMs(): number {
    return this.#rttMs
  }

  start(windowBytes: number, reason: ProbeRttReason): void {
    this.#window = windowBytes
    this.#reason = reason
    this.#lowSince = undefined
    this.#rounds = 0
    this.#rttMs = Infinity
  }

  handleAck(sample: Readonly<AckSample>, rounds: Rounds): void {
    if (this.#lowSince === undefined) {
      if (sample.inFlightBytes > this.#window) return
      this.#lowSince = sample.now
      rounds.restart(sample.delivered)
      return
    }
    if (rounds.isStart) this.#rounds += 1
    if (sample.rttMs > 0) this.#rttMs = Math.min(this.#rttMs, sample.rttMs - sample.ackDelayMs)
  }

  isDone(now: Instant): boolean {
    if (this.#lowSince === undefined || this.#rounds === 0) return false
    return this.#reason !== 'stale' || now - this.#lowSince > DURATION_MS
  }
}
