import type { Instant } from '../core/instant.ts'
import { GRANULARITY_MS, type RttEstimator } from './rtt.ts'

/** RFC 8985 §6.2: in quarters of the least round trip, up to a whole smoothed one. */
const MAX_QUARTERS = 4

/** RFC 8985 §6.2 step 4: so many loss episodes without a false one, and the window is small again. */
const MEMORY_EPISODES = 16

/**
 * How much later than a round trip a packet's acknowledgement may come before the packet is given up. Begins at a
 * quarter of the least round trip and grows by as much, once a round trip, when a packet that was given up arrived.
 */
export class ReorderingWindow {
  #quarters = 1
  #raisedAt = -Infinity
  #episodesWithoutFalse = 0

  /** From the sending of a packet to giving it up: RFC 9002 §6.1.2 with the window of RFC 8985. */
  lossDelayMs(rtt: RttEstimator): number {
    const longest = Math.max(rtt.latestMs, rtt.smoothedMs)
    const window = Math.min((rtt.minMs / 4) * this.#quarters, rtt.smoothedMs)
    return longest + Math.max(longest / 8, window, GRANULARITY_MS)
  }

  handleEpisode(): void {
    this.#episodesWithoutFalse += 1
    if (this.#episodesWithoutFalse >= MEMORY_EPISODES) this.#quarters = 1
  }

  handleFalseLoss(now: Instant, rtt: RttEstimator): void {
    this.#episodesWithoutFalse = 0
    if (now - this.#raisedAt < rtt.smoothedMs) return
    this.#raisedAt = now
    this.#quarters = Math.min(this.#quarters + 1, MAX_QUARTERS)
  }
}
