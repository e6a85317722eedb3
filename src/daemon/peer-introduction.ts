/**
 * What one side says to the server about one session: asks for it or answers, once its own candidates are known, and
 * says it again when there is a reason to (`peer-renewal.ts`).
 */
import type { Instant } from '../core/instant.ts'
import { OutboundQueue } from '../core/outbound-queue.ts'
import type { Random } from '../core/random.ts'
import type { Candidate } from '../protocol/server/messages.ts'
import type { NatProfile } from '../protocol/server/nat-profile.ts'
import { addressesOf } from './peer-offer.ts'
import { PeerRenewal } from './peer-renewal.ts'

export interface Said {
  readonly isAnswer: boolean
  readonly candidates: readonly Candidate[]
  readonly nat: NatProfile | undefined
}

export class PeerIntroduction {
  readonly #isOurs: boolean
  readonly #renewal: PeerRenewal
  readonly #said = new OutboundQueue<Said>()
  #offer: readonly Candidate[] | undefined
  #nat: NatProfile | undefined
  #offered = ''
  #isAnswerDue = false
  #askedAt: Instant | undefined
  #isAnswered = false
  #hasStarted = false
  #isUnsaid = false

  /** `isOurs`: we ask; else the peer has. */
  constructor(random: Random, isInitiator: boolean, isOurs: boolean) {
    this.#isOurs = isOurs
    this.#renewal = new PeerRenewal(random, isInitiator)
  }

  /** Both sides have spoken: from now on there is something to renew. */
  get hasStarted(): boolean {
    return this.#hasStarted
  }

  /** How long nobody has answered what we asked; `undefined` where that is not what we wait for. */
  unansweredMs(now: Instant): number | undefined {
    if (!this.#isOurs || this.#isAnswered) return undefined
    return this.#askedAt === undefined ? 0 : now - this.#askedAt
  }

  get deadline(): Instant | undefined {
    return this.#canRenew ? this.#renewal.deadline : undefined
  }

  setOffer(now: Instant, candidates: readonly Candidate[], nat: NatProfile | undefined): void {
    this.#offer = candidates
    this.#nat = nat
    this.#speak(now)
    this.#tellNews(now)
  }

  /** The peer wants to hear from us. */
  asked(now: Instant): void {
    this.#isAnswered = true
    this.#isAnswerDue = true
    this.#speak(now)
  }

  /** Both sides know each other's news. */
  answered(now: Instant, ticketEndsAt: Instant | undefined, wantsDirect: boolean): void {
    this.#isAnswered = true
    this.#hasStarted = true
    this.#isUnsaid = false
    this.#renewal.answered(now, ticketEndsAt, wantsDirect)
    this.#tellNews(now) // what changed while that was under way
  }

  /** Says it once more, as soon as may be. What is not answered yet has just been said. */
  renew(now: Instant): void {
    if (!this.#canRenew) return
    this.#renewal.wish(now)
    this.handleTimeout(now)
  }

  /** What was said last did not reach the peer: it is said again when the server is there. */
  refused(): void {
    this.#isUnsaid = this.#hasStarted
  }

  /** The server is there, after a while without it or for the first time. */
  serverBack(now: Instant): void {
    if (!this.#isUnsaid) return
    this.#isUnsaid = false
    this.renew(now)
  }

  /** Another round of punching is not wanted any more. */
  foundDirect(): void {
    this.#renewal.foundDirect()
  }

  handleTimeout(now: Instant): void {
    if (this.#offer === undefined || !this.#canRenew || !this.#renewal.isDue(now)) return
    this.#renewal.asked(now)
    this.#say(this.#offer, false)
  }

  poll(): Said | undefined {
    return this.#said.shift()
  }

  get #canRenew(): boolean {
    return this.#hasStarted && this.#offer !== undefined
  }

  #tellNews(now: Instant): void {
    if (this.#offer === undefined || offerKey(this.#offer, this.#nat) === this.#offered) return
    this.renew(now)
  }

  #speak(now: Instant): void {
    if (this.#offer === undefined) return
    if (this.#isAnswerDue) {
      this.#isAnswerDue = false
      this.#say(this.#offer, true)
    } else if (this.#isOurs && this.#askedAt === undefined) {
      this.#askedAt = now
      this.#say(this.#offer, false)
    }
  }

  #say(candidates: readonly Candidate[], isAnswer: boolean): void {
    const nat = this.#nat
    this.#offered = offerKey(candidates, nat)
    this.#said.push({ isAnswer, candidates, nat })
  }
}

function offerKey(candidates: readonly Candidate[], nat: NatProfile | undefined): string {
  return `${addressesOf(candidates)} ${JSON.stringify(nat)}`
}
