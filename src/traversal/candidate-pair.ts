/**
 * One way that may lead to the peer: our socket and an address of his (RFC 8445 §6.1.2). There is one socket a family
 * but for those that a punching attempt opened; the relay is a pair too, so that paths can be compared.
 */
import { type Endpoint, sameEndpoint } from '../core/endpoint.ts'
import type { Instant } from '../core/instant.ts'
import type { SocketId } from '../core/machine.ts'
import { rankOf, type TargetKind } from './candidate.ts'
import { Heartbeat } from './heartbeat.ts'
import type { Path } from './path.ts'
import type { PathKind, Scored } from './path-choice.ts'
import { PathQuality } from './path-quality.ts'
import type { ProbeSchedule } from './probe-schedule.ts'

export type PairKind = TargetKind | 'relay'

export class CandidatePair implements Scored {
  readonly kind: PairKind
  readonly pathKind: PathKind
  readonly remote: Endpoint
  readonly via: SocketId | undefined
  /** What is still to be sent in this round of punching. */
  schedule: ProbeSchedule | undefined
  /** The peer named it once, and names it no more: it works or it does not, but nothing is asked to find out. */
  isWithdrawn = false
  /** Has an authentic question come from there? */
  wasHeard = false
  /** Did the relay once do better? Then it takes more than an answer to come back. */
  wasOutdone = false
  lastAskedAt: Instant | undefined
  /** When it was first answered to the address that the peer sees us at. */
  seenSince: Instant | undefined
  /** When a question of ours was answered last. */
  answeredAt: Instant | undefined
  /** Our address as the peer sees it. */
  localSeen: Endpoint | undefined
  #quality = new PathQuality()
  #heartbeat: Heartbeat | undefined

  constructor(kind: PairKind, pathKind: PathKind, { to, via }: Path) {
    this.kind = kind
    this.pathKind = pathKind
    this.remote = to
    this.via = via
  }

  get path(): Path {
    return { to: this.remote, ...(this.via === undefined ? {} : { via: this.via }) }
  }

  get isIpv6(): boolean {
    return this.remote.family === 6
  }

  /** The peer said that he is there, now or once; the others were seen or guessed. */
  get wasNamed(): boolean {
    return this.kind !== 'peer-reflexive' && this.kind !== 'predicted'
  }

  get isRelay(): boolean {
    return this.kind === 'relay'
  }

  /** Lower is probed first. */
  get rank(): number {
    return this.kind === 'relay' ? 0 : rankOf(this.kind)
  }

  get quality(): PathQuality {
    return this.#quality
  }

  /** Runs from the first answer until trust ends. */
  get heartbeat(): Heartbeat | undefined {
    return this.#heartbeat
  }

  /** Answered, and lately enough. */
  isTrusted(now: Instant): boolean {
    return this.#heartbeat !== undefined && now < this.#heartbeat.trustedUntil
  }

  /** For how long answers have come to the address that the peer sees us at: so old is our mapping at least. */
  get seenForMs(): number | undefined {
    if (this.#heartbeat === undefined || this.answeredAt === undefined) return undefined
    return this.seenSince === undefined ? undefined : this.answeredAt - this.seenSince
  }

  /** The pair works, and to him we were at another address before. */
  isSeenElsewhere(localSeen: Endpoint): boolean {
    if (this.#heartbeat === undefined || this.localSeen === undefined) return false
    return !sameEndpoint(this.localSeen, localSeen)
  }

  /** A question of ours was answered. True when that made the pair a working one. */
  noteAnswer(now: Instant, rttMs: number, localSeen: Endpoint, intervalMs: number): boolean {
    this.#quality.noteAnswer(now, rttMs)
    if (this.#heartbeat === undefined || this.isSeenElsewhere(localSeen)) this.seenSince = now
    this.answeredAt = now
    this.localSeen = localSeen
    if (this.#heartbeat !== undefined) {
      this.#heartbeat.noteAnswer(now, this.#quality)
      return false
    }
    this.schedule = undefined
    this.#heartbeat = new Heartbeat(now, intervalMs, this.#quality)
    return true
  }

  /** The pair works no more, as far as we know. What was measured is forgotten: another path may be behind it next. */
  lapse(): void {
    this.#heartbeat = undefined
    this.#quality = new PathQuality()
    this.wasHeard = false
    this.wasOutdone = false
  }

  /** As if it had just been found; but when it answered last counts for its consent. */
  reset(): void {
    this.lapse()
    this.schedule = undefined
    this.lastAskedAt = undefined
    this.localSeen = undefined
  }
}
