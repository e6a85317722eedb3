/**
 * One session's way through the relay, across tickets: while a fresh ticket is being bound, the channel of the old one
 * still carries.
 */
import type { Endpoint } from '../core/endpoint.ts'
import { earliest, type Instant } from '../core/instant.ts'
import type { SocketId, Transmit } from '../core/machine.ts'
import { OutboundQueue } from '../core/outbound-queue.ts'
import type { Random } from '../core/random.ts'
import type { Identity } from '../crypto/identity.ts'
import { type ChannelId, DATA_HEADER_BYTES } from '../protocol/relay/frames.ts'
import type { RelayGrant } from '../protocol/server/messages.ts'
import { type Path, relaySocket } from '../traversal/path.ts'
import { RelayClient, type RelayEvent } from '../traversal/relay-client.ts'

export interface PeerRelayOptions {
  readonly session: Uint8Array
  readonly identity: Identity
  readonly random: Random
}

export type PeerRelayEvent =
  | { readonly kind: 'ready'; readonly path: Path }
  | { readonly kind: 'lost' }
  /** The ticket is good for nothing any more: another introduction brings a new one. */
  | { readonly kind: 'ticket-refused' }
  /** What the peer sent. The bytes are lent until the next change. */
  | { readonly kind: 'datagram'; readonly path: Path; readonly bytes: Uint8Array }

/**
 * The largest packet that fits one unfragmented IPv4 datagram together with the relay's frame. Larger ones are dropped
 * here, so that MTU discovery finds out.
 */
const LARGEST_RELAYED_BYTES = 1472 - DATA_HEADER_BYTES

export class PeerRelay {
  readonly socket: SocketId
  readonly #options: PeerRelayOptions
  readonly #events = new OutboundQueue<PeerRelayEvent>()
  #current: RelayClient | undefined
  /** Has a fresher ticket and is not bound yet. */
  #next: RelayClient | undefined

  constructor(options: PeerRelayOptions) {
    this.#options = options
    this.socket = relaySocket(options.session)
  }

  /** Binds with this ticket. */
  grant(now: Instant, { endpoint, ticket }: RelayGrant): void {
    const { identity, random } = this.#options
    this.#next?.stop()
    this.#next = new RelayClient({ relay: endpoint, ticket, identity, random })
    this.#next.start(now)
    this.#settle()
  }

  /** Our address may be another: the relay must learn it. */
  rebind(now: Instant): void {
    for (const client of this.#clients) client.start(now)
    this.#settle()
  }

  stop(): void {
    for (const client of this.#clients) client.stop()
  }

  /** Under which the relay sends to us; empty while nothing is bound. */
  get channels(): readonly ChannelId[] {
    return this.#clients.flatMap(({ channel }) => (channel === undefined ? [] : [channel]))
  }

  /** Whether frames from there may be ours though no channel says so: answers to BIND. */
  isBindingAt(relay: Endpoint): boolean {
    return this.#clients.some(
      (client) =>
        client.channel === undefined &&
        client.relay.address === relay.address &&
        client.relay.port === relay.port,
    )
  }

  /** One datagram for the peer; lost where nothing is bound. */
  send(datagram: Uint8Array): void {
    if (datagram.length > LARGEST_RELAYED_BYTES) return
    if (this.#current?.send(datagram) !== true) this.#next?.send(datagram)
  }

  handleDatagram(now: Instant, from: Endpoint, bytes: Uint8Array): void {
    for (const client of this.#clients) client.handleDatagram(now, from, bytes)
    this.#settle()
  }

  handleTimeout(now: Instant): void {
    for (const client of this.#clients) client.handleTimeout(now)
    this.#settle()
  }

  pollTransmit(): Transmit | undefined {
    return this.#next?.pollTransmit() ?? this.#current?.pollTransmit()
  }

  pollEvent(): PeerRelayEvent | undefined {
    return this.#events.shift()
  }

  pollTimeout(): Instant | undefined {
    return earliest(this.#next?.pollTimeout(), this.#current?.pollTimeout())
  }

  get #clients(): readonly RelayClient[] {
    return [this.#next, this.#current].filter((client) => client !== undefined)
  }

  #settle(): void {
    for (const client of this.#clients) {
      let event: RelayEvent | undefined
      while ((event = client.pollEvent()) !== undefined) this.#take(client, event)
    }
  }

  #take(client: RelayClient, event: RelayEvent): void {
    switch (event.kind) {
      case 'bound':
        this.#handleBound(client)
        return
      case 'unbound':
        if (client === this.#current) this.#events.push({ kind: 'lost' })
        return
      case 'refused':
        this.#handleRefused(client)
        return
      case 'datagram':
        this.#events.push({ kind: 'datagram', path: this.#pathOf(client), bytes: event.bytes })
        return
    }
  }

  #handleBound(client: RelayClient): void {
    if (client === this.#next) {
      this.#current?.stop()
      this.#current = client
      this.#next = undefined
    }
    this.#events.push({ kind: 'ready', path: this.#pathOf(client) })
  }

  #handleRefused(client: RelayClient): void {
    if (client === this.#next) this.#next = undefined
    if (client === this.#current) {
      this.#current = undefined
      this.#events.push({ kind: 'lost' })
    }
    if (this.#next === undefined) this.#events.push({ kind: 'ticket-refused' })
  }

  #pathOf(client: RelayClient): Path {
    return { to: client.relay, via: this.socket }
  }
}
