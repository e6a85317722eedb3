/**
 * Where the search for a direct path to one peer stands, and the reason that people are told. It goes in rounds: each ends
 * with a path, or without one after a while; then the relay it is, until something begins another round.
 */
import { after, type Instant } from '../core/instant.ts'
import type { PathPolicy } from './candidate.ts'
import { ROUND_MS } from './probe-schedule.ts'
import type { PathReason } from './reasons.ts'

type SearchState =
  | { readonly kind: 'waiting' }
  | { readonly kind: 'punching'; readonly giveUpAt: Instant }
  /** A round brought nothing. */
  | { readonly kind: 'relayed'; readonly reason: PathReason }
  /** At least one direct pair works, whether or not it is the chosen path. */
  | { readonly kind: 'direct' }

/** A round that has just begun needs no other: after a change of network the relay is bound anew, too. */
const REVIVE_GAP_MS = 2_000

export class PathSearch {
  readonly #policy: PathPolicy
  #state: SearchState = { kind: 'waiting' }
  #beganAt: Instant | undefined
  #hasLostDirect = false

  constructor(policy: PathPolicy) {
    this.#policy = policy
  }

  /** A direct path worked once and does not any more. */
  get hasLostDirect(): boolean {
    return this.#hasLostDirect
  }

  /** The last round brought nothing, and no other one has begun. */
  get hasFailed(): boolean {
    return this.#state.kind === 'relayed'
  }

  /** When the round is over, unless an attempt still runs. */
  get giveUpAt(): Instant | undefined {
    return this.#state.kind === 'punching' ? this.#state.giveUpAt : undefined
  }

  /** A round, unless there is a path. Where it is `hopeless` the reason is known at once; what costs nothing is tried all the same. */
  begin(startAt: Instant, isHopeless: boolean): void {
    this.#beganAt = startAt
    if (this.#state.kind === 'direct') return
    const giveUpAt = isHopeless ? startAt : after(startAt, ROUND_MS)
    this.#state =
      this.#policy === 'relay'
        ? { kind: 'relayed', reason: 'policy-relay' }
        : { kind: 'punching', giveUpAt }
  }

  /** A direct pair works. */
  found(): void {
    this.#state = { kind: 'direct' }
    this.#hasLostDirect = false
  }

  /** None does any more. */
  lost(): void {
    this.#hasLostDirect = true
    this.#state = { kind: 'waiting' }
  }

  /** Another network: whatever was found or not was so in the old one. */
  forget(): void {
    this.#hasLostDirect ||= this.#state.kind === 'direct'
    this.#state = { kind: 'waiting' }
  }

  /** The round is over. */
  giveUp(reason: PathReason): void {
    this.#state = { kind: 'relayed', reason }
  }

  /** Whether it is worth a round that the network seems to be back. */
  isRoundWanted(now: Instant): boolean {
    if (this.#policy === 'relay' || this.#state.kind === 'direct') return false
    return this.#beganAt !== undefined && now >= after(this.#beganAt, REVIVE_GAP_MS)
  }

  /** `isRelayed`: the relay carries the data. */
  reason(isRelayed: boolean): PathReason {
    switch (this.#state.kind) {
      case 'waiting':
        return this.#policy === 'relay' ? 'policy-relay' : 'waiting-for-introduction'
      case 'punching':
        return this.#hasLostDirect ? 'direct-lost' : 'punching'
      case 'relayed':
        return this.#state.reason
      case 'direct':
        return isRelayed ? 'direct-slower' : 'direct'
    }
  }
}
