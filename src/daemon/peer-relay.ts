/**
 * One session's way through the relay, across tickets: while a fresh ticket is being bound, the channel of the old one
 * still carries. Whether it goes by UDP or inside TLS is `relay-access.ts`'s business.
 */
import type { Endpoint } from '../core/endpoint.ts'
import { after, earliest, type Instant } from '../core/instant.ts'
import type { SocketId, Transmit } from '../core/machine.ts'
import { OutboundQueue } from '../core/outbound-queue.ts'
import type { Random } from '../core/random.ts'
import type { Identity } from '../crypto/identity.ts'
import {
  type ChannelId,
  DATA_HEADER_BYTES,
  MAX_RELAY_FRAME_BYTES,
  type RefusalReason,
} from '../protocol/relay/frames.ts'
import { ticketRelayId } from '../protocol/relay/ticket.ts'
import type { RelayGrant } from '../protocol/server/messages.ts'
import { type Path, relaySocket } from '../traversal/path.ts'
import { RelayAccess, type RelayTransport } from '../traversal/relay-access.ts'
import type { RelayEvent } from '../traversal/relay-client.ts'
import type { RelayStreams } from '../traversal/relay-streams.ts'

export interface PeerRelayOptions {
  readonly session: Uint8Array
  readonly identity: Identity
  readonly random: Random
  /** Of all sessions: TLS streams to relays. */
  readonly streams: RelayStreams
}

export type PeerRelayEvent =
  | { readonly kind: 'ready'; readonly path: Path }
  | { readonly kind: 'lost' }
  /** The ticket is good for nothing any more: another introduction brings a new one. */
  | { readonly kind: 'ticket-refused' }
  /** This relay gives us no channel, neither over UDP nor inside TLS. */
  | { readonly kind: 'relay-unreachable'; readonly relayId: Uint8Array }
  /** What the peer sent. The bytes are lent until the next change. */
  | { readonly kind: 'datagram'; readonly path: Path; readonly bytes: Uint8Array }

/**
 * The largest packet that fits one unfragmented IPv4 datagram together with the relay's frame. Larger ones are dropped
 * here, so that MTU discovery finds out.
 */
const LARGEST_RELAYED_BYTES = MAX_RELAY_FRAME_BYTES - DATA_HEADER_BYTES

/** Two attempts by UDP and one by TLS, on a slow line. */
const REACH_WITHIN_MS = 6_000

/** Another ticket of the same relay would be refused, too. */
const HOPELESS: readonly RefusalReason[] = ['ticket-forged', 'wrong-relay']

export class PeerRelay {
  readonly socket: SocketId
  readonly #options: PeerRelayOptions
  readonly #events = new OutboundQueue<PeerRelayEvent>()
  #current: RelayAccess | undefined
  /** Has a fresher ticket and is not bound yet. */
  #next: RelayAccess | undefined
  #relayId: Uint8Array | undefined
  /** While nothing is bound that should be. */
  #reachBy: Instant | undefined

  constructor(options: PeerRelayOptions) {
    this.#options = options
    this.socket = relaySocket(options.session)
  }

  /** Binds with this ticket. */
  grant(now: Instant, { endpoint, ticket }: RelayGrant): void {
    const { identity, random, streams } = this.#options
    this.#next?.stop(now)
    this.#relayId = ticketRelayId(ticket)
    this.#reachBy = after(now, REACH_WITHIN_MS)
    this.#next = new RelayAccess({ relay: endpoint, ticket, identity, random, streams })
    this.#next.start(now)
    this.#settle(now)
  }

