/**
 * Binding requests under way, with the retransmission of RFC 8489 §6.2.1: a machine without I/O.
 *
 * A response counts only when its transaction id is pending, when it comes from an address that was asked (or that the
 * asker named, for CHANGE-REQUEST), and when it arrives on the socket that asked (or that the asker named, for
 * RESPONSE-PORT). Whatever else arrives is counted and dropped; nothing that a stranger sends can end a transaction.
 */
import { type Endpoint, sameEndpoint } from '../core/endpoint.ts'
import { after, earliest, type Instant } from '../core/instant.ts'
import type { Machine, SocketId, Transmit } from '../core/machine.ts'
import { OutboundQueue } from '../core/outbound-queue.ts'
import type { Random } from '../core/random.ts'
import { decodeStun, encodeStun } from './codec.ts'
import {
  attributeOf,
  BINDING,
  endpointOf,
  newTransactionId,
  notUnderstood,
  type StunMessage,
  type TransactionId,
  type WritableAttribute,
} from './message.ts'
import { secondsLeftOf } from './own-attributes.ts'

/** When to send, counted from the start, and when to stop waiting. */
export interface Schedule {
  readonly sendAtMs: readonly number[]
  readonly giveUpAtMs: number
}

/** RFC 8489 §6.2.1: Rc transmissions, the interval doubling from the RTO; Rm RTOs after the last one it is over. */
export function rfc8489Schedule({ rtoMs = 500, rc = 7, rm = 16 } = {}): Schedule {
  const sendAtMs = Array.from({ length: rc }, (_, index) => (2 ** index - 1) * rtoMs)
  return { sendAtMs, giveUpAtMs: (sendAtMs.at(-1) ?? 0) + rm * rtoMs }
}

/** The machine's primary socket, which has no name of its own. */
export const PRIMARY = Symbol('the primary socket')

const STANDARD_SCHEDULE = rfc8489Schedule()

export interface StunAsk {
  readonly server: Endpoint
  readonly via?: SocketId
  readonly attributes?: readonly WritableAttribute[]
  readonly schedule?: Schedule
  /** Where an answer may come from; the server's own address alone when absent. */
  readonly acceptFrom?: readonly Endpoint[]
  /** The socket on which an answer may arrive, for RESPONSE-PORT; the one that asks when absent. */
  readonly acceptVia?: SocketId | typeof PRIMARY
  /** IP time-to-live, for requests that are not to arrive. */
  readonly ttl?: number
  /** It asks for a delayed answer (`own-attributes.ts`): the server's word that it will come ends only the repeating. */
  readonly isForLater?: true
}

export type StunOutcome =
  | {
      readonly kind: 'answered'
      readonly id: TransactionId
      readonly from: Endpoint
      readonly via?: SocketId
      readonly message: StunMessage
      /** Our address as the server sees it: XOR-MAPPED-ADDRESS, or an old server's MAPPED-ADDRESS. */
      readonly mapped: Endpoint
      /** Since the first transmission: a round trip time only where `sends` is 1 (Karn's ambiguity). */
      readonly rttMs: number
      readonly sends: number
    }
  | {
      readonly kind: 'refused'
      readonly id: TransactionId
      readonly from: Endpoint
      readonly code: number
      readonly reason: string
      readonly message: StunMessage
    }
  | {
      readonly kind: 'timed-out'
      readonly id: TransactionId
      readonly sends: number
      /** The server had said that it would answer later. */
      readonly isPromised: boolean
    }

interface Pending {
  readonly id: TransactionId
  readonly ask: StunAsk
  readonly bytes: Uint8Array
  readonly schedule: Schedule
  readonly startedAt: Instant
  sends: number
  dueAt: Instant
  isPromised: boolean
}

export class StunTransactions implements Machine<StunOutcome> {
  readonly #random: Random
  readonly #pending = new Map<TransactionId, Pending>() // grows by our own requests alone; each ends with its schedule
  readonly #transmits = new OutboundQueue<Transmit>()
  readonly #outcomes = new OutboundQueue<StunOutcome>()
  #ignored = 0

  constructor({ random }: { readonly random: Random }) {
    this.#random = random
  }

