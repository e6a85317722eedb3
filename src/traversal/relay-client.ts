/**
 * One session's channel through one relay: asks for the relay's cookie, binds with the server's ticket and our
 * signature, keeps the channel alive, and binds again whenever the relay has forgotten it or our address changed.
 *
 *     BIND (no cookie) ►   ◄ COOKIE   BIND (cookie, signed) ►   ◄ BOUND   then DATA both ways, PING ► ◄ PONG
 *
 * Inside TLS (`stream`) the cookie is known from the start, since it is what the two ends of the stream have in common.
 *
 * Frames count only when they come from the relay and repeat a nonce or the channel of ours; both are 64 random bits.
 * What travels inside DATA is the business of its owner: this machine neither reads nor trusts it.
 */
import { equalBytes } from '../core/bytes.ts'
import { type Endpoint, sameEndpoint } from '../core/endpoint.ts'
import { after, type Instant } from '../core/instant.ts'
import type { Machine, SocketId, Transmit } from '../core/machine.ts'
import { OutboundQueue } from '../core/outbound-queue.ts'
import type { Random } from '../core/random.ts'
import { relayBindStatement } from '../crypto/device-statement.ts'
import type { Identity } from '../crypto/identity.ts'
import {
  type BoundFrame,
  type ChannelId,
  type CookieFrame,
  decodeRelayFrame,
  encodeData,
  encodeRelayFrame,
  RELAY_COOKIE_BYTES,
  RELAY_NONCE_BYTES,
  type RefusalReason,
  type RefusedFrame,
  type RelayFrame,
} from '../protocol/relay/frames.ts'

export interface RelayClientOptions {
  readonly relay: Endpoint
  /** The server's signed permission, as it came. */
  readonly ticket: Uint8Array
  readonly identity: Identity
  readonly random: Random
  /** By which TLS stream the relay is reached; by UDP when absent. */
  readonly stream?: RelayStream
}

/** A TLS stream to a relay (ALPN `holler-relay/1`), whose socket carries relay frames. */
export interface RelayStream {
  readonly socket: SocketId
  /** `relayStreamProof` of its exporter. */
  readonly proof: Uint8Array
  /** The TCP address of its other end, which may be a proxy's. */
  readonly remote: Endpoint
}

export type RelayEvent =
  /** `send` works from now on. */
  | { readonly kind: 'bound' }
  /** The relay is silent or has forgotten us; binding again has begun. */
  | { readonly kind: 'unbound'; readonly why: 'silent' | 'unknown-channel' }
  /** This ticket is good for nothing any more; only `start` tries again. */
  | { readonly kind: 'refused'; readonly reason: RefusalReason }
  /** What the peer sent through the relay. The bytes are lent until the machine is drained. */
  | { readonly kind: 'datagram'; readonly bytes: Uint8Array }

interface Question {
  readonly sentAt: Instant
  /** When it is sent again. */
  readonly againAt: Instant
  readonly attempts: number
}

type RelayState =
  | { readonly kind: 'idle' }
  | ({
      readonly kind: 'binding'
      readonly nonce: Uint8Array
      readonly cookie: Uint8Array | undefined
    } & Question)
  | {
      readonly kind: 'bound'
      readonly channel: ChannelId
      readonly pingEveryMs: number
      readonly ping: Ping
      /** `check` was asked for and no answer has come since. */
      readonly isDoubted: boolean
    }

type Ping =
  | { readonly kind: 'resting'; readonly until: Instant }
  | ({ readonly kind: 'open'; readonly nonce: Uint8Array } & Question)

/** Doubles up to the cap: a relay that restarts is back within seconds, one that is dead is not worth more. */
const FIRST_RETRY_MS = 200
const MAX_RETRY_MS = 8000

/** A cookie that brings no answer so often may be out of date: ask for another. */
const ATTEMPTS_WITH_ONE_COOKIE = 4

/** Keeps NAT mappings (30 s and more) and, three times in its lifetime, the channel. */
const PING_MS = 15_000
const PINGS_IN_A_LIFETIME = 3
const FIRST_PING_RETRY_MS = 1000

/** In doubt it is 0.2 + 0.4 + 0.8 + 1.6 s: data waits. */
const FIRST_CHECK_RETRY_MS = 200

/** 1 + 2 + 4 + 8 s without an answer: bind again, which would also cure a changed address. */
const PINGS_UNTIL_SILENT = 4

