/**
 * How long a path may be left in silence while no data flows.
 *
 * Nobody says how long the NATs on the way keep a mapping (RFC 4787 REQ-5 wants two minutes, 30 s are common, less
 * occurs). So silence begins short, or at a share of the lifetime that is known, and grows step by step where the last
 * step was survived twice: what was survived on this network before is believed after once. A silence that killed the path
 * is never tried again, nor a longer one, and the interval goes back at once.
 */

/** Half of the shortest mapping lifetime that is common (30 s). RFC 8445 §11 has the same 15 s. */
const FIRST_MS = 15_000

/** Where a NAT's lifetime is known: a question may come late, and its answer be lost once. The same of what killed. */
const LIFETIME_SHARE = 0.6
const LEAST_MS = 10_000
/** Another NAT on the way may have the 30 s that are common, and nobody measured it. */
const MOST_UNTRIED_MS = 25_000

/** Each half as long again, up to what RFC 4787 asks of every NAT: beyond it nothing is won for a battery. */
const STEPS_MS = [25_000, 40_000, 60_000, 90_000, 120_000] as const

const SURVIVALS = 2

/** Timers and packets are a little late or early: a silence that was nearly as long as the interval proves it. */
const NEARLY = 0.95

/** What silences did to paths out of one network. */
export interface KnownSilences {
  /** The longest one that was survived twice. */
  readonly survivedMs?: number
  /** The shortest one that a path died of. */
  readonly diedMs?: number
}

/** How often a pair is asked before anything was tried, by the shorter of the lifetimes that either side's NAT is known to have. */
export function idleHeartbeatMs(lifetimesMs: readonly (number | undefined)[]): number {
  const known = lifetimesMs.filter((lifetimeMs) => lifetimeMs !== undefined)
  if (known.length === 0) return FIRST_MS
  return Math.min(MOST_UNTRIED_MS, Math.max(LEAST_MS, LIFETIME_SHARE * Math.min(...known)))
}

export class IdleInterval {
  #baseMs: number
  #intervalMs: number
  #provenMs = 0
  /** Silences as long as this are not tried. */
  #diedMs: number
  /** On this network, by other paths or in other days. */
  readonly #survivedBefore: number
  #survivals = 0

  constructor(known: KnownSilences = {}) {
    this.#survivedBefore = known.survivedMs ?? 0
    this.#diedMs = known.diedMs ?? Infinity
    this.#baseMs = Math.min(FIRST_MS, safeAfter(this.#diedMs))
    this.#intervalMs = this.#baseMs
  }

  get ms(): number {
    return this.#intervalMs
  }

  /** What the tests of both sides' NATs found; what this path has proven stays. */
  setLifetimes(lifetimesMs: readonly (number | undefined)[]): void {
    this.#baseMs = Math.min(idleHeartbeatMs(lifetimesMs), safeAfter(this.#diedMs))
    this.#intervalMs = Math.max(this.#baseMs, this.#provenMs)
  }

  /** The path was silent for so long and still works. Returns the interval that is proven by it, if that is news. */
  survived(silenceMs: number): number | undefined {
    if (silenceMs < NEARLY * this.#intervalMs) return undefined
    this.#survivals += 1
    const wanted = this.#intervalMs <= this.#survivedBefore ? 1 : SURVIVALS
    if (this.#survivals < wanted) return undefined
    this.#survivals = 0
    const isNews = this.#intervalMs > this.#provenMs
    this.#provenMs = Math.max(this.#provenMs, this.#intervalMs)
    const next = STEPS_MS.find((step) => step > this.#intervalMs && step < this.#diedMs)
    this.#intervalMs = next ?? this.#intervalMs
    return isNews ? this.#provenMs : undefined
  }

  /** The path seems to have died of it: back at once. */
  died(silenceMs: number): void {
    this.#survivals = 0
    if (this.#provenMs >= NEARLY * silenceMs) this.#provenMs = 0 // a NAT on the way has been replaced
    this.#baseMs = Math.min(this.#baseMs, safeAfter(silenceMs))
    this.#intervalMs = Math.max(this.#baseMs, this.#provenMs)
  }

  /** It was that and no outage: so long a silence is not tried again. */
  confirmDeath(silenceMs: number): void {
    this.#diedMs = Math.min(this.#diedMs, silenceMs)
  }
}

function safeAfter(diedMs: number): number {
  return Math.max(LEAST_MS, LIFETIME_SHARE * diedMs)
}

/**
 * What all paths out of this network taught: one object for a daemon, which remembers it with the network.
 *
 * A death counts once the peer was heard again: it might have gone to sleep.
 */
export class NetworkSilences {
  #known: KnownSilences = {}
  #isNews = false

  get known(): KnownSilences {
    return this.#known
  }

  /** Whether anything was learnt since it was asked last. */
  takeNews(): boolean {
    const isNews = this.#isNews
    this.#isNews = false
    return isNews
  }

  /** Another network, or the same one on another day. */
  set(known: KnownSilences): void {
    this.#known = known
  }

  noteSurvival(silenceMs: number): void {
    const { survivedMs = 0, diedMs } = this.#known
    if (silenceMs <= survivedMs) return
    const isRefuted = diedMs !== undefined && diedMs <= silenceMs
    this.#learn({
      survivedMs: silenceMs,
      ...(diedMs === undefined || isRefuted ? {} : { diedMs }),
    })
  }

  noteDeath(silenceMs: number): void {
    const { survivedMs, diedMs = Infinity } = this.#known
    if (silenceMs >= diedMs) return
    const isRefuted = survivedMs !== undefined && survivedMs >= NEARLY * silenceMs
    this.#learn({
      diedMs: silenceMs,
      ...(survivedMs === undefined || isRefuted ? {} : { survivedMs }),
    })
  }

  #learn(known: KnownSilences): void {
    this.#known = known
    this.#isNews = true
  }
}
