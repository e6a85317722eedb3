/**
 * How much more than the bandwidth explains is acknowledged at once (draft-ietf-ccwg-bbr §5.5.9): Wi-Fi frames, batches of
 * the kernel, thinned ACKs. So much more may be under way, since it waits for its ACK and not in a queue.
 */
import type { Instant } from '../../../core/instant.ts'

/** In rounds; the maximum is kept in two halves, so it is remembered for 5 to 10. */
const MEMORY_ROUNDS = 10
/** In start-up the bandwidth is still underestimated: only the present is believed. */
const STARTUP_MEMORY_ROUNDS = 1

export class AckAggregation {
  #startedAt: Instant | undefined
  #acked = 0
  #present = 0
  #former = 0
  #halfUntilRound = 0

  /** Bytes. */
  get extraBytes(): number {
    return Math.max(this.#present, this.#former)
  }

  restart(now: Instant): void {
    this.#startedAt = now
    this.#acked = 0
  }

  handleAck(
    now: Instant,
    ackedBytes: number,
    bandwidth: number,
    mostBytes: number,
    round: number,
    isStartup: boolean,
  ): void {
    let expected = this.#startedAt === undefined ? 0 : bandwidth * (now - this.#startedAt)
    if (this.#acked <= expected) {
      this.restart(now)
      expected = 0
    }
    this.#acked += ackedBytes
    this.#forget(round, isStartup ? STARTUP_MEMORY_ROUNDS : MEMORY_ROUNDS)
    this.#present = Math.max(this.#present, Math.min(this.#acked - expected, mostBytes))
  }

  #forget(round: number, memoryRounds: number): void {
    if (round < this.#halfUntilRound) return
    this.#former = this.#present
    this.#present = 0
    this.#halfUntilRound = round + Math.ceil(memoryRounds / 2)
  }
}
