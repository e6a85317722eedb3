/**
 * A STUN server for Binding (RFC 8489) with the NAT behaviour discovery of RFC 5780 and answers for RFC 3489's clients.
 *
 * It keeps nothing about those who ask but a bounded table of token buckets, each for a whole network. One datagram in,
 * at most one out, and never much longer than what came in: a spoofed request is worth nothing to who sends it.
 * `answer-size.ts` holds that rule; `docs/protocol/stun.md` tells it with its reasons.
 *
 * RFC 5780 wants two addresses with two ports each. With less, the rest still works: flags of CHANGE-REQUEST are served
 * where the socket that they name exists, and OTHER-ADDRESS is told where there is another address.
 */
import type { Endpoint } from '../core/endpoint.ts'
import type { Instant } from '../core/instant.ts'
import type { Machine, SocketId, Transmit } from '../core/machine.ts'
import { OutboundQueue } from '../core/outbound-queue.ts'
import { AnswerSize, type CourtesyLimits, DEFAULT_COURTESY, type Tellable } from './answer-size.ts'
import { BindingSockets, type BindingSocket } from './binding-sockets.ts'
import { type ClassicRequest, decodeClassicRequest, encodeClassicResponse } from './classic.ts'
import { decodeStun, encodeStun } from './codec.ts'
import { BAD_REQUEST, UNKNOWN_ATTRIBUTE } from './error-code.ts'
import {
  attributeOf,
  attributeTypes,
  BINDING,
  notUnderstood,
  type StunMessage,
  type WritableAttribute,
} from './message.ts'
import { type BucketLimits, PrefixBuckets } from './prefix-buckets.ts'

export interface BindingServerOptions {
  /** The first one is primary: its address is where clients are sent. */
  readonly sockets: readonly BindingSocket[]
  readonly rate?: BucketLimits
  /** What may be given beyond the size rule, so that foreign tools work; `none` for no exception at all. */
  readonly courtesy?: CourtesyLimits | 'none'
}

/**
 * For one /24 or /56. A carrier's NAT may have thousands of clients behind such a network, each asking every 15 s and all
 * of them at once after an outage; and 1000 answers of 32 bytes a second flood nobody.
 */
const DEFAULT_RATE: BucketLimits = { perSecond: 1000, burst: 2000 }

export interface BindingServerStats {
  readonly answered: number
  readonly refused: number
  readonly dropped: Readonly<Record<DropReason, number>>
}

type DropReason = 'malformed' | 'unwanted' | 'rate' | 'size'

/** What becomes of a datagram. */
type Reply =
  | { readonly kind: 'answered' | 'refused'; readonly transmit: Transmit }
  | { readonly kind: 'dropped'; readonly reason: DropReason }

/** The sender, what it sent and where: what every decision about an answer needs. */
interface Request {
  readonly now: Instant
  readonly from: Endpoint
  readonly lengthBytes: number
  readonly at: BindingSocket
}

export class BindingServer implements Machine<never> {
  readonly #sockets: BindingSockets
  readonly #rate: PrefixBuckets
  readonly #size: AnswerSize
  readonly #transmits = new OutboundQueue<Transmit>()
  readonly #dropped = { malformed: 0, unwanted: 0, rate: 0, size: 0 }
  #answered = 0
  #refused = 0

  constructor({ sockets, rate = DEFAULT_RATE, courtesy = DEFAULT_COURTESY }: BindingServerOptions) {
    this.#sockets = new BindingSockets(sockets)
    this.#rate = new PrefixBuckets(rate)
    this.#size = new AnswerSize(courtesy)
  }