  /** Our address may be another: the relay must learn it. */
  rebind(now: Instant): void {
    for (const client of this.#clients) client.start(now)
    this.#settle(now)
  }

  /** Begins nothing new: the session has ended, and only says goodbye. */
  retire(now: Instant): void {
    for (const client of this.#clients) client.retire(now)
    this.#reachBy = undefined
  }

  /** Nothing comes by the relay that should: is it still there? */
  check(now: Instant): void {
    for (const client of this.#clients) client.check(now)
    this.#settle(now)
  }

  /** UDP brings something where it brought nothing before. */
  udpHeard(now: Instant): void {
    for (const client of this.#clients) client.udpHeard(now)
    this.#settle(now)
  }

  /** A TLS stream to a relay was opened, or is gone. */
  streamsChanged(now: Instant): void {
    for (const client of this.#clients) client.streamsChanged(now)
    this.#settle(now)
  }

  /** How the relay is reached, while something is bound. */
  get transport(): RelayTransport | undefined {
    return this.#current?.transport
  }

  /** The relay's address there. */
  get remote(): Endpoint | undefined {
    return this.#current?.remote
  }

  /** Under which the relay sends to us; empty while nothing is bound. */
  get channels(): readonly ChannelId[] {
    return this.#clients.flatMap(({ channels }) => channels)
  }

  /** Whether frames from there may be ours though no channel says so: answers to BIND. */
  isBindingAt(from: Endpoint, via: SocketId | undefined): boolean {
    return this.#clients.some((client) => client.isBindingAt(from, via))
  }

  /** One datagram for the peer; lost where nothing is bound. */
  send(datagram: Uint8Array): void {
    if (datagram.length > LARGEST_RELAYED_BYTES) return
    if (this.#current?.send(datagram) !== true) this.#next?.send(datagram)
  }

  handleDatagram(now: Instant, from: Endpoint, bytes: Uint8Array, via?: SocketId): void {
    for (const client of this.#clients) client.handleDatagram(now, from, bytes, via)
    this.#settle(now)
  }

  handleTimeout(now: Instant): void {
    for (const client of this.#clients) client.handleTimeout(now)
    this.#settle(now)
    if (this.#reachBy !== undefined && now >= this.#reachBy) this.#giveUp()
  }

  pollTransmit(): Transmit | undefined {
    return this.#next?.pollTransmit() ?? this.#current?.pollTransmit()
  }

  pollEvent(): PeerRelayEvent | undefined {
    return this.#events.shift()
  }

  pollTimeout(): Instant | undefined {
    return earliest(this.#next?.pollTimeout(), this.#current?.pollTimeout(), this.#reachBy)
  }

  get #clients(): readonly RelayAccess[] {
    return [this.#next, this.#current].filter((client) => client !== undefined)
  }

  #settle(now: Instant): void {
    for (const client of this.#clients) {
      let event: RelayEvent | undefined
      while ((event = client.pollEvent()) !== undefined) this.#take(now, client, event)
    }
  }

  #take(now: Instant, client: RelayAccess, event: RelayEvent): void {
    switch (event.kind) {
      case 'bound':
        this.#handleBound(now, client)
        return
      case 'unbound':
        if (client !== this.#current) return
        this.#events.push({ kind: 'lost' })
        this.#reachBy ??= after(now, REACH_WITHIN_MS)
        return
      case 'refused':
        this.#handleRefused(client, event.reason)
        return
      case 'datagram':
        this.#events.push({ kind: 'datagram', path: this.#pathOf(client), bytes: event.bytes })
        return
    }
  }

  #handleBound(now: Instant, client: RelayAccess): void {
    this.#reachBy = undefined
    if (client === this.#next) {
      this.#current?.stop(now)
      this.#current = client
      this.#next = undefined
    }
    this.#events.push({ kind: 'ready', path: this.#pathOf(client) })
  }

  #handleRefused(client: RelayAccess, reason: RefusalReason): void {
    if (client === this.#next && HOPELESS.includes(reason)) this.#giveUp()
    if (client === this.#next) this.#next = undefined
    if (client === this.#current) {
      this.#current = undefined
      this.#events.push({ kind: 'lost' })
    }
    if (this.#next === undefined) this.#events.push({ kind: 'ticket-refused' })
  }

  #giveUp(): void {
    this.#reachBy = undefined
    if (this.#relayId === undefined) return
    this.#events.push({ kind: 'relay-unreachable', relayId: this.#relayId })
  }

  #pathOf(client: RelayAccess): Path {
    return { to: client.relay, via: this.socket }
  }
}
