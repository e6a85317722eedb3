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
import { after, type Instant } from '../core/instant.ts'
import type { Machine, SocketId, Transmit } from '../core/machine.ts'
import { OutboundQueue } from '../core/outbound-queue.ts'
import { AnswerSize, type CourtesyLimits, DEFAULT_COURTESY, type Tellable } from './answer-size.ts'
import { BindingSockets, type BindingSocket } from './binding-sockets.ts'
import { type ClassicRequest, decodeClassicRequest, encodeClassicResponse } from './classic.ts'
import { decodeStun, encodeStun } from './codec.ts'
import { DelayedAnswers, MAX_COPIES } from './delayed-answers.ts'
import { BAD_REQUEST, INSUFFICIENT_CAPACITY, UNKNOWN_ATTRIBUTE } from './error-code.ts'
import {
  attributeOf,
  attributeTypes,
  BINDING,
  notUnderstood,
  type StunMessage,
  type WritableAttribute,
} from './message.ts'
import {
  type Delay,
  DELAY_TYPE,
  delayedAttribute,
  delayOf,
  portsAttribute,
  wantsPorts,
} from './own-attributes.ts'
import { type BucketLimits, PrefixBuckets } from './prefix-buckets.ts'

export interface BindingServerOptions {
  /** The first one is primary: its address is where clients are sent. */
  readonly sockets: readonly BindingSocket[]
  readonly rate?: BucketLimits
  /** What may be given beyond the size rule, so that foreign tools work; `none` for no exception at all. */
  readonly courtesy?: CourtesyLimits | 'none'
  /** Who may ask for delayed answers: those whom something else than their address vouches for. Nobody when absent. */
  readonly mayDelay?: (from: Endpoint) => boolean
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
  /** For its time to come. */
  | { readonly kind: 'waiting' }

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
  readonly #mayDelay: (from: Endpoint) => boolean
  readonly #delayed = new DelayedAnswers()
  readonly #transmits = new OutboundQueue<Transmit>()
  readonly #dropped = { malformed: 0, unwanted: 0, rate: 0, size: 0 }
  #answered = 0
  #refused = 0

  constructor({
    sockets,
    rate = DEFAULT_RATE,
    courtesy = DEFAULT_COURTESY,
    mayDelay = () => false,
  }: BindingServerOptions) {
    this.#sockets = new BindingSockets(sockets)
    this.#rate = new PrefixBuckets(rate)
    this.#size = new AnswerSize(courtesy)
    this.#mayDelay = mayDelay
  }

  get stats(): BindingServerStats {
    return { answered: this.#answered, refused: this.#refused, dropped: { ...this.#dropped } }
  }

  handleDatagram(now: Instant, from: Endpoint, bytes: Uint8Array, via?: SocketId): void {
    const reply = this.#replyTo(now, from, bytes, via)
    if (reply.kind === 'waiting') return
    if (reply.kind === 'dropped') {
      this.#dropped[reply.reason] += 1
      return
    }
    if (reply.kind === 'answered') this.#answered += 1
    else this.#refused += 1
    this.#transmits.push(reply.transmit)
  }

  handleTimeout(now: Instant): void {
    for (const transmit of this.#delayed.due(now)) this.#transmits.push(transmit)
  }

  pollTransmit(): Transmit | undefined {
    return this.#transmits.shift()
  }

  pollEvent(): undefined {
    return undefined
  }

  /** Only delayed answers wait: buckets are filled when they are looked at. */
  pollTimeout(): Instant | undefined {
    return this.#delayed.nextAt
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
    const mayDelay = this.#mayDelay(request.from)
    const unknown = notUnderstood(message).filter((type) => type !== DELAY_TYPE || !mayDelay)
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
    const delay = delayOf(message)
    if (delay === 'malformed' || (delay !== undefined && port !== undefined)) {
      return this.#refuse(request, message, [{ kind: 'error-code', ...BAD_REQUEST }])
    }
    if (delay !== undefined) return this.#answerLater(request, message, source, delay)
    const tellable = { mapped: request.from, isPadded, ...this.#tellable(request.at, source) }
    const attributes = this.#size.choose(request, tellable)
    const to = port === undefined ? request.from : { ...request.from, port }
    const bytes = encodeStun({ ...message, messageClass: 'success', attributes })
    const withPorts = wantsPorts(message) ? this.#withPorts(request, message, attributes) : bytes
    return { kind: 'answered', transmit: transmit(source, to, withPorts ?? bytes) }
  }

  /** `undefined` where that does not fit. */
  #withPorts(
    request: Request,
    message: StunMessage,
    attributes: readonly WritableAttribute[],
  ): Uint8Array | undefined {
    const ports = portsAttribute(this.#sockets.portsOf(request.from.family))
    const all = { ...message, messageClass: 'success', attributes: [...attributes, ports] } as const
    const bytes = encodeStun(all)
    return this.#size.allows(request, bytes.length) ? bytes : undefined
  }

  /** All of its answers together are no longer than the request: nobody is sent more than was sent in his name. */
  #answerLater(
    request: Request,
    message: StunMessage,
    source: BindingSocket,
    { seconds, isSilent }: Delay,
  ): Reply {
    const saying = (secondsLeft: number): Transmit => {
      const attributes: readonly WritableAttribute[] = [
        { kind: 'xor-mapped-address', endpoint: request.from },
        delayedAttribute(secondsLeft),
      ]
      const bytes = encodeStun({ ...message, messageClass: 'success', attributes })
      return transmit(source, request.from, bytes)
    }
    const late = saying(0)
    const now = saying(seconds)
    const room = request.lengthBytes - (isSilent ? 0 : now.bytes.length)
    const copies = Math.min(MAX_COPIES, Math.floor(room / late.bytes.length))
    if (copies < 1) return dropped('size')
    const dueAt = after(request.now, 1000 * seconds)
    if (
      !this.#delayed.add(dueAt, request.from, message.transactionId, { transmit: late, copies })
    ) {
      return this.#refuse(request, message, [{ kind: 'error-code', ...INSUFFICIENT_CAPACITY }])
    }
    return isSilent ? { kind: 'waiting' } : { kind: 'answered', transmit: now }
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
