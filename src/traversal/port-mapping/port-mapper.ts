/**
 * Asks the gateway for a public port that leads to ours, by whichever of PCP, NAT-PMP and UPnP it speaks.
 *
 * All three are asked at once, in ways that make nothing; then the best one that answered makes the mapping. So there
 * is one mapping, not three, and a gateway on the LAN has made it well within the 250 ms in which the first candidates
 * are collected. A better protocol that keeps silent holds up a worse one that has answered for `HEAD_START_MS`; one
 * that refuses, not at all (RFC 6887 §9: a NAT-PMP gateway refuses PCP's version, and NAT-PMP has been asked already).
 *
 *     idle ─► choosing ─► mapping ─► mapped ─► releasing ─► idle
 *               ▲  │         │          │
 *               │  └─────────┴──────────┴── refused, or lost: the next best, of those that answered
 *               └── resting: nobody is left; everything is asked again after a while
 *
 * The answers come to a socket of their own (`PORT_MAPPING_SOCKET`): their first bits are those of STUN and of our
 * connections, so they cannot be told apart on the shared port. HTTP requests are made by the owner. That a mapping
 * was granted does not prove that it forwards: whether it does is for somebody outside to find out.
 */
import { toHex } from '../../core/bytes.ts'
import { type Endpoint, sameEndpoint } from '../../core/endpoint.ts'
import { after, earliest, type Instant } from '../../core/instant.ts'
import { type Machine, type SocketId, socketNamed, type Transmit } from '../../core/machine.ts'
import { OutboundQueue } from '../../core/outbound-queue.ts'
import type { Random } from '../../core/random.ts'
import type { HttpOutcome } from './http-exchange.ts'
import { makeClient, type MapRequest } from './make-client.ts'
import {
  type ClientEvent,
  type MappingClient,
  type Mechanism,
  mechanisms,
  type UnavailableReason,
} from './mapping-client.ts'
import { PCP_NONCE_BYTES } from './pcp.ts'
import type { PortMapperEvent } from './port-mapper-event.ts'

/** A plain IPv4 socket on any port, or an IPv6 one for an IPv6 gateway. */
export const PORT_MAPPING_SOCKET: SocketId = socketNamed('port-mapping')

export interface PortMapperOptions {
  readonly random: Random
  /** PCP's 12 bytes that say whose a mapping is. A daemon that keeps them can renew what it made before a crash. */
  readonly nonce?: Uint8Array
  readonly mechanisms?: readonly Mechanism[]
}

type Standing = 'asking' | 'found' | 'out'

interface Player {
  readonly by: Mechanism
  readonly client: MappingClient
  standing: Standing
}

type Phase =
  | { readonly kind: 'idle' }
  | { readonly kind: 'choosing' }
  | { readonly kind: 'mapping'; readonly player: Player }
  | { readonly kind: 'mapped'; readonly player: Player; readonly external: Endpoint }
  | { readonly kind: 'releasing'; readonly player: Player }
  | { readonly kind: 'resting'; readonly againAt: Instant }

type MappedPhase = Extract<Phase, { kind: 'mapped' }>

/** A gateway on the LAN answers within 1 to 50 ms; 100 leave time for the mapping within the first 250 ms. */
const HEAD_START_MS = 100

/** Somebody may have switched it on in the router meanwhile; a change of network is told by `map`. */
const REST_MS = 600_000

export class PortMapper implements Machine<PortMapperEvent> {
  readonly #random: Random
  readonly #nonce: string
  readonly #mechanisms: readonly Mechanism[]
  readonly #transmits = new OutboundQueue<Transmit>()
  readonly #events = new OutboundQueue<PortMapperEvent>()
  #request: MapRequest | undefined
  #players: readonly Player[] = [] // the best first, one for each mechanism
  #phase: Phase = { kind: 'idle' }
  #patientUntil: Instant | undefined
  #httpIds = 0

  constructor({ random, nonce, mechanisms: wanted = mechanisms }: PortMapperOptions) {
    this.#random = random
    this.#nonce = toHex(nonce ?? random.bytes(PCP_NONCE_BYTES))
    this.#mechanisms = mechanisms.filter((mechanism) => wanted.includes(mechanism))
  }

  /** What is mapped now. */
  get external(): Endpoint | undefined {
    return this.#phase.kind === 'mapped' ? this.#phase.external : undefined
  }

  /** Makes one mapping and keeps it, until `release` or until another one is wanted. */
  map(now: Instant, request: MapRequest): void {
    const phase = this.#phase
    if (this.#isSame(request) && phase.kind !== 'releasing') {
      this.check(now)
      return
    }
    if (phase.kind === 'releasing') this.#events.push({ kind: 'released', isConfirmed: false })
    if (phase.kind === 'mapped') this.#tellUnmapped(phase, 'replaced')
    this.#abandon(now, request)
    this.#request = request
    this.#players = this.#mechanisms.flatMap((by) => this.#player(by, request))
    this.#discover(now)
  }

