/**
 * Introduces two accepted buddies who are online, so that they can punch towards each other and fall back to the relay.
 *
 *     A ─ introduce (session, key, candidates) ─► server ─ introduced (… of A, a relay ticket) ─► B
 *     A ◄─ introduced (… of B, T0, ticket) ─ server ◄─ introduce (same session, isAnswer) ─ B
 *                                            server ─ introduced (… of A once more, T0, ticket) ─► B
 *
 * So each side's `introduce` is answered by an `introduced` with `isAnswer` that names T0; it leaves for both sides at
 * the same moment. Candidates pass `candidate-rules.ts`. Nothing is stored: what a daemon does not hear of, because its
 * session ended, it asks for again. Whom a question did not reach, because the session to which it was told had died
 * unnoticed, is asked again in the next one, as often when a daemon's public address has changed.
 *
 * Two daemons often want each other at the same moment (after the server restarted, when both moved). Of two first
 * introductions of a pair the one that reached the server first stands; the other is refused as `temporary`, and its
 * sender has the standing one before the refusal, to answer it. So a pair never makes two sessions at once.
 */
import { equalBytes } from '../core/bytes.ts'
import { after, type Instant } from '../core/instant.ts'
import {
  type AccountNumber,
  type Candidate,
  type Introduce,
  type Introduced,
  MAX_CANDIDATES,
  type RelayGrant,
} from '../protocol/server/messages.ts'
import type { Endpoint } from '../core/endpoint.ts'
import { ticketRelayId } from '../protocol/relay/ticket.ts'
import type { NatProfile } from '../protocol/server/nat-profile.ts'
import { type Answer, done, rateLimited, refused } from './answer.ts'
import { admitCandidates } from './candidate-rules.ts'
import { Deadlines } from './deadlines.ts'
import type { Directory } from './directory.ts'
import type { OnlineAccount } from './online-account.ts'
import type { RelayMap } from './relay-map.ts'
import type { RelayTickets } from './relay-tickets.ts'
import { type BucketShape, TokenBuckets } from './token-buckets.ts'

/** The other daemon answers at once, or has just gone. */
export const ANSWER_WITHIN_MS = 10_000

/** T0 lies so far ahead that both have the message by then, with time to get ready. */
const LEAST_LEAD_MS = 150
/** A line with a longer round trip than half of this is not worth waiting for. */
const MOST_LEAD_MS = 3_000

/** All buddies at once after a change of network, then one every other second. */
const INTRODUCTIONS: BucketShape = { burst: 128, everyMs: 2_000 }

/** An introduction that waits for its answer. */
interface Introduction {
  readonly session: Uint8Array
  readonly asker: OnlineAccount
  readonly answerer: OnlineAccount
  readonly probeKey: Uint8Array
  readonly candidates: readonly Candidate[]
  readonly nat: NatProfile | undefined
  readonly ticket: Uint8Array | undefined
  readonly expiresAt: Instant
}

export interface RendezvousOptions {
  readonly directory: Directory
  /** Who looks offline must look so here too. */
  readonly isInvisible: (number: AccountNumber) => boolean
  readonly isWitnessed: (now: Instant, endpoint: Endpoint) => boolean
  /** None where the server has no relay. */
  readonly tickets?: RelayTickets
  /** Absent where there is no choice. */
  readonly relays?: RelayMap
}

export class Rendezvous {
  readonly #options: RendezvousOptions
  readonly #waiting = new Map<string, Introduction>() // BOUNDED: one a pair, for ANSWER_WITHIN_MS, INTRODUCTIONS each
  readonly #unanswered = new Map<AccountNumber, Set<string>>() // the pairs in which somebody is to answer
  readonly #expiries = new Deadlines<string>()
  readonly #rate = new TokenBuckets(INTRODUCTIONS)

  constructor(options: RendezvousOptions) {
    this.#options = options
  }

  get size(): number {
    return this.#waiting.size
  }

  introduce(now: Instant, from: OnlineAccount, message: Introduce): Answer {
    if (message.candidates.length > MAX_CANDIDATES) {
      return refused('too-many', `A side names ${MAX_CANDIDATES} candidates at most`)
    }
    // A stranger learns nothing here, not even whether there is such an account.
    if (!from.isBuddy(message.to)) return refused('not-buddies', 'Only buddies are introduced')
    return message.isAnswer ? this.#answer(now, from, message) : this.#ask(now, from, message)
  }