/** Refusals that may be over by the next try. */
const passing: readonly RefusalReason[] = ['busy', 'unspecified']

export class RelayClient implements Machine<RelayEvent> {
  readonly #options: RelayClientOptions
  readonly #transmits = new OutboundQueue<Transmit>()
  readonly #events = new OutboundQueue<RelayEvent>()
  #state: RelayState = { kind: 'idle' }
  #rttMs: number | undefined
  #ignored = 0

  constructor(options: RelayClientOptions) {
    this.#options = options
  }

  get relay(): Endpoint {
    return this.#options.relay
  }

  /** Ours while bound: DATA frames for us carry it. */
  get channel(): ChannelId | undefined {
    return this.#state.kind === 'bound' ? this.#state.channel : undefined
  }

  /** To the relay and back, by the last ping or bind that was sent only once. */
  get rttMs(): number | undefined {
    return this.#rttMs
  }

  /** Frames that were not for us or made no sense. */
  get ignored(): number {
    return this.#ignored
  }

  /** Binds; when it is bound already, binds again: our address may have changed. */
  start(now: Instant): void {
    this.#bind(now)
  }

  /** Says nothing more. The relay forgets the channel by itself. */
  stop(): void {
    this.#state = { kind: 'idle' }
  }

  /** One datagram for the peer. False while not bound. */
  send(datagram: Uint8Array): boolean {
    if (this.#state.kind !== 'bound') return false
    this.#transmit(encodeData(this.#state.channel, datagram))
    return true
  }

  handleDatagram(now: Instant, from: Endpoint, bytes: Uint8Array, via?: SocketId): void {
    const frame = decodeRelayFrame(bytes)
    const isTaken = this.#isFromRelay(from, via) && frame.ok && this.#handleFrame(now, frame.value)
    if (!isTaken) this.#ignored += 1
  }

  /** Data that should have come by it does not come: asks at once, and gives it up within seconds. */
  check(now: Instant): void {
    const state = this.#state
    if (state.kind !== 'bound' || state.ping.kind === 'open') return
    this.#state = { ...state, isDoubted: true }
    this.#ping(now, { ...state, isDoubted: true })
  }

  handleTimeout(now: Instant): void {
    const state = this.#state
    if (state.kind === 'binding' && now >= state.againAt) {
      this.#sendBind(now, state.nonce, state.cookie, state.attempts)
    } else if (state.kind === 'bound' && now >= pingDueAt(state.ping)) {
      this.#ping(now, state)
    }
  }

  pollTransmit(): Transmit | undefined {
    return this.#transmits.shift()
  }

  pollEvent(): RelayEvent | undefined {
    return this.#events.shift()
  }

  pollTimeout(): Instant | undefined {
    switch (this.#state.kind) {
      case 'idle':
        return undefined
      case 'binding':
        return this.#state.againAt
      case 'bound':
        return pingDueAt(this.#state.ping)
    }
  }

  #handleFrame(now: Instant, frame: RelayFrame): boolean {
    const state = this.#state
    switch (frame.kind) {
      case 'cookie':
        return state.kind === 'binding' && this.#handleCookie(now, state, frame)
      case 'bound':
        return state.kind === 'binding' && this.#handleBound(now, state, frame)
      case 'refused':
        return state.kind === 'binding' && this.#handleRefused(state, frame)
      case 'pong':
        return state.kind === 'bound' && this.#handlePong(now, state, frame.nonce)
      case 'unknown-channel':
        if (state.kind !== 'bound' || frame.channel !== state.channel) return false
        this.#unbind(now, 'unknown-channel')
        return true
      case 'data':
        if (state.kind !== 'bound' || frame.channel !== state.channel) return false
        this.#events.push({ kind: 'datagram', bytes: frame.payload })
        return true
      case 'bind':
      case 'ping':
        return false // what only clients say
    }
  }

  #handleCookie(now: Instant, state: Binding, { nonce, cookie }: CookieFrame): boolean {
    if (!equalBytes(nonce, state.nonce) || this.#options.stream !== undefined) return false
    if (state.cookie !== undefined && equalBytes(cookie, state.cookie)) return false // repeated
    this.#sendBind(now, state.nonce, cookie, 0)
    return true
  }

  #handleBound(now: Instant, state: Binding, frame: BoundFrame): boolean {
    if (!equalBytes(frame.nonce, state.nonce) || state.cookie === undefined) return false
    if (state.attempts === 1) this.#rttMs = now - state.sentAt
    const third = (frame.lifetimeSeconds * 1000) / PINGS_IN_A_LIFETIME
    const pingEveryMs = Math.min(PING_MS, Math.max(FIRST_PING_RETRY_MS, third))
    const ping: Ping = { kind: 'resting', until: after(now, pingEveryMs) }
    this.#state = { kind: 'bound', channel: frame.channel, pingEveryMs, ping, isDoubted: false }
    this.#events.push({ kind: 'bound' })
    return true
  }

