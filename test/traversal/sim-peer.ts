/** A daemon's traversal half, without the rest: gatherer, relay client and path agent composed as the daemon does it. */
import { datagramKind } from '../../src/core/datagram-kind.ts'
import type { Endpoint } from '../../src/core/endpoint.ts'
import { earliest, type Instant } from '../../src/core/instant.ts'
import type { Machine, SocketId, Transmit } from '../../src/core/machine.ts'
import { OutboundQueue } from '../../src/core/outbound-queue.ts'
import type { Random } from '../../src/core/random.ts'
import type { Identity } from '../../src/crypto/identity.ts'
import type { Candidate } from '../../src/protocol/server/messages.ts'
import type { NatProfile } from '../../src/protocol/server/nat-profile.ts'
import type { SocketEvent } from '../../src/traversal/attempt.ts'
import type { PathPolicy } from '../../src/traversal/candidate.ts'
import { Gatherer } from '../../src/traversal/gatherer.ts'
import { relaySocket, type Path } from '../../src/traversal/path.ts'
import { PathAgent, type PathAgentEvent } from '../../src/traversal/path-agent.ts'
import type { PathEvent } from '../../src/traversal/path-selection.ts'
import type { ProbeRole } from '../../src/traversal/probe.ts'
import { PunchBudget } from '../../src/traversal/punch-budget.ts'
import { RelayClient } from '../../src/traversal/relay-client.ts'

export interface SimPeerOptions {
  readonly role: ProbeRole
  readonly identity: Identity
  readonly random: Random
  readonly policy: PathPolicy
  readonly openerTtl: number | undefined
  /** What is known of its own NAT. */
  readonly nat: NatProfile | undefined
  readonly budget: PunchBudget
}

export interface Introduction {
  readonly session: Uint8Array
  readonly key: Uint8Array
  readonly candidates: readonly Candidate[]
  readonly nat: NatProfile | undefined
  readonly startInMs: number
  readonly relay: { readonly endpoint: Endpoint; readonly ticket: Uint8Array } | undefined
}

export type SimPeerEvent =
  | { readonly kind: 'gathered' }
  | { readonly kind: 'introduction-wanted' }
  | { readonly kind: 'path'; readonly event: PathEvent }
  | SocketEvent
  | { readonly kind: 'data'; readonly number: number; readonly isRelayed: boolean }

const DATA = 0b0100_0000

export class SimPeer implements Machine<SimPeerEvent> {
  agent: PathAgent | undefined
  path: Path | undefined
  readonly gatherer: Gatherer
  readonly #options: SimPeerOptions
  readonly #transmits = new OutboundQueue<Transmit>()
  readonly #events = new OutboundQueue<SimPeerEvent>()
  #stunServer: Endpoint | undefined
  #relay: { readonly client: RelayClient; readonly path: Path } | undefined

  constructor(options: SimPeerOptions) {
    this.#options = options
    this.gatherer = new Gatherer({ random: options.random })
  }

  get nat(): NatProfile | undefined {
    return this.#options.nat
  }

  get policy(): PathPolicy {
    return this.#options.policy
  }

  gather(
    now: Instant,
    addresses: readonly string[],
    port: number,
    servers: readonly Endpoint[],
  ): void {
    this.gatherer.setLocalAddresses(now, addresses, port)
    this.gatherer.setServers(now, servers)
    this.#stunServer = servers[0]
    this.#collect(now)
  }

