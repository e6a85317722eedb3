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
import type { Path } from './path.ts'
import {
  ANSWER_BYTES,
  decodeNoteFrame,
  decodeProbe,
  encodeNoteFrame,
  encodeProbe,
  newTransaction,
  type Probe,
  type ProbeKey,
  type ProbeRole,
  type ProbeTransaction,
  QUESTION_BYTES,
} from './probe.ts'
import { ProbeBudget } from './probe-budget.ts'
import { decodePunchNote, encodePunchNote, type PunchNote } from './punch-note.ts'
import { ReplayWindow } from '../core/replay-window.ts'

/** Questions under way: a round asks 100 pairs eleven times at most, and few of them are open at once. */
const MAX_OPEN_QUESTIONS = 256

/**
 * Consent for so long after an answer (RFC 7675 §5.1), and for as long as the pair is trusted: where nothing is sent while
 * nothing is asked, silence is no sign that the peer's packets are unwanted.
 */
const CONSENT_MS = 30_000

/** The first question of a pair is answered three times: one lost answer must not lose the punch. */
const FIRST_ANSWER_OFFSETS_MS = [0, 20, 60] as const

const MAX_WAITING_ANSWERS = 64

/** As many as the largest punching attempt sends (`moves.ts`). */
const MAX_OPEN_SHOTS = 4096

interface Question {
  readonly pair: CandidatePair
  readonly sentAt: Instant
}

/** A question of a punching attempt: there is a pair only when it is answered. */
interface OpenShot {
  readonly path: Path
  readonly sentAt: Instant
}

interface WaitingAnswer {
  readonly at: Instant
  readonly pair: CandidatePair
  readonly transaction: ProbeTransaction
}

export type Heard =
  | { readonly kind: 'request'; readonly transaction: ProbeTransaction }
  /** `path`: where the question went. Without a pair it was one of a punching attempt. */
  | {
      readonly kind: 'response'
      readonly pair: CandidatePair | undefined
      readonly path: Path
      readonly rttMs: number
      readonly seen: Endpoint
    }
  | { readonly kind: 'note'; readonly note: PunchNote }

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
  readonly #shots = new Map<ProbeTransaction, OpenShot>() // ≤ MAX_OPEN_SHOTS, oldest dropped
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

  /** Questions of this round were not asked, since their address had been asked enough. */
  get hasStarved(): boolean {
    return this.#budget.hasStarved
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
    this.#send(now, pair.path, 'request', transaction, ttl)
    return true
  }

  /** Asks where no pair is, and without this budget: a punching attempt has its own (`attempt.ts`). */
  shoot(now: Instant, path: Path, ttl?: number): void {
    const transaction = newTransaction(this.#random)
    const [oldest] = this.#shots.keys()
    if (this.#shots.size >= MAX_OPEN_SHOTS && oldest !== undefined) this.#shots.delete(oldest)
    this.#shots.set(transaction, { path, sentAt: now })
    this.#send(now, path, 'request', transaction, ttl)
  }

  /** What was shot and is not answered is not waited for any more. */
  forgetShots(): void {
    this.#shots.clear()
  }

  /** Tells the peer something, over the relay. */
  tell(relay: Path, note: PunchNote): void {
    const body = encodePunchNote(note)
    const frame = { from: this.#role, sequence: this.#sequence, body }
    this.#sequence += 1
    this.#transmits.push({ ...relay, bytes: encodeNoteFrame(this.#key, frame) })
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
    const heard = isNew ? this.#understand(now, via, probe.value) : this.#readNote(peer, bytes)
    if (heard === undefined) this.counts.ignored += 1
    return heard
  }

  #readNote(peer: ProbeRole, bytes: Uint8Array): Heard | undefined {
    const frame = decodeNoteFrame(this.#key, peer, bytes)
    if (!frame.ok || !this.#replays.take(frame.value.sequence)) return undefined
    const note = decodePunchNote(frame.value.body)
    return note.ok ? { kind: 'note', note: note.value } : undefined
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

  /** The pair is gone, and with the last one of an address what was known of that. */
  forget(pair: CandidatePair, isLast = true): void {
    if (isLast) this.#budget.forget(pair.remote)
    this.#waiting = this.#waiting.filter((answer) => answer.pair !== pair)
    for (const [transaction, question] of this.#questions) {
      if (question.pair === pair) this.#questions.delete(transaction)
    }
  }

  /** Whatever is under way is over. Sequence numbers go on, and so does the budget: what is proved stays proved. */
  reset(): void {
    this.#questions.clear()
    this.#shots.clear()
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
    const shot = this.#shots.get(transaction)
    const path = question?.pair.path ?? shot?.path
    const sentAt = question?.sentAt ?? shot?.sentAt
    if (path === undefined || sentAt === undefined || via !== path.via) return undefined
    const pair = question?.pair
    this.#questions.delete(transaction)
    this.#shots.delete(transaction)
    this.counts.answersHeard += 1
    if (pair?.isRelay !== true) this.#budget.prove(now, path.to)
    return { kind: 'response', pair, path, rttMs: now - sentAt, seen }
  }

  #answerNow(now: Instant, pair: CandidatePair, transaction: ProbeTransaction): void {
    this.#expireConsent(now, pair)
    if (!pair.isRelay && !this.#budget.spendOnAnswer(pair.remote, ANSWER_BYTES)) return
    this.#send(now, pair.path, 'response', transaction)
  }

  #expireConsent(now: Instant, pair: CandidatePair): void {
    const { answeredAt, remote } = pair
    if (answeredAt === undefined || now <= after(answeredAt, CONSENT_MS)) return
    if (!pair.isTrusted(now)) this.#budget.withdraw(remote)
  }

  #send(
    now: Instant,
    path: Path,
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
      seen: path.to,
    })
    this.#sequence += 1
    this.counts.probesSent += 1
    this.#transmits.push({ ...path, bytes, ...(ttl === undefined ? {} : { ttl }) })
  }

  #rememberQuestion(transaction: ProbeTransaction, question: Question): void {
    if (this.#questions.size >= MAX_OPEN_QUESTIONS) {
      const [oldest] = this.#questions.keys()
      if (oldest !== undefined) this.#questions.delete(oldest)
    }
    this.#questions.set(transaction, question)
  }
}
