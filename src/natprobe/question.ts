/** What a probe asks a STUN server, and what became of it: the whole vocabulary of the tests. */
import { type Endpoint, formatEndpoint } from '../core/endpoint.ts'
import type { Instant } from '../core/instant.ts'
import type { SocketId } from '../core/machine.ts'
import { attributeOf, endpointOf } from '../stun/message.ts'
import { type Delay, portsOf, secondsLeftOf } from '../stun/own-attributes.ts'
import type { Schedule, StunOutcome } from '../stun/transactions.ts'

/** A local socket: the machine's primary one without an id. Its address may be the unspecified one. */
export interface ProbeSocket {
  readonly id?: SocketId
  readonly local: Endpoint
}

export interface Question {
  /** Unique within its probe. */
  readonly name: string
  readonly socket: ProbeSocket
  /** The server's main endpoint: it is this server that is spared, on whichever of its addresses. */
  readonly server: Endpoint
  readonly to: Endpoint
  readonly schedule: Schedule
  /** RFC 5780 §7.2, and where the answer must then come from. */
  readonly change?: {
    readonly address: boolean
    readonly port: boolean
    readonly expectedFrom: Endpoint
  }
  /** RFC 5780 §7.5: the answer must go to this port of our public address, which is another socket's of ours. */
  readonly respondTo?: { readonly port: number; readonly socket: ProbeSocket }
  /** IP time-to-live: the question gets no further than that router, and opens the ones before it. */
  readonly ttl?: number
  /** The answer shall come so much later, without an outgoing packet before it. */
  readonly later?: Delay
  /** How many bytes the datagram shall have; the answer too, if padded. Its answer says little else then. */
  readonly size?: { readonly bytes: number; readonly isAnswerPadded: boolean }
  /** On which ports does the server listen? */
  readonly wantsPorts?: true
  /** Not before so long after it was named: for as long, its socket is left idle. */
  readonly delayMs?: number
}

export type Answer =
  | {
      readonly kind: 'answered'
      readonly from: Endpoint
      readonly mapped: Endpoint
      readonly rttMs: number
      readonly sends: number
      readonly plainMapped?: Endpoint
      readonly otherAddress?: Endpoint
      readonly origin?: Endpoint
      /** It came when it was asked for. */
      readonly isLate?: true
      readonly ports?: readonly number[]
      /** Of its PADDING. */
      readonly paddingBytes?: number
    }
  | { readonly kind: 'refused'; readonly code: number }
  | {
      readonly kind: 'silent'
      readonly sends: number
      /** The server had said that it would answer later: the question was not lost. */
      readonly isPromised?: true
    }

export type Answers = ReadonlyMap<string, Answer>

export const askedKinds = [
  'binding',
  'change-port',
  'change-address',
  'change-address-and-port',
  'response-port',
  'delayed',
  'padding',
] as const

/** One line of a finding's proof: which packet, sent when, from and to where, and what answered. */
export interface Evidence {
  readonly test: string
  /** Since the probe's start. */
  readonly atMs: number
  readonly from: string
  readonly to: string
  readonly asked: (typeof askedKinds)[number]
  readonly ttl?: number
  /** Of `delayed`: how much later the answer was to come. */
  readonly delaySeconds?: number
  /** Of the datagram, where that is what is tested. */
  readonly sizeBytes?: number
  readonly result: 'answered' | 'refused' | 'no-answer'
  readonly sends?: number
  readonly answeredFrom?: string
  readonly mapped?: string
  readonly rttMs?: number
  readonly errorCode?: number
}

export function answerOf(outcome: StunOutcome): Answer {
  switch (outcome.kind) {
    case 'timed-out':
      return {
        kind: 'silent',
        sends: outcome.sends,
        ...(outcome.isPromised ? { isPromised: true } : {}),
      }
    case 'refused':
      return { kind: 'refused', code: outcome.code }
    case 'answered':
      return answered(outcome)
  }
}

function answered(outcome: StunOutcome & { readonly kind: 'answered' }): Answer {
  const { from, mapped, rttMs, sends, message } = outcome
  const plainMapped = endpointOf(message, 'mapped-address')
  // Servers of RFC 3489 say CHANGED-ADDRESS. Their SOURCE-ADDRESS is often wrong (Debian's stund) and proves nothing.
  const otherAddress =
    endpointOf(message, 'other-address') ?? endpointOf(message, 'changed-address')
  const origin = endpointOf(message, 'response-origin')
  const ports = portsOf(message)
  const padding = attributeOf(message, 'padding')
  return {
    kind: 'answered',
    from,
    mapped,
    rttMs,
    sends,
    ...(plainMapped === undefined ? {} : { plainMapped }),
    ...(otherAddress === undefined ? {} : { otherAddress }),
    ...(origin === undefined ? {} : { origin }),
    ...(secondsLeftOf(message) === 0 ? { isLate: true } : {}),
    ...(ports === undefined ? {} : { ports }),
    ...(padding === undefined ? {} : { paddingBytes: padding.lengthBytes }),
  }
}

export function evidenceOf(
  question: Question,
  answer: Answer,
  askedAt: Instant,
  startedAt: Instant,
): Evidence {
  return {
    test: question.name,
    atMs: rounded(askedAt - startedAt),
    from: formatEndpoint(question.socket.local),
    to: formatEndpoint(question.to),
    asked: askedFor(question),
    ...(question.ttl === undefined ? {} : { ttl: question.ttl }),
    ...(question.later === undefined ? {} : { delaySeconds: question.later.seconds }),
    ...(question.size === undefined ? {} : { sizeBytes: question.size.bytes }),
    ...resultOf(answer),
  }
}

function askedFor({ change, respondTo, later, size }: Question): Evidence['asked'] {
  if (later !== undefined) return 'delayed'
  if (size !== undefined) return size.isAnswerPadded ? 'padding' : 'binding'
  if (respondTo !== undefined) return 'response-port'
  if (change === undefined) return 'binding'
  if (change.address) return change.port ? 'change-address-and-port' : 'change-address'
  return 'change-port'
}

function resultOf(answer: Answer): Pick<Evidence, 'result'> & Partial<Evidence> {
  switch (answer.kind) {
    case 'silent':
      return { result: 'no-answer', sends: answer.sends }
    case 'refused':
      return { result: 'refused', errorCode: answer.code }
    case 'answered':
      return {
        result: 'answered',
        sends: answer.sends,
        answeredFrom: formatEndpoint(answer.from),
        mapped: formatEndpoint(answer.mapped),
        rttMs: rounded(answer.rttMs),
      }
  }
}

/** To a tenth of a millisecond: what a clock in a busy process is worth. */
export function rounded(ms: number): number {
  return Math.round(ms * 10) / 10
}