  introduced(now: Instant, introduction: Introduction): void {
    this.agent ??= new PathAgent({
      role: this.#options.role,
      key: introduction.key,
      policy: this.#options.policy,
      local: this.gatherer.candidates,
      random: this.#options.random,
      budget: this.#options.budget,
      ...(this.#options.openerTtl === undefined ? {} : { openerTtl: this.#options.openerTtl }),
    })
    this.agent.setLocal(now, this.gatherer.candidates)
    this.agent.setStunServer(this.#stunServer)
    this.agent.setNats(now, { local: this.#options.nat, remote: introduction.nat })
    this.agent.setRemote(now, introduction.candidates)
    this.agent.start(now, introduction.startInMs)
    this.#startRelay(now, introduction)
    this.#collect(now)
  }

  networkChanged(now: Instant, addresses: readonly string[], port: number): void {
    this.gatherer.setLocalAddresses(now, addresses, port)
    this.#relay?.client.start(now)
    this.agent?.networkChanged(now)
    this.#collect(now)
  }

  /** One datagram of data, on whichever path is chosen. False without one. */
  send(now: Instant, number: number): boolean {
    if (this.path === undefined) return false
    const bytes = Buffer.alloc(5)
    bytes[0] = DATA
    bytes.writeUInt32BE(number, 1)
    this.agent?.dataFlowed(now)
    this.#send({ ...this.path, bytes })
    this.#collect(now)
    return true
  }

  socketOpened(now: Instant, socket: SocketId, local: Endpoint): void {
    this.agent?.socketOpened(now, socket, local)
    this.#collect(now)
  }

  handleDatagram(now: Instant, from: Endpoint, bytes: Uint8Array, via?: SocketId): void {
    switch (datagramKind(bytes)) {
      case 'stun':
        if (via !== undefined) this.agent?.handleStun(now, from, bytes, via)
        else this.gatherer.handleDatagram(now, from, bytes)
        break
      case 'relay':
        this.#relay?.client.handleDatagram(now, from, bytes)
        break
      case 'probe':
      case 'connection':
        this.#handlePeer(now, from, bytes, via)
        break
      case undefined:
        break
    }
    this.#collect(now)
  }

  handleTimeout(now: Instant): void {
    this.gatherer.handleTimeout(now)
    this.#relay?.client.handleTimeout(now)
    this.agent?.handleTimeout(now)
    this.#collect(now)
  }

  pollTransmit(): Transmit | undefined {
    return this.#transmits.shift()
  }

  pollEvent(): SimPeerEvent | undefined {
    return this.#events.shift()
  }

  pollTimeout(): Instant | undefined {
    return earliest(
      this.gatherer.pollTimeout(),
      this.#relay?.client.pollTimeout(),
      this.agent?.pollTimeout(),
    )
  }

  #startRelay(now: Instant, { relay, session }: Introduction): void {
    if (relay === undefined || this.#relay?.client.channel !== undefined) return
    if (this.#relay !== undefined) this.agent?.relayLost(now)
    const { identity, random } = this.#options
    const { endpoint, ticket } = relay
    const client = new RelayClient({ relay: endpoint, ticket, identity, random })
    this.#relay = { client, path: { to: endpoint, via: relaySocket(session) } }
    client.start(now)
  }

  #handlePeer(now: Instant, from: Endpoint, bytes: Uint8Array, via: SocketId | undefined): void {
    if (datagramKind(bytes) === 'probe') {
      this.agent?.handleDatagram(now, from, bytes, via)
      return
    }
    this.agent?.dataFlowed(now)
    const number = Buffer.from(bytes).readUInt32BE(1)
    this.#events.push({
      kind: 'data',
      number,
      isRelayed: via !== undefined && via === this.#relay?.path.via,
    })
  }

  #send(transmit: Transmit): void {
    if (transmit.via !== undefined && transmit.via === this.#relay?.path.via) {
      this.#relay.client.send(transmit.bytes)
    } else {
      this.#transmits.push(transmit)
    }
  }

  // What the parts have brought about, until nothing is left.
  #collect(now: Instant): void {
    while (this.#collectOnce(now));
  }

  #collectOnce(now: Instant): boolean {
    let isBusy = false
    for (const part of [this.gatherer, this.#relay?.client, this.agent]) {
      let transmit: Transmit | undefined
      while ((transmit = part?.pollTransmit()) !== undefined) {
        this.#send(transmit)
        isBusy = true
      }
    }
    return this.#takeEvents(now) || isBusy
  }

  #takeEvents(now: Instant): boolean {
    const gathered = this.gatherer.pollEvent()
    if (gathered?.kind === 'gathering-finished') this.#events.push({ kind: 'gathered' })
    if (gathered?.kind === 'public-address-changed') {
      this.#events.push({ kind: 'introduction-wanted' })
    }
    const relayed = this.#relay?.client.pollEvent()
    if (relayed?.kind === 'datagram' && this.#relay !== undefined) {
      this.#handlePeer(now, this.#relay.path.to, relayed.bytes, this.#relay.path.via)
    } else if (relayed?.kind === 'bound' && this.#relay !== undefined) {
      this.agent?.relayReady(now, this.#relay.path)
    } else if (relayed?.kind === 'unbound') {
      this.agent?.relayLost(now)
    }
    const event = this.agent?.pollEvent()
    if (event !== undefined) this.#handlePathEvent(now, event)
    return gathered !== undefined || relayed !== undefined || event !== undefined
  }

  #handlePathEvent(now: Instant, event: PathAgentEvent): void {
    if (event.kind === 'socket-wanted' || event.kind === 'socket-unwanted') {
      this.#events.push(event)
      return
    }
    if (event.kind === 'pong' || event.kind === 'revived') return
    this.#events.push({ kind: 'path', event })
    if (event.kind === 'path-selected') {
      this.path = event.path
    } else {
      this.path = undefined
      if (event.pathKind !== 'relay') {
        this.gatherer.gather(now)
        this.#events.push({ kind: 'introduction-wanted' })
      }
    }
  }
}
