/**
 * Notices on the chosen path what its silences do to it, and says how long the next one may be (`idle-interval.ts`).
 *
 * Whoever asks first after a silence learns from the answer that both NATs still had their mappings; who is asked learns
 * it, too. An answer must come before the other side would ask of its own accord: a question from there opens its NAT anew,
 * and what comes after that proves nothing.
 */
import { after, type Instant } from '../core/instant.ts'
import { IdleInterval, type NetworkSilences } from './idle-interval.ts'

/** Who was asked last waits so much longer than its interval: mostly one side asks, and both learn. */
export const LISTENER_DELAY_MS = 5_000

/** Four questions in a row have been lost by then, or the path is dead. */
const ANSWER_WITHIN_MS = 4_000

/** A peer that is heard so soon after a death was there all the while, and so was the network. */
const CONFIRM_WITHIN_MS = 10_000

/** Shorter silences are those of a path in use. */
const LEAST_TRIED_MS = 9_000

/** Whoever asks later than its interval by so much expected to be asked, and was not: the answer proves nothing. */
const LATE_MS = LISTENER_DELAY_MS / 2

interface Trial {
  readonly silenceMs: number
  readonly until: Instant
}

export class SilenceWatch {
  readonly #network: NetworkSilences
  #interval: IdleInterval
  #lifetimesMs: readonly (number | undefined)[] = []
  #isByNat = false
  #quietSince: Instant | undefined
  #trial: Trial | undefined
  #death: Trial | undefined

  constructor(network: NetworkSilences) {
    this.#network = network
    this.#interval = new IdleInterval(network.known)
  }

  /** Between two questions while no data flows. */
  get intervalMs(): number {
    return this.#interval.ms
  }

  /** When a question that is not answered by then means that the path died. */
  get deadline(): Instant | undefined {
    return this.#trial?.until
  }

  /** For how long nothing has kept the path's mappings alive. */
  quietMs(now: Instant): number {
    return this.#quietSince === undefined ? 0 : now - this.#quietSince
  }

  /** How long the NATs of both sides keep a mapping, where that was tested. */
  setLifetimes(lifetimesMs: readonly (number | undefined)[]): void {
    this.#lifetimesMs = lifetimesMs
    this.#interval.setLifetimes(lifetimesMs)
  }

  /** Another path is the chosen one. What it teaches is true of the network where it leads through the network's NAT. */
  follow(now: Instant, isByNat: boolean): void {
    this.#isByNat = isByNat
    this.#quietSince = now
    this.#trial = undefined
  }

  /** We are in another network, or the peer is. */
  forget(): void {
    this.#interval = new IdleInterval(this.#network.known)
    this.#interval.setLifetimes(this.#lifetimesMs)
    this.pause()
  }

  /** We were away: what was not heard meanwhile says nothing. */
  pause(): void {
    this.#quietSince = undefined
    this.#trial = undefined
    this.#death = undefined
  }

  /** Data went over the path. */
  traffic(now: Instant): void {
    this.#quietSince = now
  }

  /** We ask by this path, which takes so long for an answer. */
  asked(now: Instant, rttMs: number): void {
    if (this.#trial !== undefined) return
    const silenceMs = this.quietMs(now)
    this.#quietSince = now
    if (silenceMs < LEAST_TRIED_MS || silenceMs > this.intervalMs + LATE_MS) return
    this.#trial = { silenceMs, until: after(now, Math.max(ANSWER_WITHIN_MS, 4 * rttMs)) }
  }

  /** The peer asks by this path. Where both ask at once each opens its NAT for the other: that teaches nothing. */
  heard(now: Instant): void {
    const silenceMs = this.quietMs(now)
    this.#quietSince = now
    if (this.#trial === undefined) this.#survive(silenceMs)
    this.#trial = undefined
  }

  answered(now: Instant): void {
    const trial = this.#trial
    this.#quietSince = now
    this.#trial = undefined
    if (trial !== undefined) this.#survive(trial.silenceMs)
  }

  /** True when the path died. */
  handleTimeout(now: Instant): boolean {
    const trial = this.#trial
    if (trial === undefined || now < trial.until) return false
    this.#trial = undefined
    this.#interval.died(trial.silenceMs)
    this.#death = { silenceMs: trial.silenceMs, until: after(now, CONFIRM_WITHIN_MS) }
    return true
  }

  /** The peer answers by whichever way. */
  peerHeard(now: Instant): void {
    const death = this.#death
    this.#death = undefined
    if (death === undefined || now >= death.until) return
    this.#interval.confirmDeath(death.silenceMs)
    if (this.#isByNat) this.#network.noteDeath(death.silenceMs)
  }

  #survive(silenceMs: number): void {
    const provenMs = this.#interval.survived(silenceMs)
    if (provenMs !== undefined && this.#isByNat) this.#network.noteSurvival(provenMs)
  }
}
