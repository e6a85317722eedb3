/**
 * Watches what silences do to the path that carries data, and says how long the next one may be (`idle-interval.ts`).
 *
 * A path that gives no answer after a silence has died of it, whether or not the peer's next question opens it again: the
 * interval goes back at once, for this path. Where the peer is heard soon after, he was neither away nor cut off, and the
 * network learns it, too.
 */
import { after, type Instant } from '../core/instant.ts'
import { type NetworkSilences, safeAfter } from './idle-interval.ts'

/** Who was asked last waits so much longer than its interval: mostly one side asks, and keeps both sides' NATs. */
export const LISTENER_DELAY_MS = 5_000

/** Four questions in a row have been lost by then, or they find no mapping. */
const ANSWER_WITHIN_MS = 4_000

/** A peer that is heard so soon after a death was there all the while, and so was the network. */
const CONFIRM_WITHIN_MS = 10_000

/** Shorter silences are those of a path in use. */
const LEAST_SILENCE_MS = 9_000

interface Silence {
  readonly silenceMs: number
  readonly until: Instant
}

export class SilenceWatch {
  readonly #network: NetworkSilences
  /** The shortest one that this path died of. */
  #diedMs: number | undefined
  #isByNat = false
  #quietSince: Instant | undefined
  /** Before the first question that is not answered. */
  #asked: Silence | undefined
  #death: Silence | undefined

  constructor(network: NetworkSilences) {
    this.#network = network
  }

  /** Between two questions while no data flows. */
  get intervalMs(): number {
    const { intervalMs } = this.#network
    return this.#diedMs === undefined ? intervalMs : Math.min(intervalMs, safeAfter(this.#diedMs))
  }

  /** When a question that is not answered by then means that its silence was too long. */
  get deadline(): Instant | undefined {
    return this.#asked?.until
  }

  /** For how long nothing has kept the path's mappings alive. */
  quietMs(now: Instant): number {
    return this.#quietSince === undefined ? 0 : now - this.#quietSince
  }

  /** Another path is the chosen one. What it teaches is true of the network where it leads through the network's NAT. */
  follow(now: Instant, isByNat: boolean): void {
    this.#isByNat = isByNat
    this.#quietSince = now
    this.#asked = undefined
  }

  /** We are in another network, or the peer is. */
  forget(): void {
    this.#diedMs = undefined
    this.pause()
  }

  /** We were away: what was not heard meanwhile says nothing. */
  pause(): void {
    this.#quietSince = undefined
    this.#asked = undefined
    this.#death = undefined
  }

  /** Data went over the path. */
  traffic(now: Instant): void {
    this.#quietSince = now
  }

  /** We ask by this path, which takes so long for an answer. */
  asked(now: Instant, rttMs: number): void {
    const silenceMs = this.quietMs(now)
    this.#quietSince = now
    if (this.#asked !== undefined || silenceMs < LEAST_SILENCE_MS) return
    this.#asked = { silenceMs, until: after(now, Math.max(ANSWER_WITHIN_MS, 4 * rttMs)) }
  }

  /** The peer's questions and answers come by this path. */
  heard(now: Instant): void {
    this.#quietSince = now
    this.#asked = undefined
    this.confirm(now)
  }

  /** True when the path died, as it seems: is the peer there by another way? */
  handleTimeout(now: Instant): boolean {
    if (this.#asked === undefined || now < this.#asked.until) return false
    const { silenceMs } = this.#asked
    this.#asked = undefined
    this.#diedMs = Math.min(silenceMs, this.#diedMs ?? Infinity)
    this.#death = { silenceMs, until: after(now, CONFIRM_WITHIN_MS) }
    return true
  }

  /** The peer is heard, by whichever way. True when he was there while his path was dead. */
  confirm(now: Instant): boolean {
    const death = this.#death
    this.#death = undefined
    if (death === undefined || now >= death.until) return false
    if (this.#isByNat) this.#network.noteDeath(death.silenceMs)
    return true
  }
}
