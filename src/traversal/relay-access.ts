/**
 * One ticket's way to the relay: over UDP, and inside TLS where UDP brings nothing.
 *
 *     UDP binds ─────────────────────────► UDP carries
 *        │ no answer for 0.7 s, or UDP is known to be silent       ▲ bound: the channel moves
 *        ▼                                                         │
 *     TLS binds beside it ───► TLS carries ─── UDP is tried again ─┘ after 10, 20, 40 … 300 s, and at any sign of it
 *
 * The relay knows one place for each side, where it was bound last: so only one of the two carries at a time, and the
 * other one is silent, or trying to take over.
 */
import { type Endpoint, sameEndpoint } from '../core/endpoint.ts'
import { after, earliest, type Instant } from '../core/instant.ts'
import type { SocketId, Transmit } from '../core/machine.ts'
import { OutboundQueue } from '../core/outbound-queue.ts'
import type { ChannelId } from '../protocol/relay/frames.ts'
import { ticketRelayId } from '../protocol/relay/ticket.ts'
import {
  RelayClient,
  type RelayClientOptions,
  type RelayEvent,
  type RelayStream,
} from './relay-client.ts'
import type { RelayStreams } from './relay-streams.ts'

export interface RelayAccessOptions extends Omit<RelayClientOptions, 'stream'> {
  readonly streams: RelayStreams
}

export type RelayTransport = 'udp' | 'tls'

/** Three BINDs unanswered: most relays answer within 0.1 s, and TLS needs two round trips more. */
const HEDGE_MS = 700

/** Four BINDs and the time for a late answer. */
const TRIAL_MS = 3_000

const FIRST_TRIAL_GAP_MS = 10_000
const LONGEST_TRIAL_GAP_MS = 300_000

/** A stream on which nobody answers BIND for so long is half open, or leads elsewhere. */
const TLS_BIND_MS = 6_000

interface TlsSide {
  readonly client: RelayClient
  readonly stream: RelayStream
  /** While it is not bound. */
  bindBy: Instant | undefined
}

type Trial =
  | { readonly kind: 'none' }
  | { readonly kind: 'resting'; readonly until: Instant }
  | { readonly kind: 'running'; readonly until: Instant }

export class RelayAccess {
  readonly #options: RelayAccessOptions
  readonly #relayId: Uint8Array
  readonly #udp: RelayClient
  readonly #events = new OutboundQueue<RelayEvent>()
  #tls: TlsSide | undefined
  #carrier: RelayTransport | undefined
  #wantsStream = false
  #isRetired = false
  #hedgeAt: Instant | undefined
  #trial: Trial = { kind: 'none' }
  #trialGapMs = FIRST_TRIAL_GAP_MS

  constructor(options: RelayAccessOptions) {
    this.#options = options
    this.#relayId = ticketRelayId(options.ticket)
    this.#udp = new RelayClient(options)
  }

  get relay(): Endpoint {
    return this.#options.relay
  }

  /** What carries, while it is bound. */
  get transport(): RelayTransport | undefined {
    return this.#carrier
  }

  /** Where what is sent really goes: the relay's UDP or TCP address. */
  get remote(): Endpoint {
    return this.#carrier === 'tls' && this.#tls ? this.#tls.stream.remote : this.relay
  }

