/**
 * Asks the questions of one test and hands their answers to the test's script: a machine without I/O.
 *
 * A script is pure. It names the first questions; told that one is concluded it may name more; and it says the result as
 * soon as that is certain. So each test is a table of questions and a judgement over their answers, and the waiting,
 * repeating, pacing and the keeping of evidence are written once, here.
 */
import type { Endpoint } from '../core/endpoint.ts'
import { after, earliest, type Instant } from '../core/instant.ts'
import type { Machine, SocketId, Transmit } from '../core/machine.ts'
import { OutboundQueue } from '../core/outbound-queue.ts'
import type { Random } from '../core/random.ts'
import { HEADER_BYTES, type TransactionId, type WritableAttribute } from '../stun/message.ts'
import { delayAttribute, PORTS_WANTED } from '../stun/own-attributes.ts'
import { type StunAsk, StunTransactions } from '../stun/transactions.ts'
import type { Pacer } from './pacer.ts'
import {
  type Answer,
  answerOf,
  type Answers,
  type Evidence,
  evidenceOf,
  type Question,
} from './question.ts'

export interface ProbeScript<Result> {
  readonly first: readonly Question[]
  /** What to ask now that this question is concluded. */
  next(question: Question, answers: Answers): readonly Question[]
  /** The result, once it is certain; it must be said when nothing more is asked. */
  conclude(answers: Answers, isComplete: boolean): Result | undefined
}

export interface ProbeFinished<Result> {
  readonly kind: 'finished'
  readonly result: Result
  readonly evidence: readonly Evidence[]
}

interface Waiting {
  readonly question: Question
  readonly notBefore: Instant
}

interface Asked {
  readonly question: Question
  readonly at: Instant
}

export class StunProbe<Result> implements Machine<ProbeFinished<Result>> {
  readonly #script: ProbeScript<Result>
  readonly #pacer: Pacer
  readonly #transactions: StunTransactions
  readonly #events = new OutboundQueue<ProbeFinished<Result>>()
  readonly #asked = new Map<TransactionId, Asked>()
  readonly #answers = new Map<string, Answer>()
  readonly #evidence: Evidence[] = []
  #waiting: Waiting[] = []
  #startedAt: Instant | undefined
  #isFinished = false

  constructor(
    script: ProbeScript<Result>,
    parts: { readonly random: Random; readonly pacer: Pacer },
  ) {
    this.#script = script
    this.#pacer = parts.pacer
    this.#transactions = new StunTransactions({ random: parts.random })
  }

  start(now: Instant): void {
    this.#startedAt = now
    this.#wait(now, this.#script.first)
    this.#proceed(now)
  }

  get isFinished(): boolean {
    return this.#isFinished
  }

  handleDatagram(now: Instant, from: Endpoint, bytes: Uint8Array, via?: SocketId): void {
    this.#transactions.handleDatagram(now, from, bytes, via)
    this.#proceed(now)
  }

  handleTimeout(now: Instant): void {
    this.#transactions.handleTimeout(now)
    this.#proceed(now)
  }

  pollTransmit(): Transmit | undefined {
    return this.#transactions.pollTransmit()
  }

  pollEvent(): ProbeFinished<Result> | undefined {
    return this.#events.shift()
  }

  pollTimeout(): Instant | undefined {
    if (this.#isFinished) return undefined
    const mayAskAt = this.#waiting.map(({ question, notBefore }) => {
      const freeAt = this.#pacer.freeAt(question.server)
      return freeAt === undefined || freeAt < notBefore ? notBefore : freeAt
    })
    return earliest(this.#transactions.pollTimeout(), ...mayAskAt)
  }

  #proceed(now: Instant): void {
    if (this.#startedAt === undefined || this.#isFinished) return
    this.#hearOutcomes(now, this.#startedAt)
    this.#askWaiting(now)
    const isComplete = this.#waiting.length === 0 && this.#asked.size === 0
    const result = this.#script.conclude(this.#answers, isComplete)
    if (result !== undefined) this.#finish(result)
  }