  /** Something has changed: ask now whether the mapping is still there, or whether there can be one now. */
  check(now: Instant): void {
    if (this.#phase.kind === 'mapped') this.#phase.player.client.check(now)
    else if (this.#phase.kind === 'resting') this.#discover(now)
    this.#settle(now)
  }

  /** Deletes the mapping and wants none. `released` follows within some 2 s. */
  release(now: Instant): void {
    const phase = this.#phase
    if (phase.kind === 'releasing') return
    if (phase.kind === 'mapping' || phase.kind === 'mapped') {
      this.#phase = { kind: 'releasing', player: phase.player }
      phase.player.client.release(now)
    } else {
      this.#end(true)
    }
    this.#settle(now)
  }

  /** What became of the request that was wanted under this id. */
  httpAnswered(now: Instant, id: number, outcome: HttpOutcome): void {
    for (const { client } of this.#players) client.httpAnswered?.(now, id, outcome)
    this.#settle(now)
  }

  handleDatagram(now: Instant, from: Endpoint, bytes: Uint8Array): void {
    // Each knows its own: versions 2 and 0 begin PCP and NAT-PMP, and a refusal of the one is read by the other.
    for (const { client } of this.#players) client.handleDatagram(now, from, bytes)
    this.#settle(now)
  }

  handleTimeout(now: Instant): void {
    if (this.#phase.kind === 'resting' && now >= this.#phase.againAt) this.#discover(now)
    for (const { client } of this.#players) client.handleTimeout(now)
    this.#settle(now)
  }

  pollTransmit(): Transmit | undefined {
    return this.#transmits.shift()
  }

  pollEvent(): PortMapperEvent | undefined {
    return this.#events.shift()
  }

  pollTimeout(): Instant | undefined {
    const parts = this.#players.map(({ client }) => client.pollTimeout())
    const again = this.#phase.kind === 'resting' ? this.#phase.againAt : undefined
    const choice = this.#phase.kind === 'choosing' ? this.#patientUntil : undefined
    return earliest(again, choice, ...parts)
  }

  #discover(now: Instant): void {
    this.#phase = { kind: 'choosing' }
    this.#patientUntil = after(now, HEAD_START_MS)
    for (const player of this.#players) {
      player.standing = 'asking'
      player.client.discover(now)
    }
    this.#settle(now)
  }

  /** Takes in what the clients brought, until they have nothing more. */
  #settle(now: Instant): void {
    if (this.#patientUntil !== undefined && now >= this.#patientUntil)
      this.#patientUntil = undefined
    while (this.#drain() || this.#choose(now)) continue
  }

  #drain(): boolean {
    let isChanged = false
    for (const player of this.#players) {
      this.#takeTransmits(player.client)
      let event: ClientEvent | undefined
      while ((event = player.client.pollEvent()) !== undefined) {
        isChanged = true
        this.#handle(player, event)
      }
    }
    return isChanged
  }

  #takeTransmits(client: MappingClient): void {
    let transmit: Transmit | undefined
    while ((transmit = client.pollTransmit()) !== undefined) {
      this.#transmits.push({ ...transmit, via: PORT_MAPPING_SOCKET })
    }
  }

  #handle(player: Player, event: ClientEvent): void {
    const { by } = player
    switch (event.kind) {
      case 'found':
        player.standing = 'found'
        this.#events.push({ kind: 'available', by })
        return
      case 'mapped':
        if (this.#phase.kind === 'releasing') return
        this.#phase = { kind: 'mapped', player, external: event.external }
        this.#events.push({ ...event, by })
        return
      case 'unavailable':
        this.#handleUnavailable(player, event.why)
        return
      case 'released':
        this.#end(event.isConfirmed)
        return
      case 'http-wanted':
        this.#events.push(event)
    }
  }

  #handleUnavailable(player: Player, why: UnavailableReason): void {
    const { by } = player
    const phase = this.#phase
    player.standing = 'out'
    if (phase.kind === 'releasing' && phase.player === player) {
      this.#end(false)
      return
    }
    if (phase.kind === 'mapped' && phase.player === player) {
      this.#tellUnmapped(phase, why)
    } else {
      this.#events.push({ kind: 'unavailable', by, why })
    }
    const isHolder = 'player' in phase && phase.player === player
    if (isHolder) this.#phase = { kind: 'choosing' }
  }

  #tellUnmapped({ player: { by }, external }: MappedPhase, why: UnavailableReason): void {
    this.#events.push({ kind: 'unmapped', by, external, why })
  }

  /** True when it has set a client to work. */
  #choose(now: Instant): boolean {
    if (this.#phase.kind !== 'choosing') return false
    const best = this.#players.find(({ standing }) => standing !== 'out')
    if (best === undefined) {
      this.#phase = { kind: 'resting', againAt: after(now, REST_MS) }
      return false
    }
    const found = this.#players.find(({ standing }) => standing === 'found')
    if (found === undefined) return false
    if (found !== best && this.#patientUntil !== undefined) return false
    this.#phase = { kind: 'mapping', player: found }
    found.client.map(now)
    return true
  }

  #end(isConfirmed: boolean): void {
    this.#phase = { kind: 'idle' }
    this.#request = undefined
    this.#players = []
    this.#events.push({ kind: 'released', isConfirmed })
  }

  /** The old mapping is in the way only where the gateway is the same; elsewhere, it would be somebody else's. */
  #abandon(now: Instant, { gateway, localAddress }: MapRequest): void {
    const old = this.#request
    if (old === undefined || !isSameGateway(old.gateway, gateway)) return
    if (old.localAddress !== localAddress) return
    for (const { client } of this.#players) client.abandon(now)
    this.#drain()
  }

  #isSame({ gateway, localAddress, localPort }: MapRequest): boolean {
    const now = this.#request
    if (now === undefined || !isSameGateway(now.gateway, gateway)) return false
    return now.localAddress === localAddress && now.localPort === localPort
  }

  #player(by: Mechanism, request: MapRequest): readonly Player[] {
    const client = makeClient(by, {
      request,
      nonce: this.#nonce,
      random: this.#random,
      nextHttpId: () => (this.#httpIds += 1),
    })
    if (typeof client === 'object') return [{ by, client, standing: 'asking' }]
    this.#events.push({ kind: 'unavailable', by, why: client })
    return []
  }
}

function isSameGateway(one: Endpoint | undefined, other: Endpoint | undefined): boolean {
  if (one === undefined || other === undefined) return one === other
  return sameEndpoint(one, other)
}
