/** What heartbeats tell about a path: round trip, jitter, loss. */
import type { Instant } from '../core/instant.ts'

/** Loss is counted over so many questions. */
const LOSS_WINDOW = 20

/** One lost of twenty is chance, not loss: at 1 % loss it happens in every fifth window. */
const FORGIVEN_LOSSES = 1

/**
 * Twice RFC 6298 §2's eighth: a question every two seconds must tell within ten that a path is another now. Jitter is
 * between neighbours (RFC 3550 §6.4.1), so a path that has become faster or slower once does not look restless for long.
 */
const GAIN = 1 / 4

export class PathQuality {
  #smoothedRttMs: number | undefined
  #jitterMs = 0
  #latestRttMs: number | undefined
  #latestAt: Instant | undefined
  readonly #outcomes: boolean[] = [] // ≤ LOSS_WINDOW, true = answered

  noteAnswer(now: Instant, rttMs: number): void {
    const { smoothedRttMs = rttMs, latestRttMs = rttMs } = this
    this.#jitterMs += (Math.abs(rttMs - latestRttMs) - this.#jitterMs) * GAIN
    this.#smoothedRttMs = smoothedRttMs + (rttMs - smoothedRttMs) * GAIN
    this.#latestRttMs = rttMs
    this.#latestAt = now
    this.#endOutage()
    this.#noteOutcome(true)
  }

  noteLoss(): void {
    this.#noteOutcome(false)
  }

  get smoothedRttMs(): number | undefined {
    return this.#smoothedRttMs
  }

  get latestRttMs(): number | undefined {
    return this.#latestRttMs
  }

  get latestAt(): Instant | undefined {
    return this.#latestAt
  }

  get jitterMs(): number {
    return this.#jitterMs
  }

  get lossRatio(): number {
    return this.#lost / Math.max(1, this.#outcomes.length)
  }

  /** For comparing paths: a short history must not look worse than it is. */
  get penaltyPercent(): number {
    return (Math.max(0, this.#lost - FORGIVEN_LOSSES) / LOSS_WINDOW) * 100
  }

  /** When a question may be taken for lost. */
  get patienceMs(): number {
    const { smoothedRttMs } = this
    if (smoothedRttMs === undefined) return UNKNOWN_PATIENCE_MS
    return Math.max(MIN_PATIENCE_MS, smoothedRttMs + 4 * this.#jitterMs + smoothedRttMs / 2)
  }

  get #lost(): number {
    return this.#outcomes.filter((wasAnswered) => !wasAnswered).length
  }

  /**
   * Several losses in a row were an outage and count as one: it is over, and trust has judged it while it lasted. As
   * loss they would weigh for twenty more questions, which are five minutes on a path that stands by.
   */
  #endOutage(): void {
    while (this.#outcomes.at(-1) === false && this.#outcomes.at(-2) === false) this.#outcomes.pop()
  }

  #noteOutcome(wasAnswered: boolean): void {
    this.#outcomes.push(wasAnswered)
    if (this.#outcomes.length > LOSS_WINDOW) this.#outcomes.shift()
  }
}

/** A radio link that wakes up takes so long. */
const MIN_PATIENCE_MS = 200

/** RFC 8489 §6.2.1's first timeout, for want of better. */
const UNKNOWN_PATIENCE_MS = 500