  /** Somebody is online, perhaps in the place of a session that did not hear what it was asked. */
  arrived(now: Instant, answerer: OnlineAccount): void {
    for (const pair of [...(this.#unanswered.get(answerer.number) ?? [])]) {
      const old = this.#waiting.get(pair)
      if (old === undefined || old.expiresAt <= now || old.answerer === answerer) continue
      // The ticket names the device that was there.
      const isSameDevice = equalBytes(old.answerer.device.identity, answerer.device.identity)
      this.#forget(pair)
      if (!isSameDevice || !old.asker.isReady) continue
      const introduction = { ...old, answerer }
      this.#remember(pair, introduction)
      this.#tell(now, introduction, answerer, introduction, { isAnswer: false, startInMs: 0 })
    }
  }

  handleTimeout(now: Instant): void {
    for (;;) {
      const pair = this.#expiries.takeDue(now)
      if (pair === undefined) return
      this.#forget(pair)
    }
  }

  pollTimeout(): Instant | undefined {
    return this.#expiries.earliest
  }

  #ask(now: Instant, asker: OnlineAccount, message: Introduce): Answer {
    const { directory, isInvisible } = this.#options
    const rateKey = String(asker.number)
    if (!this.#rate.take(now, rateKey)) return rateLimited(this.#rate.waitMs(now, rateKey))
    const answerer = directory.ready(message.to)
    if (answerer === undefined || isInvisible(message.to) || !answerer.isBuddy(asker.number)) {
      return refused('offline', 'The buddy is offline')
    }
    const pair = pairOf(asker.number, answerer.number)
    const standing = this.#waiting.get(pair)
    if (
      standing !== undefined &&
      standing.expiresAt > now &&
      isTheOthers(standing, asker, answerer)
    ) {
      return refused('temporary', 'The buddy has asked for you at the same moment', 0)
    }
    const ticket = this.#ticketFor(now, message, asker, answerer)
    const expiresAt = after(now, ANSWER_WITHIN_MS)
    const { session, probeKey, candidates, nat } = message
    const introduction = { session, asker, answerer, probeKey, candidates, nat, ticket, expiresAt }
    this.#forget(pair)
    this.#remember(pair, introduction)
    this.#tell(now, introduction, answerer, introduction, { isAnswer: false, startInMs: 0 })
    return done
  }

  #answer(now: Instant, answerer: OnlineAccount, message: Introduce): Answer {
    const pair = pairOf(answerer.number, message.to)
    const introduction = this.#waiting.get(pair)
    const isWaiting =
      introduction !== undefined &&
      introduction.expiresAt > now &&
      introduction.answerer === answerer &&
      equalBytes(introduction.session, message.session)
    if (!isWaiting) return refused('not-found', 'No introduction waits for this answer')
    this.#forget(pair)
    const { asker } = introduction
    if (!asker.isReady || !asker.isBuddy(answerer.number)) {
      return refused('offline', 'The buddy is offline')
    }
    const startInMs = leadMs(asker, answerer)
    this.#tell(now, introduction, asker, message, { isAnswer: true, startInMs })
    this.#tell(now, introduction, answerer, introduction, { isAnswer: true, startInMs })
    return done
  }

  #remember(pair: string, introduction: Introduction): void {
    const { number } = introduction.answerer
    this.#waiting.set(pair, introduction)
    this.#expiries.set(pair, introduction.expiresAt)
    this.#unanswered.set(number, (this.#unanswered.get(number) ?? new Set()).add(pair))
  }

  #forget(pair: string): void {
    const number = this.#waiting.get(pair)?.answerer.number
    this.#waiting.delete(pair)
    this.#expiries.delete(pair)
    if (number === undefined) return
    const pairs = this.#unanswered.get(number)
    pairs?.delete(pair)
    if (pairs?.size === 0) this.#unanswered.delete(number)
  }

  /** Tells one side what the other side said. */
  #tell(
    now: Instant,
    introduction: Introduction,
    to: OnlineAccount,
    said: Pick<Introduce, 'probeKey' | 'candidates'> & { readonly nat?: NatProfile | undefined },
    rest: Pick<Introduced, 'isAnswer' | 'startInMs'>,
  ): void {
    const from = to === introduction.asker ? introduction.answerer : introduction.asker
    const candidates = admitCandidates(said.candidates, {
      from: from.session.record.remote,
      to: to.session.record.remote,
      isWitnessed: (endpoint) => this.#options.isWitnessed(now, endpoint),
    })
    to.session.send({
      kind: 'introduced',
      from: from.number,
      session: introduction.session,
      probeKey: said.probeKey,
      candidates,
      ...(said.nat === undefined ? {} : { nat: said.nat }),
      device: from.device,
      ...rest,
      ...this.#grantFor(to, introduction.ticket),
    })
  }

  /** For the relay of whoever asks: so both sides are at the same one. */
  #ticketFor(
    now: Instant,
    { session, relay }: Introduce,
    asker: OnlineAccount,
    answerer: OnlineAccount,
  ): Uint8Array | undefined {
    const { tickets, relays } = this.#options
    const { identity } = asker.device
    return tickets?.issue(now, session, identity, answerer.device.identity, relays?.chosen(relay))
  }

  #grantFor({ session }: OnlineAccount, ticket: Uint8Array | undefined): { relay?: RelayGrant } {
    if (ticket === undefined) return {}
    const { relays } = this.#options
    const [own] = session.services
    const relay =
      relays === undefined
        ? own && { endpoint: own, ticket }
        : relays.grant(ticketRelayId(ticket), ticket, session)
    return relay === undefined ? {} : { relay }
  }
}

function isTheOthers({ asker }: Introduction, from: OnlineAccount, to: OnlineAccount): boolean {
  return asker !== from && asker === to
}

function leadMs(a: OnlineAccount, b: OnlineAccount): number {
  const slower = Math.max(a.session.roundTripMs ?? 0, b.session.roundTripMs ?? 0)
  return Math.ceil(Math.min(Math.max(LEAST_LEAD_MS, 2 * slower), MOST_LEAD_MS))
}

function pairOf(a: AccountNumber, b: AccountNumber): string {
  return a < b ? `${a} ${b}` : `${b} ${a}`
}
