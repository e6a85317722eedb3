/**
 * The wire side of a path agent: asks and answers authenticated probes, within the budget, and takes in nothing that
 * is forged, replayed, thrown back, or answers what was never asked.
 */
import type { Endpoint } from '../core/endpoint.ts'
import { after, type Instant } from '../core/instant.ts'
import type { SocketId, Transmit } from '../core/machine.ts'
import { OutboundQueue } from '../core/outbound-queue.ts'
import type { Random } from '../core/random.ts'
import type { AddressPurses } from './address-purses.ts'
import type { CandidatePair } from './candidate-pair.ts'
import {
  ANSWER_BYTES,
  decodeProbe,
  encodeProbe,
  newTransaction,
  type Probe,
  type ProbeKey,
  type ProbeRole,
  type ProbeTransaction,
  QUESTION_BYTES,
} from './probe.ts'
import { ProbeBudget } from './probe-budget.ts'
import { ReplayWindow } from '../core/replay-window.ts'

/** Questions under way: a round asks 100 pairs eleven times at most, and few of them are open at once. */
const MAX_OPEN_QUESTIONS = 256

/** Consent for so long after an answer (RFC 7675 §5.1). */
const CONSENT_MS = 30_000

/** The first question of a pair is answered three times: one lost answer must not lose the punch. */
const FIRST_ANSWER_OFFSETS_MS = [0, 20, 60] as const

const MAX_WAITING_ANSWERS = 64

interface Question {
  readonly pair: CandidatePair
  readonly sentAt: Instant
}

interface WaitingAnswer {
  readonly at: Instant
  readonly pair: CandidatePair
  readonly transaction: ProbeTransaction
}

export type Heard =
  | { readonly kind: 'request'; readonly transaction: ProbeTransaction }
  | {
      readonly kind: 'response'
      readonly pair: CandidatePair
      readonly rttMs: number
      readonly seen: Endpoint
    }

export interface ExchangeCounts {
  probesSent: number
  requestsHeard: number
  answersHeard: number
  /** Not authentic, replayed, or an answer to nothing. */
  ignored: number
}

export class ProbeExchange {
  readonly counts: ExchangeCounts = { probesSent: 0, requestsHeard: 0, answersHeard: 0, ignored: 0 }
  readonly #key: ProbeKey
  readonly #role: ProbeRole
  readonly #random: Random
  readonly #budget: ProbeBudget
  readonly #replays = new ReplayWindow()
  readonly #questions = new Map<ProbeTransaction, Question>() // ≤ MAX_OPEN_QUESTIONS, oldest dropped
  readonly #transmits = new OutboundQueue<Transmit>()
  #waiting: WaitingAnswer[] = [] // ≤ MAX_WAITING_ANSWERS
  #sequence = 0

  constructor(key: ProbeKey, role: ProbeRole, random: Random, purses: AddressPurses) {
    this.#budget = new ProbeBudget(purses)
    this.#key = key
    this.#role = role
    this.#random = random
  }

  /** The peer named it as a candidate: it may be asked a few times unproved. */
  name(target: Endpoint): void {
    this.#budget.name(target)
  }

  /** The server has introduced us anew. */
  refill(now: Instant): void {
    this.#budget.refill(now)
  }

  isProved(pair: CandidatePair): boolean {
    return this.#budget.isProved(pair.remote)
  }

