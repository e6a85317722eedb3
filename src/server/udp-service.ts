/**
 * The server's UDP port: STUN and the relay behind the same one to four sockets, told apart by a datagram's first bits
 * (`core/datagram-kind.ts`). The relay answers and forwards on whichever socket a client chose; TLS streams that carry
 * its frames (`relay-door.ts`) are sockets too.
 */
import { datagramKind } from '../core/datagram-kind.ts'
import { type Endpoint, sameEndpoint } from '../core/endpoint.ts'
import { earliest, type Instant } from '../core/instant.ts'
import type { Machine, SocketId, Transmit } from '../core/machine.ts'
import { OutboundQueue } from '../core/outbound-queue.ts'
import type { BindingServer, BindingServerStats } from '../stun/binding-server.ts'
import type { Relay, RelayEvent, RelayStats } from './relay.ts'
import type { StunWitness } from './stun-witness.ts'

export interface UdpServiceOptions {
  readonly stun: BindingServer
  readonly relay: Relay
  readonly witness: StunWitness
}

export interface UdpServiceStats {
  readonly stun: BindingServerStats
  readonly relay: RelayStats
  /** Datagrams of daemons' own protocols, and empty ones: nothing for a server. */
  readonly unwanted: number
}

export class UdpService implements Machine<RelayEvent> {
  readonly #stun: BindingServer
  readonly #relay: Relay
  readonly #witness: StunWitness
  readonly #transmits = new OutboundQueue<Transmit>()
  #unwanted = 0

  constructor({ stun, relay, witness }: UdpServiceOptions) {
    this.#stun = stun
    this.#relay = relay
    this.#witness = witness
  }

  get stats(): UdpServiceStats {
    return { stun: this.#stun.stats, relay: this.#relay.stats, unwanted: this.#unwanted }
  }

  /** The relay takes nobody new. */
  drainRelay(): void {
    this.#relay.drain()
  }

  streamOpened(via: SocketId, proof: Uint8Array): void {
    this.#relay.streamOpened(via, proof)
  }

  streamClosed(via: SocketId): void {
    this.#relay.streamClosed(via)
  }

  handleDatagram(now: Instant, from: Endpoint, bytes: Uint8Array, via?: SocketId): void {
    if (from.port === 0) {
      this.#unwanted += 1 // nobody can be answered there
      return
    }
    switch (datagramKind(bytes)) {
      case 'stun':
        this.#stun.handleDatagram(now, from, bytes, via)
        this.#drainStun(now, from)
        return
      case 'relay':
        this.#relay.handleDatagram(now, from, bytes, via)
        this.#drainRelay()
        return
      case 'connection':
      case 'probe':
      case undefined:
        this.#unwanted += 1
        return
    }
  }

  handleTimeout(now: Instant): void {
    this.#stun.handleTimeout(now)
    this.#drainStun(now)
    this.#relay.handleTimeout(now)
    this.#drainRelay()
  }

  pollTransmit(): Transmit | undefined {
    return this.#transmits.shift()
  }

  pollEvent(): RelayEvent | undefined {
    return this.#relay.pollEvent()
  }

  pollTimeout(): Instant | undefined {
    return earliest(this.#relay.pollTimeout(), this.#stun.pollTimeout())
  }

  // Only who was answered has been seen: what was dropped as a flood or as malformed attests nothing.
  #drainStun(now: Instant, from?: Endpoint): void {
    for (
      let sent = this.#stun.pollTransmit();
      sent !== undefined;
      sent = this.#stun.pollTransmit()
    ) {
      if (from !== undefined && sameEndpoint(sent.to, from)) this.#witness.note(now, from)
      this.#transmits.push(sent)
    }
  }

  #drainRelay(): void {
    for (
      let sent = this.#relay.pollTransmit();
      sent !== undefined;
      sent = this.#relay.pollTransmit()
    ) {
      this.#transmits.push(sent)
    }
  }
}
