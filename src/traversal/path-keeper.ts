/**
 * Keeping what was found: each pair that works is asked by heartbeats until its trust ends (`heartbeat.ts`), and the one
 * that carries data is watched for what silences (`silence.ts`) and its age (`path-rotation.ts`) do to it. The relay is kept
 * like any pair; that it answers again after it did not tells that the network is back (`relay-watch.ts`).
 *
 * It searches for nothing. Where a path dies, another one that works takes its place in the same moment; that the last
 * direct one is gone, or will soon be, is what its owner (`path-agent.ts`) is told, who searches.
 */
import { after, earliest, type Instant } from '../core/instant.ts'
import type { CandidatePair } from './candidate-pair.ts'
import { ACTIVE_HEARTBEAT_MS, ACTIVE_WINDOW_MS } from './heartbeat.ts'
import type { NetworkSilences } from './idle-interval.ts'
import { scoreOf } from './path-choice.ts'
import { PathRotation } from './path-rotation.ts'
import type { PathSelection } from './path-selection.ts'
import type { ProbeRole } from './probe.ts'
import type { Heard, ProbeExchange } from './probe-exchange.ts'
import type { Puncher } from './puncher.ts'
import { RelayWatch } from './relay-watch.ts'
import { LISTENER_DELAY_MS, SilenceWatch } from './silence.ts'

/** Working pairs that are kept beside the chosen one: another interface, another family. */
const MAX_STANDBY = 3

export interface PathKeeperOptions {
  readonly role: ProbeRole
  readonly exchange: ProbeExchange
  /** All that are known; those that work are kept. */
  readonly pairs: Pick<Puncher, 'all' | 'relay'>
  /** Whoever finds a pair offers it there. */
  readonly selection: PathSelection
  readonly silences: NetworkSilences
}

export class PathKeeper {
  readonly #role: ProbeRole
  readonly #exchange: ProbeExchange
  readonly #pairs: PathKeeperOptions['pairs']
  readonly #selection: PathSelection
  readonly #silence: SilenceWatch
  readonly #rotation = new PathRotation()
  readonly #relayWatch = new RelayWatch()
  /** The pair whose silences are watched. */
  #watched: CandidatePair | undefined
  #lastDataAt: Instant | undefined

  constructor({ role, exchange, pairs, selection, silences }: PathKeeperOptions) {
    this.#role = role
    this.#exchange = exchange
    this.#pairs = pairs
    this.#selection = selection
    this.#silence = new SilenceWatch(silences)
  }

  /** For how long nothing has gone over the chosen path. */
  quietMs(now: Instant): number {
    return this.#silence.quietMs(now)
  }