  #hearOutcomes(now: Instant, startedAt: Instant): void {
    for (;;) {
      const outcome = this.#transactions.pollEvent()
      if (outcome === undefined) return
      const asked = this.#asked.get(outcome.id)
      if (asked === undefined) continue
      this.#asked.delete(outcome.id)
      const answer = answerOf(outcome)
      this.#answers.set(asked.question.name, answer)
      this.#evidence.push(evidenceOf(asked.question, answer, asked.at, startedAt))
      this.#wait(now, this.#script.next(asked.question, this.#answers))
    }
  }

  #wait(now: Instant, questions: readonly Question[]): void {
    for (const question of questions) {
      this.#waiting.push({ question, notBefore: after(now, question.delayMs ?? 0) })
    }
  }

  // In order, so that sockets are used in theirs; but a server that must be spared holds up no other server.
  #askWaiting(now: Instant): void {
    const held: Waiting[] = []
    for (const waiting of this.#waiting) {
      const { question, notBefore } = waiting
      const isDue = notBefore <= now && this.#pacer.isFree(now, question.server)
      if (isDue) this.#ask(now, question)
      else held.push(waiting)
    }
    this.#waiting = held
  }

  #ask(now: Instant, question: Question): void {
    this.#pacer.noteStart(now, question.server)
    const id = this.#transactions.request(now, askFor(question))
    this.#asked.set(id, { question, at: now })
  }

  #finish(result: Result): void {
    this.#isFinished = true
    for (const id of this.#asked.keys()) this.#transactions.cancel(id)
    this.#events.push({ kind: 'finished', result, evidence: this.#evidence })
  }
}

function askFor(question: Question): StunAsk {
  const { socket, to, schedule, change, respondTo, ttl, later } = question
  const hears = respondTo?.socket.id
  return {
    server: to,
    schedule,
    attributes: attributesOf(question),
    ...(later === undefined ? {} : { isForLater: true }),
    ...(ttl === undefined ? {} : { ttl }),
    ...(hears === undefined ? {} : { acceptVia: hears }),
    ...(socket.id === undefined ? {} : { via: socket.id }),
    // The asked address too: a server that ignores CHANGE-REQUEST must be noticed, not taken for a filter.
    ...(change === undefined ? {} : { acceptFrom: [change.expectedFrom, to] }),
  }
}

/** The longest answer: a header and four addresses. Our server says no more than it was asked at length. */
const LONGEST_ANSWER_BYTES = { 4: HEADER_BYTES + 4 * 12, 6: HEADER_BYTES + 4 * 24 } as const
/** And the ports, at most 16. */
const PORTS_BYTES = 4 + 32
/** A promise and three late answers, each with an address and the time that is left. */
const LATER_BYTES = { 4: 4 * (HEADER_BYTES + 12 + 8), 6: 4 * (HEADER_BYTES + 24 + 8) } as const
const SOFTWARE = 'holler natprobe: as long as the answer that it hopes for'

/** RFC 8489 §14.14: fewer than 128 characters; servers may mind. */
const MAX_SOFTWARE_BYTES = 124

function attributesOf(question: Question): readonly WritableAttribute[] {
  const { change, respondTo, later, size, wantsPorts } = question
  const { family } = question.to
  if (respondTo !== undefined) return [{ kind: 'response-port', port: respondTo.port }]
  if (later !== undefined) return [delayAttribute(later), filler(LATER_BYTES[family] - 28)]
  if (size !== undefined) return [sized(size)]
  if (wantsPorts === true) {
    return [PORTS_WANTED, filler(LONGEST_ANSWER_BYTES[family] + PORTS_BYTES - HEADER_BYTES - 4)]
  }
  const software = filler(LONGEST_ANSWER_BYTES[family] - HEADER_BYTES)
  if (change === undefined) return [software]
  return [
    { kind: 'change-request', changeAddress: change.address, changePort: change.port },
    software,
  ]
}

/** An attribute that every server ignores, of so many bytes with its header. */
function filler(bytes: number): WritableAttribute {
  const length = bytes - 4
  if (length > MAX_SOFTWARE_BYTES) {
    return { kind: 'unknown', type: FILLER_TYPE, value: new Uint8Array(length) }
  }
  return { kind: 'software', text: SOFTWARE.slice(0, length).padEnd(length) }
}

/** RFC 8489 §18.3: of the range that may be ignored, and assigned to nobody. */
const FILLER_TYPE = 0xff13

function sized({ bytes, isAnswerPadded }: NonNullable<Question['size']>): WritableAttribute {
  const length = bytes - HEADER_BYTES - 4
  return isAnswerPadded
    ? { kind: 'padding', lengthBytes: length }
    : { kind: 'unknown', type: FILLER_TYPE, value: new Uint8Array(length) }
}
