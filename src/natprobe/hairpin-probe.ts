/**
 * Whether two hosts behind this NAT can reach each other by their public addresses (RFC 4787 §6).
 *
 * Two fresh sockets learn their public addresses from a server, then each asks the other one there, both at the same
 * time: so a filter that wants to have seen traffic outwards lets the packets in, as it would when punching. One packet
 * that arrives proves hairpinning. Silence counts when the mapping was still there afterwards.
 */
import { type Endpoint, formatEndpoint, sameEndpoint } from '../core/endpoint.ts'
import type { Instant } from '../core/instant.ts'
import type { Machine, SocketId, Transmit } from '../core/machine.ts'
import { OutboundQueue } from '../core/outbound-queue.ts'
import type { Random } from '../core/random.ts'
import { decodeStun } from '../stun/codec.ts'
import type { TransactionId } from '../stun/message.ts'
import { StunTransactions } from '../stun/transactions.ts'
import { judged, type Judgement, unknown } from './finding.ts'
import type { Pacer } from './pacer.ts'
import {
  type Answers,
  type Evidence,
  type ProbeSocket,
  type Question,
  rounded,
} from './question.ts'
import { type ProbeFinished, type ProbeScript, StunProbe } from './stun-probe.ts'
import { type Mode, patientSchedule } from './timing.ts'

export interface HairpinOptions {
  readonly sockets: readonly [ProbeSocket, ProbeSocket]
  readonly server: Endpoint
  readonly mode: Mode
}

type HairpinValue = boolean | 'unknown'

/** To the own router and back: no internet in between, so loss is rare and answers are quick. */
const CROSSING = { sendAtMs: [0, 50, 150, 300, 500], giveUpAtMs: 900 } as const

type State =
  | { readonly kind: 'learning'; readonly probe: StunProbe<Addresses> }
  | {
      readonly kind: 'crossing'
      readonly addresses: Pair
      readonly since: Instant
      readonly ids: ReadonlySet<TransactionId>
    }
  | { readonly kind: 'verifying'; readonly addresses: Pair; readonly probe: StunProbe<Addresses> }
  | { readonly kind: 'finished' }

type Crossing = Extract<State, { readonly kind: 'crossing' }>
type Addresses = readonly [Endpoint | undefined, Endpoint | undefined]
type Pair = readonly [Endpoint, Endpoint]

export class HairpinProbe implements Machine<ProbeFinished<Judgement<HairpinValue>>> {
  readonly #options: HairpinOptions
  readonly #parts: { readonly random: Random; readonly pacer: Pacer }
  readonly #transactions: StunTransactions
  readonly #events = new OutboundQueue<ProbeFinished<Judgement<HairpinValue>>>()
  readonly #evidence: Evidence[] = []
  #state: State
  #startedAt: Instant | undefined

  constructor(options: HairpinOptions, parts: { readonly random: Random; readonly pacer: Pacer }) {
    this.#options = options
    this.#parts = parts
    this.#transactions = new StunTransactions(parts)
    this.#state = { kind: 'learning', probe: this.#addressProbe('before') }
  }

  start(now: Instant): void {
    this.#startedAt = now
    if (this.#state.kind === 'learning') this.#state.probe.start(now)
    this.#proceed(now)
  }

  handleDatagram(now: Instant, from: Endpoint, bytes: Uint8Array, via?: SocketId): void {
    const state = this.#state
    if (state.kind === 'crossing') {
      if (this.#isCrossed(bytes, via, state.ids)) {
        this.#noteCrossing(state, from)
        this.#finish(judged(true, 0.99))
      }
    } else if (state.kind !== 'finished') {
      state.probe.handleDatagram(now, from, bytes, via)
    }
    this.#proceed(now)
  }

  handleTimeout(now: Instant): void {
    const state = this.#state
    if (state.kind === 'crossing') this.#transactions.handleTimeout(now)
    else if (state.kind !== 'finished') state.probe.handleTimeout(now)
    this.#proceed(now)
  }

  pollTransmit(): Transmit | undefined {
    const state = this.#state
    const own = this.#transactions.pollTransmit()
    if (own !== undefined || state.kind === 'crossing' || state.kind === 'finished') return own
    return state.probe.pollTransmit()
  }

  pollEvent(): ProbeFinished<Judgement<HairpinValue>> | undefined {
    return this.#events.shift()
  }

  pollTimeout(): Instant | undefined {
    const state = this.#state
    if (state.kind === 'finished') return undefined
    if (state.kind === 'crossing') return this.#transactions.pollTimeout()
    return state.probe.pollTimeout()
  }

  #addressProbe(when: 'before' | 'after'): StunProbe<Addresses> {
    return new StunProbe(addressScript(this.#options, when), this.#parts)
  }

  #proceed(now: Instant): void {
    const state = this.#state
    if (state.kind === 'crossing') this.#hearSilence(now, state)
    else if (state.kind === 'learning') this.#hearAddresses(now, state.probe)
    else if (state.kind === 'verifying') this.#hearVerification(state.addresses, state.probe)
  }

  #hearAddresses(now: Instant, probe: StunProbe<Addresses>): void {
    const finished = probe.pollEvent()
    if (finished === undefined) return
    this.#evidence.push(...finished.evidence)
    const [first, second] = finished.result
    if (first === undefined || second === undefined) {
      this.#finish(unknown('the server did not answer before the test'))
      return
    }
    this.#cross(now, [first, second])
  }