  #handleRefused(state: Binding, { nonce, reason }: RefusedFrame): boolean {
    if (!equalBytes(nonce, state.nonce)) return false
    if (passing.includes(reason)) return true // tried again at `againAt`
    this.stop()
    this.#events.push({ kind: 'refused', reason })
    return true
  }

  #handlePong(now: Instant, state: Bound, nonce: Uint8Array): boolean {
    const { ping } = state
    if (ping.kind !== 'open' || !equalBytes(nonce, ping.nonce)) return false
    if (ping.attempts === 1) this.#rttMs = now - ping.sentAt
    const until = after(now, state.pingEveryMs)
    this.#state = { ...state, ping: { kind: 'resting', until }, isDoubted: false }
    return true
  }

  #unbind(now: Instant, why: 'silent' | 'unknown-channel'): void {
    this.#events.push({ kind: 'unbound', why })
    this.#bind(now)
  }

  #isFromRelay(from: Endpoint, via: SocketId | undefined): boolean {
    const { relay, stream } = this.#options
    if (stream !== undefined) return via === stream.socket
    return via === undefined && sameEndpoint(from, relay)
  }

  /** From the beginning: a new nonce, and no cookie where the relay has to give one. */
  #bind(now: Instant): void {
    const { random, stream } = this.#options
    this.#sendBind(now, random.bytes(RELAY_NONCE_BYTES), stream?.proof, 0)
  }

  #sendBind(now: Instant, nonce: Uint8Array, cookie: Uint8Array | undefined, sent: number): void {
    const isStale = cookie !== undefined && sent >= ATTEMPTS_WITH_ONE_COOKIE
    if (isStale && this.#options.stream === undefined) {
      this.#bind(now)
      return
    }
    const attempts = sent + 1
    const againAt = after(now, retryMs(FIRST_RETRY_MS, attempts))
    this.#state = { kind: 'binding', nonce, cookie, sentAt: now, againAt, attempts }
    this.#transmit(encodeRelayFrame(this.#bindFrame(nonce, cookie)))
  }

  #bindFrame(nonce: Uint8Array, cookie: Uint8Array | undefined): RelayFrame {
    const { ticket, identity } = this.#options
    const unsigned = {
      kind: 'bind',
      nonce,
      ticket,
      cookie: new Uint8Array(RELAY_COOKIE_BYTES),
      signature: new Uint8Array(64),
    } as const
    if (cookie === undefined) return unsigned
    return {
      ...unsigned,
      cookie,
      signature: identity.sign(relayBindStatement(nonce, cookie, ticket)),
    }
  }

  #ping(now: Instant, state: Bound): void {
    const attempts = state.ping.kind === 'open' ? state.ping.attempts + 1 : 1
    if (attempts > PINGS_UNTIL_SILENT) {
      this.#unbind(now, 'silent')
      return
    }
    const nonce = this.#options.random.bytes(RELAY_NONCE_BYTES)
    const firstMs = state.isDoubted ? FIRST_CHECK_RETRY_MS : FIRST_PING_RETRY_MS
    const againAt = after(now, retryMs(firstMs, attempts))
    this.#state = { ...state, ping: { kind: 'open', nonce, sentAt: now, againAt, attempts } }
    this.#transmit(encodeRelayFrame({ kind: 'ping', channel: state.channel, nonce }))
  }

  #transmit(bytes: Uint8Array): void {
    const { relay, stream } = this.#options
    if (stream === undefined) this.#transmits.push({ to: relay, bytes })
    else this.#transmits.push({ to: relay, bytes, via: stream.socket })
  }
}

type Binding = Extract<RelayState, { kind: 'binding' }>
type Bound = Extract<RelayState, { kind: 'bound' }>

function pingDueAt(ping: Ping): Instant {
  return ping.kind === 'resting' ? ping.until : ping.againAt
}

function retryMs(first: number, attempts: number): number {
  return Math.min(MAX_RETRY_MS, first * 2 ** (attempts - 1))
}
