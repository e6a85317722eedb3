/**
 * How long a path may be left in silence while no data flows.
 *
 * Nobody says how long the NATs on the way keep a mapping (RFC 4787 REQ-5 wants two minutes, 30 s are common, less
 * occurs), and a path that carries a conversation is not the place to try it out. So idle sockets of their own, which ask
 * the STUN server alone, are left in silence for longer and longer (`natprobe/lifetime-probe.ts`). What they survived once
 * is believed as far as other NATs of today go; what they survived in two tests, to the end.
 *
 * Each side answers for its own NATs: a packet from inside keeps a mapping (RFC 4787 REQ-6), and whoever has the shorter
 * interval asks, while the answers keep the other side's. So no side needs to know the other's NATs.
 */

/** Half of the shortest mapping lifetime that is common (30 s). RFC 8445 §11 has the same 15 s. */
const FIRST_MS = 15_000

/** Of what an idle mapping survived: a question may come late, and be lost once or twice. The same of what killed. */
const LIFETIME_SHARE = 0.6
const LEAST_MS = 10_000

/** Tested once: another NAT on the way, or a busier hour, may have the 30 s that are common. */
const MOST_TESTED_ONCE_MS = 25_000
/** What RFC 4787 asks of every NAT: beyond it nothing is won for a battery. */
const MOST_MS = 120_000

/** Once may be chance. */
export const TESTS_WANTED = 2

/** What silences did in one network. */
export interface KnownSilences {
  /** Idle mappings stood for so long in each of the tests; 0 where they did not survive the shortest. */
  readonly survivedMs?: number
  readonly tests?: number
  /** The shortest one that paths died of, all the same. */
  readonly diedMs?: number
}

/** What is known after another test: the worse of them counts. */
export function afterTest(known: KnownSilences, survivedMs: number): KnownSilences {
  const { survivedMs: before = Infinity, tests = 0 } = known
  return { ...known, survivedMs: Math.min(before, survivedMs), tests: tests + 1 }
}

/** How often a path is asked while it is idle. */
export function idleIntervalMs({ survivedMs, tests = 0, diedMs }: KnownSilences): number {
  const mostMs = tests < TESTS_WANTED ? MOST_TESTED_ONCE_MS : MOST_MS
  const testedMs =
    survivedMs === undefined
      ? FIRST_MS
      : Math.min(mostMs, Math.max(LEAST_MS, LIFETIME_SHARE * survivedMs))
  return diedMs === undefined ? testedMs : Math.min(testedMs, safeAfter(diedMs))
}

/** Of a silence of this length a path has died. */
export function safeAfter(diedMs: number): number {
  return Math.max(LEAST_MS, LIFETIME_SHARE * diedMs)
}

/**
 * What is known of the network that the host is in, for all of its paths: one object for a daemon, which remembers it
 * with the network.
 */
export class NetworkSilences {
  #known: KnownSilences
  #suspectedMs: number | undefined
  #isNews = false

  constructor(known: KnownSilences = {}) {
    this.#known = known
  }

  get known(): KnownSilences {
    return this.#known
  }

  get intervalMs(): number {
    return idleIntervalMs(this.#known)
  }

  /** Whether a death taught something since it was asked last. */
  takeNews(): boolean {
    const isNews = this.#isNews
    this.#isNews = false
    return isNews
  }

  /** Another network, or another test of this one. */
  set(known: KnownSilences): void {
    this.#known = known
    this.#suspectedMs = undefined
  }

  /** A path died after a silence though its peer was there. Once is chance (a router was restarted), twice a NAT. */
  noteDeath(silenceMs: number): void {
    const suspectedMs = this.#suspectedMs
    this.#suspectedMs = Math.min(silenceMs, suspectedMs ?? Infinity)
    if (suspectedMs === undefined || this.#suspectedMs >= (this.#known.diedMs ?? Infinity)) return
    this.#known = { ...this.#known, diedMs: this.#suspectedMs }
    this.#isNews = true
  }
}