  /** The relay is reached by a pair, in place of the old one. True when it had not carried: the network is back. */
  relayReady(now: Instant, relay: CandidatePair, old: CandidatePair | undefined): boolean {
    if (old !== undefined && this.#selection.current === old) this.#selection.replace(now, relay)
    else this.#selection.offer(now, relay)
    return this.#relayWatch.ready()
  }

  /** The peer was heard through it. True when he was not for a while: the network is back. */
  relayHeard(): boolean {
    return this.#relayWatch.heard()
  }

  /** It does not carry any more; the pair is none of those that are known. */
  relayLost(now: Instant, old: CandidatePair | undefined): void {
    this.#relayWatch.lost()
    if (old !== undefined && this.#selection.current === old) this.#loseCurrent(now)
  }

  /** Another network: nothing direct works, and what was learnt was true of the old one. */
  networkChanged(now: Instant): void {
    this.#rotation.forget()
    this.#silence.forget()
    if (this.#selection.current?.isRelay === false) this.#loseCurrent(now)
  }

  /** Timers were late by so much: what was not heard meanwhile says nothing of the paths. */
  handleTimeJump(byMs: number): void {
    for (const { heartbeat } of this.#pairs.all) heartbeat?.postpone(byMs)
    this.#silence.pause()
  }

  /** Data was sent or received: the chosen path is watched closely for a while. */
  dataFlowed(now: Instant): void {
    const wasActive = this.#isActive(now)
    this.#lastDataAt = now
    this.#silence.traffic(now)
    if (wasActive) return
    for (const pair of this.#pairs.all) {
      if (this.#matters(pair)) pair.heartbeat?.setInterval(now, ACTIVE_HEARTBEAT_MS, pair.quality)
    }
  }

  /** The peer asks by this pair, and is answered. */
  noteAsked(now: Instant, pair: CandidatePair): void {
    if (this.#isWatched(now, pair)) this.#silence.heard(now)
    const { heartbeat, quality } = pair
    if (heartbeat === undefined || this.#isActive(now)) return
    heartbeat.setInterval(now, this.#intervalFor(now, pair), quality)
    heartbeat.noteAsked(now, LISTENER_DELAY_MS, this.#role === 'responder', quality)
  }

  /** Whether an answer by this pair means that the chosen path is dead: the peer is there, and was not to be reached by it. */
  provesDeath(now: Instant, pair: CandidatePair): boolean {
    return pair.isRelay && this.#silence.confirm(now)
  }

  /** A question of ours was answered by this pair. True when that made it a direct one that works. */
  noteAnswer(
    now: Instant,
    pair: CandidatePair,
    { rttMs, seen }: Extract<Heard, { kind: 'response' }>,
  ): boolean {
    if (this.#isWatched(now, pair)) this.#silence.heard(now)
    if (pair.isSeenElsewhere(seen)) this.#noteMappingDeath(pair)
    const isNew = pair.noteAnswer(now, rttMs, seen, this.#intervalFor(now, pair))
    if (isNew && !pair.isRelay) return true
    this.#selection.noteSample(now, pair, this.#working(now))
    return false
  }

  /** The chosen path brings nothing back, whatever its heartbeats say. True when no direct one is left. */
  pathStalled(now: Instant): boolean {
    const pair = this.#selection.current
    return pair !== undefined && !pair.isRelay && this.#lapse(now, pair)
  }

  /** Asks whoever is due. True when no direct path is left of those that there were. */
  handleTimeout(now: Instant): boolean {
    if (this.#silence.handleTimeout(now)) this.#pairs.relay?.heartbeat?.hasten(now)
    let isLastLost = false
    for (const pair of this.#pairs.all) isLastLost = this.#keep(now, pair) || isLastLost
    return isLastLost
  }

  /** True when it is time to find a successor of the path that carries data, which still works. */
  takeRotation(now: Instant): boolean {
    const dueAt = this.#rotateAt
    if (dueAt === undefined || now < dueAt) return false
    this.#rotation.noteTried(now)
    return true
  }

  pollTimeout(): Instant | undefined {
    let first = earliest(this.#silence.deadline, this.#rotateAt)
    for (const { heartbeat, isRelay } of this.#pairs.all) {
      if (heartbeat === undefined) continue
      first = earliest(first, heartbeat.dueAt, isRelay ? undefined : heartbeat.trustedUntil)
    }
    return first
  }

  /** Heartbeats of a working pair, until its trust ends. True when it was the last direct one. */
  #keep(now: Instant, pair: CandidatePair): boolean {
    const { heartbeat, quality } = pair
    if (heartbeat === undefined) return false
    if (!pair.isRelay && now >= heartbeat.trustedUntil) return this.#lapse(now, pair)
    if (now < heartbeat.dueAt) return false
    if (this.#isSurplus(now, pair)) {
      pair.lapse()
      return false
    }
    if (heartbeat.isAwaiting) quality.noteLoss()
    heartbeat.setInterval(now, this.#intervalFor(now, pair), quality)
    heartbeat.noteSent(now, quality)
    if (this.#isWatched(now, pair)) this.#silence.asked(now, quality.smoothedRttMs ?? 0)
    if (pair.isRelay) this.#relayWatch.asked()
    this.#exchange.ask(now, pair)
    return false
  }

  /** A direct pair works no more. True when it was the last one. */
  #lapse(now: Instant, pair: CandidatePair): boolean {
    this.#noteMappingDeath(pair)
    pair.lapse()
    if (this.#selection.current === pair) this.#loseCurrent(now)
    return this.#working(now).every(({ isRelay }) => isRelay)
  }

  #loseCurrent(now: Instant): void {
    this.#selection.lose(now, this.#working(now))
  }

  /** Every pair that could carry data now; the relay is trusted until its owner says otherwise. */
  #working(now: Instant): readonly CandidatePair[] {
    return this.#pairs.all.filter((pair) => pair.isRelay || pair.isTrusted(now))
  }

  /** Enough better ones stand by. */
  #isSurplus(now: Instant, pair: CandidatePair): boolean {
    const { current } = this.#selection
    if (pair.isRelay || pair === current) return false
    const score = scoreOf(pair) ?? Infinity
    const better = this.#working(now).filter(
      (other) => !other.isRelay && other !== current && (scoreOf(other) ?? Infinity) < score,
    )
    return better.length >= MAX_STANDBY
  }

  /** When the path that carries data has become so old that others died soon after. */
  get #rotateAt(): Instant | undefined {
    const { current } = this.#selection
    if (current?.seenSince === undefined || current.isRelay) return undefined
    return this.#rotation.dueAt(current.seenSince)
  }

  /** Our mapping is gone, and the path with it or not: where the peer's filter is open another one takes its place. */
  #noteMappingDeath(pair: CandidatePair): void {
    const ageMs = pair.seenForMs
    if (pair === this.#selection.current && ageMs !== undefined) this.#rotation.noteDeath(ageMs)
  }

  #intervalFor(now: Instant, pair: CandidatePair): number {
    return this.#matters(pair) && this.#isActive(now)
      ? ACTIVE_HEARTBEAT_MS
      : this.#silence.intervalMs
  }

  /** Whether it is the direct pair that carries data: its silences teach something. */
  #isWatched(now: Instant, pair: CandidatePair): boolean {
    if (pair.isRelay || pair !== this.#selection.current) return false
    if (pair !== this.#watched) this.#silence.follow(now, pair.pathKind === 'direct')
    this.#watched = pair
    return true
  }

  /** The chosen path, and a direct one that yielded to the relay: when it is better again is to be noticed soon. */
  #matters(pair: CandidatePair): boolean {
    return pair === this.#selection.current || pair.wasOutdone
  }

  #isActive(now: Instant): boolean {
    return this.#lastDataAt !== undefined && now < after(this.#lastDataAt, ACTIVE_WINDOW_MS)
  }
}