  /** Sends a Binding request now and again as the schedule says, until it is answered, refused or given up. */
  request(now: Instant, ask: StunAsk): TransactionId {
    const id = newTransactionId(this.#random)
    const bytes = encodeStun({
      messageClass: 'request',
      method: BINDING,
      transactionId: id,
      attributes: ask.attributes ?? [],
    })
    const schedule = ask.schedule ?? STANDARD_SCHEDULE
    const begun = { startedAt: now, sends: 0, dueAt: now, isPromised: false }
    const pending = { id, ask, bytes, schedule, ...begun }
    this.#pending.set(id, pending)
    this.#advance(now, pending)
    return id
  }

  /** Forgets a transaction: no outcome will come. */
  cancel(id: TransactionId): void {
    this.#pending.delete(id)
  }

  isPending(id: TransactionId): boolean {
    return this.#pending.has(id)
  }

  /** Datagrams that were no answer to anything pending. */
  get ignored(): number {
    return this.#ignored
  }

  handleDatagram(now: Instant, from: Endpoint, bytes: Uint8Array, via?: SocketId): void {
    const message = decodeStun(bytes)
    const pending = message.ok ? this.#pending.get(message.value.transactionId) : undefined
    if (!message.ok || pending === undefined || !mayAnswer(pending, from, via)) {
      this.#ignored += 1
      return
    }
    if (isPromise(pending, message.value)) {
      pending.isPromised = true
      pending.dueAt = after(pending.startedAt, pending.schedule.giveUpAtMs)
      return
    }
    const outcome = outcomeOf(now, pending, from, message.value)
    if (outcome === undefined) {
      this.#ignored += 1
      return
    }
    this.#pending.delete(pending.id)
    this.#outcomes.push(outcome)
  }

  handleTimeout(now: Instant): void {
    for (const pending of [...this.#pending.values()]) {
      if (pending.dueAt <= now) this.#advance(now, pending)
    }
  }

  pollTransmit(): Transmit | undefined {
    return this.#transmits.shift()
  }

  pollEvent(): StunOutcome | undefined {
    return this.#outcomes.shift()
  }

  pollTimeout(): Instant | undefined {
    let first: Instant | undefined
    for (const { dueAt } of this.#pending.values()) first = earliest(first, dueAt)
    return first
  }

  // One transmission however late the wake-up: a pause is no reason for a burst.
  #advance(now: Instant, pending: Pending): void {
    const { schedule, startedAt, ask, id } = pending
    if (now >= after(startedAt, schedule.giveUpAtMs)) {
      this.#pending.delete(id)
      const { sends, isPromised } = pending
      this.#outcomes.push({ kind: 'timed-out', id, sends, isPromised })
      return
    }
    pending.sends += 1
    this.#transmits.push({
      to: ask.server,
      bytes: pending.bytes,
      ...(ask.via === undefined ? {} : { via: ask.via }),
      ...(ask.ttl === undefined ? {} : { ttl: ask.ttl }),
    })
    const next = schedule.sendAtMs.find((offset) => after(startedAt, offset) > now)
    pending.dueAt = after(startedAt, next ?? schedule.giveUpAtMs)
  }
}

function mayAnswer({ ask }: Pending, from: Endpoint, via: SocketId | undefined): boolean {
  if (via !== heardOn(ask)) return false
  return (ask.acceptFrom ?? [ask.server]).some((accepted) => sameEndpoint(accepted, from))
}

function isPromise({ ask }: Pending, message: StunMessage): boolean {
  return ask.isForLater === true && (secondsLeftOf(message) ?? 0) > 0
}

function heardOn({ via, acceptVia }: StunAsk): SocketId | undefined {
  return acceptVia === PRIMARY ? undefined : (acceptVia ?? via)
}

/** `undefined` for what is no answer: another class or method, no address, a thing we must understand and do not. */
function outcomeOf(
  now: Instant,
  { id, ask, startedAt, sends }: Pending,
  from: Endpoint,
  message: StunMessage,
): StunOutcome | undefined {
  if (message.method !== BINDING) return undefined
  if (message.messageClass === 'error') {
    const error = attributeOf(message, 'error-code')
    if (error === undefined) return undefined
    return { kind: 'refused', id, from, code: error.code, reason: error.reason, message }
  }
  // RFC 8489 §6.3.3 has such a transaction fail at once; here it fails when its time is over.
  if (message.messageClass !== 'success' || notUnderstood(message).length > 0) return undefined
  const mapped = endpointOf(message, 'xor-mapped-address') ?? endpointOf(message, 'mapped-address')
  if (mapped === undefined) return undefined
  const at = heardOn(ask)
  const via = at === undefined ? {} : { via: at }
  return { kind: 'answered', id, from, ...via, message, mapped, rttMs: now - startedAt, sends }
}
