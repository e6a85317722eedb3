/** Keeping a working pair alive and knowing it: when to ask again, and how long an answer is good for. */
import { after, type Instant } from '../core/instant.ts'
import type { PathQuality } from './path-quality.ts'

/** While data flows: fast enough to notice a dead path within seconds. */
export const ACTIVE_HEARTBEAT_MS = 2000

/** Data within this time counts as flowing. */
export const ACTIVE_WINDOW_MS = 45_000

/** Two and a half intervals: one answer may be lost and the next be late. */
const TRUST_INTERVALS = 2.5
/** After the first unanswered question of a long interval, which is repeated soon: as much as 15 s have. */
const MOST_EXTRA_TRUST_MS = 22_500
const TRUST_ROUND_TRIPS = 4

/** A new pair is asked some more at once, so that paths can be compared before much is sent. */
const SETTLING_GAPS_MS = [100, 100, 200] as const

export class Heartbeat {
  #intervalMs: number
  #dueAt: Instant
  #trustedUntil: Instant
  #sentAt: Instant
  #vouchedUntil: Instant
  #isAwaiting = false
  #unanswered = 0
  #settled = 0
  #yieldMs = 0

  /** For a pair that has just been answered for the first time. */
  constructor(now: Instant, intervalMs: number, quality: PathQuality) {
    this.#intervalMs = intervalMs
    this.#sentAt = now
    this.#trustedUntil = after(now, trustMs(intervalMs, quality))
    this.#dueAt = after(now, SETTLING_GAPS_MS[0])
    this.#vouchedUntil = this.#dueAt
  }

  get dueAt(): Instant {
    return this.#dueAt
  }

  get trustedUntil(): Instant {
    return this.#trustedUntil
  }

  /** The answers so far say that the peer is there; until then nobody asks whether he still is. */
  get vouchedUntil(): Instant {
    return this.#vouchedUntil
  }

  /** Whether the last question is still open: then the next one means that it was lost. */
  get isAwaiting(): boolean {
    return this.#isAwaiting
  }

  /** An unanswered question is repeated soon, then with doubling patience: loss is quicker told from death. */
  noteSent(now: Instant, quality: PathQuality): void {
    if (this.#isAwaiting) this.#unanswered += 1
    this.#isAwaiting = true
    this.#sentAt = now
    const patienceMs = quality.patienceMs * 2 ** this.#unanswered
    this.#dueAt = after(now, Math.min(patienceMs, this.#intervalMs))
  }

  noteAnswer(now: Instant, quality: PathQuality): void {
    this.#isAwaiting = false
    this.#unanswered = 0
    this.#settled += 1
    this.#trustedUntil = after(now, trustMs(this.#intervalMs, quality))
    const gapMs = SETTLING_GAPS_MS[this.#settled] ?? this.#intervalMs + this.#yieldMs
    this.#dueAt = after(this.#sentAt, gapMs)
    this.#vouchedUntil = this.#dueAt
    this.#yieldMs = 0
  }

  /**
   * The peer asked by this pair and is answered: both ways have been used, as far as anybody knows. Our own question may
   * wait for longer than his next one takes. Where both ask at once, the one that `yields` waits from then on.
   */
  noteAsked(now: Instant, delayMs: number, yields: boolean, quality: PathQuality): void {
    if (this.#isAwaiting && yields) this.#yieldMs = delayMs
    if (this.#isAwaiting || this.#settled < SETTLING_GAPS_MS.length) return
    const dueAt = after(now, this.#intervalMs + delayMs)
    if (dueAt > this.#dueAt) this.#dueAt = dueAt
    this.#vouchedUntil = this.#dueAt
    const trusted = after(now, trustMs(this.#intervalMs, quality) + delayMs)
    if (trusted > this.#trustedUntil) this.#trustedUntil = trusted
  }

  /** A shorter interval means that more depends on the pair: it is asked at once, and trusted for less. */
  setInterval(now: Instant, intervalMs: number, quality: PathQuality): void {
    if (intervalMs < this.#intervalMs) {
      if (!this.#isAwaiting) this.#dueAt = now
      const trusted = after(now, trustMs(intervalMs, quality))
      if (trusted < this.#trustedUntil) this.#trustedUntil = trusted
    }
    this.#intervalMs = intervalMs
  }

  /** We neither asked nor listened for so long: an answer may still come, or be asked for. */
  postpone(byMs: number): void {
    this.#trustedUntil = after(this.#trustedUntil, byMs)
  }

  /** Ask now: somebody wants to compare. */
  hasten(now: Instant): void {
    if (!this.#isAwaiting && now < this.#dueAt) this.#dueAt = now
  }
}

function trustMs(intervalMs: number, quality: PathQuality): number {
  const ownMs = Math.min(TRUST_INTERVALS * intervalMs, intervalMs + MOST_EXTRA_TRUST_MS)
  return Math.max(ownMs, TRUST_ROUND_TRIPS * (quality.smoothedRttMs ?? 0))
}