  /** Under which the relay sends to us. */
  get channels(): readonly ChannelId[] {
    const channels = [this.#udp.channel, this.#tls?.client.channel]
    return [...new Set(channels.filter((channel) => channel !== undefined))]
  }

  /** Whether an answer to BIND from there may be for us. */
  isBindingAt(from: Endpoint, via: SocketId | undefined): boolean {
    if (via !== undefined) return this.#tls?.stream.socket === via
    return this.#udp.channel === undefined && sameEndpoint(from, this.relay)
  }

  /** Binds; when it is bound already, binds again: our address may have changed. */
  start(now: Instant): void {
    this.#dropTls()
    this.#carrier = undefined
    this.#trialGapMs = FIRST_TRIAL_GAP_MS
    this.#bindUdp(now)
    this.#settle(now)
  }

  /** Says nothing more. */
  stop(now: Instant): void {
    this.#udp.stop()
    this.#dropTls()
    this.#release(now)
    this.#carrier = undefined
    this.#hedgeAt = undefined
    this.#trial = { kind: 'none' }
  }

  /** Goes on carrying while it can, and begins nothing new: its session has ended. */
  retire(now: Instant): void {
    this.#isRetired = true
    this.#hedgeAt = undefined
    this.#release(now)
  }

  /** One datagram for the peer. False while not bound. */
  send(datagram: Uint8Array): boolean {
    return this.#carryingClient()?.send(datagram) ?? false
  }

  /** What should have come does not come: is the relay still there? */
  check(now: Instant): void {
    this.#carryingClient()?.check(now)
  }

  /** Something was heard over UDP where nothing was heard before. */
  udpHeard(now: Instant): void {
    if (this.#carrier === 'tls' && this.#trial.kind !== 'running') this.#beginTrial(now)
  }

  /** A stream was opened, or is gone. */
  streamsChanged(now: Instant): void {
    const stream = this.#wantsStream ? this.#options.streams.streamTo(this.#relayId) : undefined
    if (stream?.socket === this.#tls?.stream.socket) return
    const wasCarrying = this.#carrier === 'tls'
    this.#dropTls()
    if (wasCarrying) {
      this.#lose('silent')
      this.#bindUdp(now)
    }
    if (stream !== undefined) {
      const client = new RelayClient({ ...this.#options, stream })
      this.#tls = { client, stream, bindBy: after(now, TLS_BIND_MS) }
      client.start(now)
    }
    this.#settle(now)
  }

  handleDatagram(now: Instant, from: Endpoint, bytes: Uint8Array, via?: SocketId): void {
    if (via === undefined) this.#udp.handleDatagram(now, from, bytes)
    else this.#tls?.client.handleDatagram(now, from, bytes, via)
    this.#settle(now)
  }

  handleTimeout(now: Instant): void {
    this.#udp.handleTimeout(now)
    this.#tls?.client.handleTimeout(now)
    if (this.#hedgeAt !== undefined && now >= this.#hedgeAt) this.#hedge(now)
    this.#continueTrial(now)
    if (this.#tls?.bindBy !== undefined && now >= this.#tls.bindBy) this.#suspectTls(now)
    this.#settle(now)
  }

  pollTransmit(): Transmit | undefined {
    return this.#udp.pollTransmit() ?? this.#tls?.client.pollTransmit()
  }

  pollEvent(): RelayEvent | undefined {
    return this.#events.shift()
  }

  pollTimeout(): Instant | undefined {
    const trialAt = this.#trial.kind === 'none' ? undefined : this.#trial.until
    return earliest(
      this.#udp.pollTimeout(),
      this.#tls?.client.pollTimeout(),
      this.#tls?.bindBy,
      this.#hedgeAt,
      trialAt,
    )
  }

  #carryingClient(): RelayClient | undefined {
    return this.#carrier === 'tls' ? this.#tls?.client : this.#udp
  }

  #bindUdp(now: Instant): void {
    this.#trial = { kind: 'none' }
    this.#udp.start(now)
    this.#hedgeAt = after(now, this.#options.streams.isUdpSilent ? 0 : HEDGE_MS)
    if (this.#options.streams.isUdpSilent) this.#hedge(now)
  }

  #hedge(now: Instant): void {
    this.#hedgeAt = undefined
    if (this.#isRetired) return
    this.#wantsStream = true
    this.#options.streams.want(now, this.#relayId, this)
    this.streamsChanged(now)
  }

  #beginTrial(now: Instant): void {
    this.#udp.start(now)
    this.#trial = { kind: 'running', until: after(now, TRIAL_MS) }
  }

  #continueTrial(now: Instant): void {
    if (this.#trial.kind === 'none' || now < this.#trial.until) return
    if (this.#trial.kind === 'resting') this.#beginTrial(now)
    else this.#endTrial(now)
  }

  #endTrial(now: Instant): void {
    this.#udp.stop()
    this.#trial = { kind: 'resting', until: after(now, this.#trialGapMs) }
    this.#trialGapMs = Math.min(LONGEST_TRIAL_GAP_MS, this.#trialGapMs * 2)
  }

  #settle(now: Instant): void {
    for (;;) {
      const byUdp = this.#udp.pollEvent()
      if (byUdp !== undefined) this.#takeUdp(now, byUdp)
      const byTls = this.#tls?.client.pollEvent()
      if (byTls !== undefined) this.#takeTls(now, byTls)
      if (byUdp === undefined && byTls === undefined) return
    }
  }

  #takeUdp(now: Instant, event: RelayEvent): void {
    switch (event.kind) {
      case 'bound':
        this.#hedgeAt = undefined
        this.#trial = { kind: 'none' }
        this.#trialGapMs = FIRST_TRIAL_GAP_MS
        this.#dropTls()
        this.#release(now)
        this.#carrier = 'udp'
        this.#events.push(event)
        return
      case 'unbound':
        if (this.#carrier !== 'udp') return
        this.#lose(event.why)
        if (event.why === 'silent') this.#hedge(now)
        else this.#hedgeAt = after(now, HEDGE_MS)
        return
      case 'refused':
        // An old ticket binds nothing new, but what TLS has bound with it stands.
        if (this.#carrier === 'tls') this.#trial = { kind: 'none' }
        else this.#refused(now, event)
        return
      case 'datagram':
        this.#events.push(event)
        return
    }
  }

  #takeTls(now: Instant, event: RelayEvent): void {
    switch (event.kind) {
      case 'bound':
        this.#hedgeAt = undefined
        this.#carrier = 'tls'
        if (this.#tls !== undefined) this.#tls.bindBy = undefined
        if (this.#options.streams.isUdpSilent) this.#endTrial(now)
        else this.#trial = { kind: 'running', until: after(now, TRIAL_MS) } // it may be only a moment later
        this.#events.push(event)
        return
      case 'unbound':
        this.#lose(event.why)
        this.#udp.start(now)
        if (event.why === 'silent') this.#suspectTls(now)
        else if (this.#tls !== undefined) this.#tls.bindBy = after(now, TLS_BIND_MS)
        return
      case 'refused':
        this.#refused(now, event)
        return
      case 'datagram':
        this.#events.push(event)
        return
    }
  }

  /** Another stream is made, if anybody can. */
  #suspectTls(now: Instant): void {
    if (this.#tls === undefined) return
    this.#options.streams.suspect(now, this.#tls.stream.socket)
    this.#dropTls()
  }

  #refused(now: Instant, event: RelayEvent): void {
    this.stop(now)
    this.#events.push(event)
  }

  #lose(why: 'silent' | 'unknown-channel'): void {
    if (this.#carrier === undefined) return
    this.#carrier = undefined
    this.#trial = { kind: 'none' }
    this.#events.push({ kind: 'unbound', why })
  }

  #dropTls(): void {
    this.#tls?.client.stop()
    this.#tls = undefined
  }

  #release(now: Instant): void {
    this.#wantsStream = false
    this.#options.streams.release(now, this)
  }
}
