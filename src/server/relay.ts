/**
 * The relay: passes datagrams between the two devices that a ticket names, and nowhere else. A machine without I/O.
 *
 *     BIND (cookie of zeros) ► ◄ COOKIE          nothing is kept: the address might be forged
 *     BIND (cookie, ticket, signature) ► ◄ BOUND  the address receives, the server allows the pair, the device is one of it
 *     DATA ► … ► DATA to the other side, where that one is bound; PING ► ◄ PONG keeps the channel
 *
 * Inside TLS it is the same, but without the cookie: the stream itself proves that its other end receives, and instead of
 * the cookie BIND repeats what only the two ends of the stream know. One pair's sides may be bound over either.
 *
 * It sends only to who has just written to it, and never more than was written, or to an address that has proved by a
 * cookie that it receives; no frame names an address. A device whose address changed binds again, with a cookie newer
 * than the one before: a recorded BIND can bring nothing back. `docs/protocol/relay.md` draws the frames.
 */
import { equalBytes, toHex } from '../core/bytes.ts'
import type { Endpoint } from '../core/endpoint.ts'
import { after, type Instant } from '../core/instant.ts'
import type { Machine, SocketId, Transmit } from '../core/machine.ts'
import { OutboundQueue } from '../core/outbound-queue.ts'
import type { Random } from '../core/random.ts'
import { relayBindStatement } from '../crypto/device-statement.ts'
import { verifySignature } from '../crypto/identity.ts'
import {
  type BindFrame,
  CHANNEL_BYTES,
  type ChannelId,
  channelOf,
  DATA_HEADER_BYTES,
  dataChannel,
  dataPayload,
  decodeRelayFrame,
  encodeData,
  encodeRelayFrame,
  type RefusalReason,
  type RelayFrame,
} from '../protocol/relay/frames.ts'
import { decodeTicket, type RelayTicket } from '../protocol/relay/ticket.ts'
import { type BucketLimits, PrefixBuckets } from '../stun/prefix-buckets.ts'
import { RelayCookies } from './relay-cookie.ts'
import { type RelayBinding, RelaySession, type RelaySide, sessionKey } from './relay-session.ts'
import type { ServerTime } from './server-time.ts'

/** Without a frame from its owner for so long, a channel is closed. Daemons ping several times within it. */
export const CHANNEL_LIFETIME_SECONDS = 60

/** Sessions remembered, bound or not: 1 KiB each. */
export const MAX_SESSIONS = 16_384

/** Sessions that one device may have bound: a daemon has one for each buddy that it cannot reach directly. */
export const MAX_SESSIONS_PER_DEVICE = 256

/** For one network. A binding costs two signature checks, 0.2 ms: so a tenth of a core at most. */
const BIND_RATE: BucketLimits = { perSecond: 500, burst: 1000 }

const SWEEP_MS = 5_000

export type RelayDropReason =
  'malformed' | 'unwanted' | 'unknown-channel' | 'wrong-address' | 'peer-absent' | 'quota' | 'rate'

export interface RelayStats {
  readonly sessions: number
  readonly channels: number
  /** TLS streams, bound or not. */
  readonly streams: number
  readonly forwarded: number
  readonly forwardedBytes: number
  readonly refused: number
  readonly dropped: Readonly<Record<RelayDropReason, number>>
}

export interface RelayOptions {
  readonly relayId: Uint8Array // 8 bytes
  /** One of these must have signed a ticket: Ed25519 public keys of servers. */
  readonly ticketKeys: readonly Uint8Array[]
  readonly cookieSecret: Uint8Array
  readonly random: Random
  readonly time: ServerTime
  readonly bindRate?: BucketLimits
}

/** Of streams alone (`streamOpened`): a UDP socket is for everybody. */
export type RelayEvent =
  /** Somebody has proved by it that they may use the relay. */
  | { readonly kind: 'stream-bound'; readonly via: SocketId }
  /** Nobody is bound there any more. */
  | { readonly kind: 'stream-idle'; readonly via: SocketId }

/** A TLS stream on which relay frames come: a socket with a single other end. */
interface RelayStream {
  readonly proof: Uint8Array // 16 bytes, `relayStreamProof`
  readonly sides: Set<RelaySide> // those bound there
}

interface Source {
  readonly now: Instant
  readonly from: Endpoint
  readonly via: SocketId | undefined
}