  #cross(now: Instant, addresses: Pair): void {
    const [first, second] = this.#options.sockets
    const ids = new Set([
      this.#askAt(now, first, addresses[1]),
      this.#askAt(now, second, addresses[0]),
    ])
    this.#state = { kind: 'crossing', addresses, ids, since: now }
  }

  #askAt(now: Instant, { id }: ProbeSocket, server: Endpoint): TransactionId {
    const via = id === undefined ? {} : { via: id }
    return this.#transactions.request(now, { server, schedule: CROSSING, ...via })
  }

  // What arrives is our own question, whatever source the NAT shows (external or internal).
  #isCrossed(
    bytes: Uint8Array,
    via: SocketId | undefined,
    ids: ReadonlySet<TransactionId>,
  ): boolean {
    const isOurs = this.#options.sockets.some(({ id }) => id === via)
    const message = decodeStun(bytes)
    return isOurs && message.ok && ids.has(message.value.transactionId)
  }

  #hearSilence(now: Instant, state: Crossing): void {
    let isOver = false
    for (;;) {
      const outcome = this.#transactions.pollEvent()
      if (outcome === undefined) break
      isOver = true
    }
    if (!isOver || this.#transactions.pollTimeout() !== undefined) return
    this.#noteCrossing(state)
    const probe = this.#addressProbe('after')
    this.#state = { kind: 'verifying', addresses: state.addresses, probe }
    probe.start(now)
  }

  #noteCrossing({ addresses, since }: Crossing, heardFrom?: Endpoint): void {
    this.#evidence.push({
      test: 'hairpin, each socket to the public address of the other',
      atMs: rounded(since - (this.#startedAt ?? since)),
      from: formatEndpoint(this.#options.sockets[0].local),
      to: formatEndpoint(addresses[1]),
      asked: 'binding',
      ...(heardFrom === undefined
        ? { result: 'no-answer' }
        : { result: 'answered', answeredFrom: formatEndpoint(heardFrom) }),
    })
  }

  #hearVerification(addresses: Pair, probe: StunProbe<Addresses>): void {
    const finished = probe.pollEvent()
    if (finished === undefined) return
    this.#evidence.push(...finished.evidence)
    const stillStand = addresses.every((address, index) => {
      const now = finished.result[index]
      return now !== undefined && sameEndpoint(now, address)
    })
    this.#finish(
      stillStand
        ? judged(false, 0.95)
        : unknown('the mappings could not be found unchanged after the test'),
    )
  }

  #finish(result: Judgement<HairpinValue>): void {
    this.#state = { kind: 'finished' }
    this.#events.push({ kind: 'finished', result, evidence: this.#evidence })
  }
}

const names = (when: string): readonly [string, string] => [
  `hairpin, first socket, ${when}`,
  `hairpin, second socket, ${when}`,
]

function addressScript(
  { sockets, server, mode }: HairpinOptions,
  when: 'before' | 'after',
): ProbeScript<Addresses> {
  const [first, second] = names(when)
  const ask = (name: string, socket: ProbeSocket): Question => {
    return { name, socket, server, to: server, schedule: patientSchedule(mode) }
  }
  return {
    first: [ask(first, sockets[0]), ask(second, sockets[1])],
    next: () => [],
    conclude: (answers, isComplete) =>
      isComplete ? [mappedOf(answers, first), mappedOf(answers, second)] : undefined,
  }
}

function mappedOf(answers: Answers, name: string): Endpoint | undefined {
  const answer = answers.get(name)
  return answer?.kind === 'answered' ? answer.mapped : undefined
}
