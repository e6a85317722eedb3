/** Keeping a working pair alive and knowing it: when to ask again, and how long an answer is good for. */
import { after, type Instant } from '../core/instant.ts'
import type { PathQuality } from './path-quality.ts'

/** While data flows: fast enough to notice a dead path within seconds. */
export const ACTIVE_HEARTBEAT_MS = 2000

/** Else: half of the shortest mapping lifetime that is common (30 s). RFC 8445 §11 has the same 15 s. */
const IDLE_HEARTBEAT_MS = 15_000

/** Where a NAT's lifetime is known: a question may come late, and its answer be lost once. */
const LIFETIME_SHARE = 0.6
const LEAST_IDLE_MS = 10_000
/** Another NAT on the way may have the 30 s that are common, and nobody measured it. */
const MOST_IDLE_MS = 25_000

/** How often a pair is asked while no data flows, by the shorter of the lifetimes that either side's NAT is known to have. */
export function idleHeartbeatMs(lifetimesMs: readonly (number | undefined)[]): number {
  const known = lifetimesMs.filter((lifetimeMs) => lifetimeMs !== undefined)
  if (known.length === 0) return IDLE_HEARTBEAT_MS
  return Math.min(MOST_IDLE_MS, Math.max(LEAST_IDLE_MS, LIFETIME_SHARE * Math.min(...known)))
}

/** Data within this time counts as flowing. */
export const ACTIVE_WINDOW_MS = 45_000

/** Two and a half intervals: one answer may be lost and the next be late. */
const TRUST_INTERVALS = 2.5
const TRUST_ROUND_TRIPS = 4

/** A new pair is asked some more at once, so that paths can be compared before much is sent. */
const SETTLING_GAPS_MS = [100, 100, 200] as const

export class Heartbeat {
  #intervalMs: number
  #dueAt: Instant
  #trustedUntil: Instant
  #sentAt: Instant
  #isAwaiting = false
  #unanswered = 0
  #settled = 0

  /** For a pair that has just been answered for the first time. */
  constructor(now: Instant, intervalMs: number, quality: PathQuality) {
    this.#intervalMs = intervalMs
    this.#sentAt = now
    this.#trustedUntil = after(now, trustMs(intervalMs, quality))
    this.#dueAt = after(now, SETTLING_GAPS_MS[0])
  }

  get dueAt(): Instant {
    return this.#dueAt
  }

  get trustedUntil(): Instant {
    return this.#trustedUntil
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
    this.#dueAt = after(this.#sentAt, SETTLING_GAPS_MS[this.#settled] ?? this.#intervalMs)
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
  return Math.max(TRUST_INTERVALS * intervalMs, TRUST_ROUND_TRIPS * (quality.smoothedRttMs ?? 0))
}