  /** Asks with a transaction id of its own. False when the budget forbids it (`probe-budget.ts`); the relay is free. */
  ask(now: Instant, pair: CandidatePair, ttl?: number): boolean {
    this.#expireConsent(now, pair)
    if (!pair.isRelay && !this.#budget.spendOnQuestion(now, pair.remote, QUESTION_BYTES))
      return false
    const transaction = newTransaction(this.#random)
    this.#rememberQuestion(transaction, { pair, sentAt: now })
    if (ttl === undefined) pair.lastAskedAt = now // an opener asks only our own NAT
    this.#send(now, pair, 'request', transaction, ttl)
    return true
  }

  /** Answers a question that came from the pair's address, the first one three times. */
  answer(now: Instant, pair: CandidatePair, transaction: ProbeTransaction, isFirst: boolean): void {
    if (!pair.isRelay) this.#budget.receive(pair.remote, QUESTION_BYTES)
    for (const offset of isFirst ? FIRST_ANSWER_OFFSETS_MS : [0]) {
      if (offset === 0) this.#answerNow(now, pair, transaction)
      else this.#waiting.push({ at: after(now, offset), pair, transaction })
    }
    if (this.#waiting.length > MAX_WAITING_ANSWERS) this.#waiting.shift()
  }

  /** What an authentic, new datagram says; the rest is counted. */
  read(now: Instant, via: SocketId | undefined, bytes: Uint8Array): Heard | undefined {
    const peer = this.#role === 'initiator' ? 'responder' : 'initiator'
    const probe = decodeProbe(this.#key, peer, bytes)
    const isNew = probe.ok && this.#replays.take(probe.value.sequence)
    const heard = isNew ? this.#understand(now, via, probe.value) : undefined
    if (heard === undefined) this.counts.ignored += 1
    return heard
  }

  handleTimeout(now: Instant): void {
    const due = this.#waiting.filter(({ at }) => at <= now)
    if (due.length === 0) return
    this.#waiting = this.#waiting.filter(({ at }) => at > now)
    for (const { pair, transaction } of due) this.#answerNow(now, pair, transaction)
  }

  pollTransmit(): Transmit | undefined {
    return this.#transmits.shift()
  }

  pollTimeout(): Instant | undefined {
    let first: Instant | undefined
    for (const { at } of this.#waiting) if (first === undefined || at < first) first = at
    return first
  }

  /** The pair is gone, and what was known of its address. */
  forget(pair: CandidatePair): void {
    this.#budget.forget(pair.remote)
    this.#waiting = this.#waiting.filter((answer) => answer.pair !== pair)
    for (const [transaction, question] of this.#questions) {
      if (question.pair === pair) this.#questions.delete(transaction)
    }
  }

  /** Whatever is under way is over. Sequence numbers go on, and so does the budget: what is proved stays proved. */
  reset(): void {
    this.#questions.clear()
    this.#waiting = []
  }

  #understand(now: Instant, via: SocketId | undefined, probe: Probe): Heard | undefined {
    if (probe.kind === 'response') return this.#takeAnswer(now, via, probe)
    this.counts.requestsHeard += 1
    return { kind: 'request', transaction: probe.transaction }
  }

  // Departs from RFC 8445 §7.2.5.2.1, which wants the answer to come from where the question went: behind a NAT that
  // filters nothing but maps by destination it never does, though both directions work. Only who received the question
  // knows its transaction. Test: "APDM/EIF against all nine" in nat-matrix.sim.ts.
  #takeAnswer(
    now: Instant,
    via: SocketId | undefined,
    { transaction, seen }: Probe,
  ): Heard | undefined {
    const question = this.#questions.get(transaction)
    if (question === undefined || via !== question.pair.via) return undefined
    const { pair, sentAt } = question
    this.#questions.delete(transaction)
    this.counts.answersHeard += 1
    if (!pair.isRelay) this.#budget.prove(pair.remote)
    return { kind: 'response', pair, rttMs: now - sentAt, seen }
  }

  #answerNow(now: Instant, pair: CandidatePair, transaction: ProbeTransaction): void {
    this.#expireConsent(now, pair)
    if (!pair.isRelay && !this.#budget.spendOnAnswer(pair.remote, ANSWER_BYTES)) return
    this.#send(now, pair, 'response', transaction)
  }

  #expireConsent(now: Instant, { answeredAt, remote }: CandidatePair): void {
    if (answeredAt !== undefined && now > after(answeredAt, CONSENT_MS)) {
      this.#budget.withdraw(remote)
    }
  }

  #send(
    now: Instant,
    pair: CandidatePair,
    kind: Probe['kind'],
    transaction: ProbeTransaction,
    ttl?: number,
  ): void {
    const bytes = encodeProbe(this.#key, {
      kind,
      from: this.#role,
      sequence: this.#sequence,
      transaction,
      sentAtMs: now,
      seen: pair.remote,
    })
    this.#sequence += 1
    this.counts.probesSent += 1
    this.#transmits.push({ ...pair.path, bytes, ...(ttl === undefined ? {} : { ttl }) })
  }

  #rememberQuestion(transaction: ProbeTransaction, question: Question): void {
    if (this.#questions.size >= MAX_OPEN_QUESTIONS) {
      const [oldest] = this.#questions.keys()
      if (oldest !== undefined) this.#questions.delete(oldest)
    }
    this.#questions.set(transaction, question)
  }
}
