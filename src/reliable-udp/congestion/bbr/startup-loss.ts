import type { BackgroundLoss } from './background-loss.ts'
import type { Round } from './rounds.ts'

/** draft-ietf-ccwg-bbr §5.3.1.3: so many packets at least, or chance would end start-up. */
const LEAST_LOST_PACKETS = 6

/**
 * Loss during start-up. While the bandwidth still grows with the rate, loss is the path's own and teaches what it usually
 * loses; when it no longer grows, it is ours, and start-up ends. The draft looks at the loss alone, and leaves start-up at
 * an eighth of a link that loses 5 % at random.
 */
export class StartupLoss {
  #pendingLost = 0
  #pendingAcked = 0
  #isTooHigh = false

  get isTooHigh(): boolean {
    return this.#isTooHigh
  }

  handleRound(round: Readonly<Round>, isGrowing: boolean, background: BackgroundLoss): void {
    if (isGrowing) {
      // Only of the round before is it known now that there was room for more.
      background.handleCalmRound(this.#pendingLost, this.#pendingAcked)
      this.#pendingLost = round.lostBytes
      this.#pendingAcked = round.ackedBytes
      return
    }
    const isEnough = round.lostBytes >= LEAST_LOST_PACKETS * background.datagramBytes
    const sentBytes = round.lostBytes + round.ackedBytes
    this.#isTooHigh = isEnough && background.isExceeded(round.lostBytes, sentBytes)
  }

  clear(): void {
    this.#pendingLost = 0
    this.#pendingAcked = 0
    this.#isTooHigh = false
  }
}