export class Relay implements Machine<RelayEvent> {
  readonly #options: RelayOptions
  readonly #cookies: RelayCookies
  readonly #bindRate: PrefixBuckets
  readonly #sessions = new Map<string, RelaySession>() // ≤ MAX_SESSIONS, further ones are refused
  readonly #channels = new Map<ChannelId, RelaySide>() // ≤ 2 × MAX_SESSIONS
  readonly #bound = new Map<string, number>() // sides of each device, ≤ 2 × MAX_SESSIONS
  readonly #streams = new Map<SocketId, RelayStream>() // BOUNDED: by who opens them, `relay-door.ts`
  readonly #transmits = new OutboundQueue<Transmit>()
  readonly #events = new OutboundQueue<RelayEvent>()
  readonly #dropped: Record<RelayDropReason, number> = {
    malformed: 0,
    unwanted: 0,
    'unknown-channel': 0,
    'wrong-address': 0,
    'peer-absent': 0,
    quota: 0,
    rate: 0,
  }
  #forwarded = 0
  #forwardedBytes = 0
  #refused = 0
  #isDraining = false
  #sweepAt: Instant | undefined

  constructor(options: RelayOptions) {
    this.#options = options
    this.#cookies = new RelayCookies(options.cookieSecret)
    this.#bindRate = new PrefixBuckets(options.bindRate ?? BIND_RATE)
  }

  get stats(): RelayStats {
    return {
      sessions: this.#sessions.size,
      channels: this.#channels.size,
      streams: this.#streams.size,
      forwarded: this.#forwarded,
      forwardedBytes: this.#forwardedBytes,
      refused: this.#refused,
      dropped: { ...this.#dropped },
    }
  }

  /** No new sessions from now on: who asks is told to go elsewhere. Those that there are go on. */
  drain(): void {
    this.#isDraining = true
  }

  /** A TLS stream stands, which is a socket from now on; `proof` is its `relayStreamProof`. */
  streamOpened(via: SocketId, proof: Uint8Array): void {
    this.#streams.set(via, { proof, sides: new Set() })
  }

  /** Who was bound there cannot be reached any more, and binds again from wherever they are. */
  streamClosed(via: SocketId): void {
    const stream = this.#streams.get(via)
    this.#streams.delete(via)
    for (const side of stream?.sides ?? []) this.#closeSide(side)
  }

  handleDatagram(now: Instant, from: Endpoint, bytes: Uint8Array, via?: SocketId): void {
    const source = { now, from, via }
    const channel = dataChannel(bytes)
    if (channel !== undefined) {
      this.#handleData(source, channel, bytes)
      return
    }
    const frame = decodeRelayFrame(bytes)
    if (!frame.ok) {
      this.#drop('malformed')
      return
    }
    switch (frame.value.kind) {
      case 'bind': {
        this.#handleBind(source, frame.value)
        return
      }
      case 'ping': {
        this.#handlePing(source, frame.value)
        return
      }
      case 'data': // too short to carry a channel
      case 'cookie':
      case 'bound':
      case 'refused':
      case 'pong':
      case 'unknown-channel': {
        this.#drop('unwanted')
        return
      }
    }
  }

  handleTimeout(now: Instant): void {
    if (this.#sweepAt === undefined || this.#sweepAt > now) return
    this.#sweep(now)
    this.#sweepAt = this.#sessions.size === 0 ? undefined : after(now, SWEEP_MS)
  }

  pollTransmit(): Transmit | undefined {
    return this.#transmits.shift()
  }

  pollEvent(): RelayEvent | undefined {
    return this.#events.shift()
  }

  pollTimeout(): Instant | undefined {
    return this.#sweepAt
  }

  #handleData(source: Source, channel: ChannelId, bytes: Uint8Array): void {
    const side = this.#sideOf(source, channel)
    if (side === undefined) return
    side.heardAt = source.now
    const other = side.session.sides[side.index === 0 ? 1 : 0]
    if (other === undefined) {
      this.#drop('peer-absent')
      return
    }
    const payloadBytes = bytes.length - DATA_HEADER_BYTES
    const verdict = side.session.spend(source.now, payloadBytes)
    if (verdict === 'rate') {
      this.#drop('rate')
      return
    }
    if (verdict === 'quota') {
      this.#closeSession(side.session)
      this.#answer(source, { kind: 'unknown-channel', channel })
      this.#drop('quota')
      return
    }
    this.#forwarded += 1
    this.#forwardedBytes += payloadBytes
    this.#send(other.binding, encodeData(other.channel, dataPayload(bytes)))
  }

  #handlePing(source: Source, frame: Extract<RelayFrame, { kind: 'ping' | 'pong' }>): void {
    const side = this.#sideOf(source, frame.channel)
    if (side === undefined) return
    side.heardAt = source.now
    this.#answer(source, { ...frame, kind: 'pong' })
  }

  // Who sends elsewhere than it was bound is told to bind again. That answer is shorter than what it answers.
  #sideOf(source: Source, channel: ChannelId): RelaySide | undefined {
    const side = this.#channels.get(channel)
    const isOwn = side !== undefined && RelaySession.isFrom(side, source.from, source.via)
    if (isOwn) return side
    this.#drop(side === undefined ? 'unknown-channel' : 'wrong-address')
    this.#answer(source, { kind: 'unknown-channel', channel })
    return undefined
  }

  #handleBind(source: Source, bind: BindFrame): void {
    const { now, from } = source
    const provedAt = this.#provedAt(source, bind)
    if (provedAt === undefined) {
      const cookie = this.#proofFor(source)
      this.#answer(source, { kind: 'cookie', nonce: bind.nonce, cookie })
      return
    }
    if (!this.#bindRate.take(now, from)) {
      this.#drop('rate')
      return
    }
    const judged = this.#judge(now, bind)
    if (typeof judged === 'string') {
      this.#refused += 1
      this.#answer(source, { kind: 'refused', nonce: bind.nonce, reason: judged })
      return
    }
    const channel = this.#bindSide(source, provedAt, judged)
    if (channel === undefined) {
      this.#drop('unwanted')
      this.#answer(source, { kind: 'cookie', nonce: bind.nonce, cookie: this.#proofFor(source) })
      return
    }
    const lifetimeSeconds = CHANNEL_LIFETIME_SECONDS
    this.#answer(source, { kind: 'bound', nonce: bind.nonce, channel, lifetimeSeconds })
  }

  /** When who sends this BIND proved that they receive what is sent back; `undefined` when they have not. */
  #provedAt({ now, from, via }: Source, { cookie }: BindFrame): Instant | undefined {
    const stream = via && this.#streams.get(via)
    if (stream === undefined) return this.#cookies.read(now, from, cookie)
    return equalBytes(cookie, stream.proof) ? now : undefined
  }

  #proofFor({ now, from, via }: Source): Uint8Array {
    return (via && this.#streams.get(via)?.proof) ?? this.#cookies.issue(now, from)
  }

  /** The session and the side that may bind, or why not. Signatures, which are dear, are checked last. */
  #judge(
    now: Instant,
    bind: BindFrame,
  ): { readonly session: RelaySession; readonly index: 0 | 1 } | RefusalReason {
    const read = decodeTicket(bind.ticket)
    if (!read.ok) return 'ticket-malformed'
    const { ticket, signature, signatureInput } = read.value
    if (toHex(ticket.relayId) !== toHex(this.#options.relayId)) return 'wrong-relay'
    if (ticket.expiresAtMs <= this.#options.time.at(now)) return 'ticket-expired'
    const isTrusted = this.#options.ticketKeys.some((key) =>
      verifySignature(key, signatureInput, signature),
    )
    if (!isTrusted) return 'ticket-forged'
    const index = signerOf(bind, ticket)
    if (index === undefined) return 'signature-invalid'
    const session = this.#sessionFor(now, ticket, index)
    if (session === undefined) return 'busy'
    return session.isUsedUp ? 'quota-used' : { session, index: indexIn(session, ticket, index) }
  }

  #sessionFor(now: Instant, ticket: RelayTicket, index: 0 | 1): RelaySession | undefined {
    const present = this.#sessions.get(sessionKey(ticket))
    if (present !== undefined) {
      present.renew(ticket)
      return present
    }
    if (this.#isDraining) return undefined
    const device = toHex(index === 0 ? ticket.identityA : ticket.identityB)
    const isDeviceFull = (this.#bound.get(device) ?? 0) >= MAX_SESSIONS_PER_DEVICE
    if (isDeviceFull || this.#sessions.size >= MAX_SESSIONS) return undefined
    const session = new RelaySession(now, ticket)
    this.#sessions.set(session.key, session)
    this.#sweepAt ??= after(now, SWEEP_MS)
    return session
  }

  /** `undefined` for a BIND that is older than the binding that stands. */
  #bindSide(
    { now, from, via }: Source,
    provedAt: Instant,
    { session, index }: { readonly session: RelaySession; readonly index: 0 | 1 },
  ): ChannelId | undefined {
    const binding = { endpoint: from, via, provedAt }
    const present = session.sides[index]
    if (present !== undefined) {
      const isSame = RelaySession.isFrom(present, from, via) // BOUND was lost: the same answer again
      const isOfNow = provedAt === now // a stream's; a cookie's address may have moved on meanwhile
      if (!isSame && !isOfNow && provedAt <= present.binding.provedAt) return undefined
      present.heardAt = now
      if (!isSame) this.#moveSide(present, binding)
      return present.channel
    }
    const channel = channelOf(this.#options.random.bytes(CHANNEL_BYTES))
    const side: RelaySide = { session, index, channel, binding, heardAt: now }
    session.sides[index] = side
    this.#channels.set(channel, side)
    this.#countSide(session.identities[index], 1)
    this.#joinStream(side)
    return channel
  }

  #moveSide(side: RelaySide, binding: RelayBinding): void {
    this.#leaveStream(side)
    side.binding = binding
    this.#joinStream(side)
  }

  #joinStream(side: RelaySide): void {
    const { via } = side.binding
    const stream = via && this.#streams.get(via)
    if (via === undefined || stream === undefined) return
    stream.sides.add(side)
    if (stream.sides.size === 1) this.#events.push({ kind: 'stream-bound', via })
  }

  #leaveStream(side: RelaySide): void {
    const { via } = side.binding
    const stream = via && this.#streams.get(via)
    if (via === undefined || stream?.sides.delete(side) !== true || stream.sides.size > 0) return
    this.#events.push({ kind: 'stream-idle', via })
  }

  #sweep(now: Instant): void {
    const deadline = after(now, -CHANNEL_LIFETIME_SECONDS * 1000)
    const wallMs = this.#options.time.at(now)
    for (const session of this.#sessions.values()) {
      for (const side of session.sides) {
        if (side !== undefined && side.heardAt <= deadline) this.#closeSide(side)
      }
      if (session.isForgettable(wallMs)) this.#sessions.delete(session.key)
    }
  }

  #closeSession(session: RelaySession): void {
    for (const side of session.sides) if (side !== undefined) this.#closeSide(side)
  }

  #closeSide(side: RelaySide): void {
    this.#channels.delete(side.channel)
    this.#leaveStream(side)
    side.session.sides[side.index] = undefined
    this.#countSide(side.session.identities[side.index], -1)
  }

  #countSide(device: string, change: 1 | -1): void {
    const count = (this.#bound.get(device) ?? 0) + change
    if (count === 0) this.#bound.delete(device)
    else this.#bound.set(device, count)
  }

  #answer({ from, via }: Source, frame: RelayFrame): void {
    this.#send({ endpoint: from, via }, encodeRelayFrame(frame))
  }

  #send({ endpoint, via }: Pick<RelayBinding, 'endpoint' | 'via'>, bytes: Uint8Array): void {
    this.#transmits.push({ to: endpoint, bytes, ...(via === undefined ? {} : { via }) })
  }

  #drop(reason: RelayDropReason): void {
    this.#dropped[reason] += 1
  }
}

/** Which of the ticket's two devices has signed; `undefined` when neither has. */
function signerOf(bind: BindFrame, ticket: RelayTicket): 0 | 1 | undefined {
  const input = relayBindStatement(bind.nonce, bind.cookie, bind.ticket)
  if (verifySignature(ticket.identityA, input, bind.signature)) return 0
  return verifySignature(ticket.identityB, input, bind.signature) ? 1 : undefined
}

/** A later ticket of the same session may name the two devices in the other order. */
function indexIn(session: RelaySession, ticket: RelayTicket, index: 0 | 1): 0 | 1 {
  const device = toHex(index === 0 ? ticket.identityA : ticket.identityB)
  return session.identities[0] === device ? 0 : 1
}