  get stats(): BindingServerStats {
    return { answered: this.#answered, refused: this.#refused, dropped: { ...this.#dropped } }
  }

  handleDatagram(now: Instant, from: Endpoint, bytes: Uint8Array, via?: SocketId): void {
    const reply = this.#replyTo(now, from, bytes, via)
    if (reply.kind === 'dropped') {
      this.#dropped[reply.reason] += 1
      return
    }
    if (reply.kind === 'answered') this.#answered += 1
    else this.#refused += 1
    this.#transmits.push(reply.transmit)
  }

  handleTimeout(): void {
    // Nothing here waits: buckets are filled when they are looked at.
  }

  pollTransmit(): Transmit | undefined {
    return this.#transmits.shift()
  }

  pollEvent(): undefined {
    return undefined
  }

  pollTimeout(): undefined {
    return undefined
  }

  #replyTo(now: Instant, from: Endpoint, bytes: Uint8Array, via: SocketId | undefined): Reply {
    const at = this.#sockets.named(via, from.family)
    if (at === undefined || from.port === 0) return dropped('unwanted')
    const request = { now, from, lengthBytes: bytes.length, at }
    const message = decodeStun(bytes)
    const classic = message.ok ? undefined : decodeClassicRequest(bytes)
    if (classic?.ok === false) return dropped('malformed')
    if (message.ok && !isBindingRequest(message.value)) return dropped('unwanted')
    if (!this.#rate.take(now, from)) return dropped('rate')
    if (classic !== undefined) return this.#answerClassic(request, classic.value)
    return message.ok ? this.#answer(request, message.value) : dropped('malformed')
  }

  #answer(request: Request, message: StunMessage): Reply {
    const unknown = notUnderstood(message)
    if (unknown.length > 0) return this.#refuseUnknown(request, message, unknown)
    const source = this.#sockets.changed(request.at, attributeOf(message, 'change-request'))
    if (source === undefined) {
      return this.#refuseUnknown(request, message, [attributeTypes['change-request']])
    }
    const port = attributeOf(message, 'response-port')?.port
    const isPadded = attributeOf(message, 'padding') !== undefined
    // RFC 5780 §7.5: never both; the answer would be long and go where nobody asked.
    if (port === 0 || (port !== undefined && isPadded)) {
      return this.#refuse(request, message, [{ kind: 'error-code', ...BAD_REQUEST }])
    }
    const tellable = { mapped: request.from, isPadded, ...this.#tellable(request.at, source) }
    const attributes = this.#size.choose(request, tellable)
    const to = port === undefined ? request.from : { ...request.from, port }
    const bytes = encodeStun({ ...message, messageClass: 'success', attributes })
    return { kind: 'answered', transmit: transmit(source, to, bytes) }
  }

  #answerClassic(request: Request, { id, ...change }: ClassicRequest): Reply {
    const source = this.#sockets.changed(request.at, change)
    if (source === undefined || request.from.family !== 4) return dropped('unwanted')
    const told = this.#size.chooseClassic(request, this.#tellable(request.at, source))
    const answer = { id, mapped: request.from, source: told.origin, changed: told.other }
    const bytes = encodeClassicResponse(answer)
    return { kind: 'answered', transmit: transmit(source, request.from, bytes) }
  }

  #tellable(at: BindingSocket, source: BindingSocket): Tellable {
    return {
      origin: this.#sockets.told(source),
      other: this.#sockets.other(at),
      deservesCourtesy: this.#sockets.isPrimary(at) && source === at,
    }
  }

  /** RFC 8489 §6.3.1: 420 names what was not understood, so that the client can leave it out. */
  #refuseUnknown(request: Request, message: StunMessage, types: readonly number[]): Reply {
    return this.#refuse(request, message, [
      { kind: 'error-code', ...UNKNOWN_ATTRIBUTE },
      { kind: 'unknown-attributes', types },
    ])
  }

  #refuse(request: Request, message: StunMessage, attributes: readonly WritableAttribute[]): Reply {
    const full = encodeStun({ ...message, messageClass: 'error', attributes })
    const bytes = this.#size.allows(request, full.length)
      ? full
      : encodeStun({ ...message, messageClass: 'error', attributes: attributes.map(terse) })
    const mayLeave =
      this.#size.allows(request, bytes.length) || this.#size.takeCourtesy(request.now, request.from)
    if (!mayLeave) return dropped('size')
    return { kind: 'refused', transmit: transmit(request.at, request.from, bytes) }
  }
}

// Indications are keepalives (RFC 8489 §6.3.2), responses are nothing that was asked for here.
function isBindingRequest({ messageClass, method }: StunMessage): boolean {
  return messageClass === 'request' && method === BINDING
}

function dropped(reason: DropReason): Reply {
  return { kind: 'dropped', reason }
}

function transmit({ id }: BindingSocket, to: Endpoint, bytes: Uint8Array): Transmit {
  return { to, bytes, ...(id === undefined ? {} : { via: id }) }
}

function terse(attribute: WritableAttribute): WritableAttribute {
  return attribute.kind === 'error-code' ? { ...attribute, reason: '' } : attribute
}
