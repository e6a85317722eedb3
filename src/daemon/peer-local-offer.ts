/**
 * What peers may be offered of our addresses: the gatherer's work, and for whom it must be said again once it is done.
 */
import { type Endpoint, keyOf } from '../core/endpoint.ts'
import { after, earliest, type Instant } from '../core/instant.ts'
import type { SocketId, Transmit } from '../core/machine.ts'
import type { Random } from '../core/random.ts'
import type { Candidate } from '../protocol/server/messages.ts'
import { Gatherer, type GathererEvent } from '../traversal/gatherer.ts'
import { askedOf, MappingCheck, type MappingCheckEvent } from '../traversal/mapping-check.ts'
import type { PeerSession } from './peer-session.ts'

/** Introductions wait for STUN no longer: the target of gathering, and a little. What comes later is told later. */
const WAIT_MS = 1_300

/** And for a port of the gateway no longer than this: on the LAN it is there, or it is told later. */
const MAPPING_WAIT_MS = 250

export interface OfferNews {
  /** To be offered from now on, when that is known again. */
  readonly candidates: readonly Candidate[] | undefined
  /** How the world sees us, when that changed. */
  readonly publicEndpoints: readonly Endpoint[] | undefined
  /** The world sees us elsewhere than before. */
  readonly hasMoved: boolean
}

/**
 * Whether anything comes back over UDP. `silent` needs five transmissions to every server that is known (the server
 * names two addresses where it has them) and no answer; what it means, a blocked port or no network, TCP tells.
 */
export type UdpState = 'unknown' | 'works' | 'silent'

export class LocalOffer {
  readonly #gatherer: Gatherer
  readonly #check: MappingCheck
  readonly #renewals = new Set<PeerSession>() // ≤ sessions
  /** Until then what is known may be wrong or too little. */
  #waitUntil: Instant | undefined
  /** Until then a port of the gateway may be found, and proven. */
  #mappingUntil: Instant | undefined
  #external: Endpoint | undefined
  #servers: readonly Endpoint[] = []
  #publicKey = ''
  #udp: UdpState = 'unknown'

  constructor(random: Random) {
    this.#gatherer = new Gatherer({ random })
    this.#check = new MappingCheck({ random })
  }

  get udp(): UdpState {
    return this.#udp
  }

  setLocalAddresses(now: Instant, addresses: readonly string[], port: number): void {
    this.#gatherer.setLocalAddresses(now, addresses, port)
    this.#waitUntil = after(now, WAIT_MS)
  }

  setStunServers(now: Instant, servers: readonly Endpoint[]): void {
    this.#gatherer.setServers(now, askedOf(servers))
    this.#waitUntil = after(now, WAIT_MS)
    this.#servers = servers
    this.#proveMapping(now)
  }

  /** The endpoints of the server's STUN service, the main one first. */
  get stunServers(): readonly Endpoint[] {
    return this.#servers
  }

  /** Somebody is asking the gateway for a port: `setMapping` follows. */
  expectMapping(now: Instant): void {
    this.#mappingUntil = after(now, MAPPING_WAIT_MS)
  }

  /** What the gateway gave; it is offered when the server has reached us there. `undefined`: nothing (any more). */
  setMapping(now: Instant, external: Endpoint | undefined): void {
    this.#external = external
    this.#gatherer.setMapped(undefined)
    this.#proveMapping(now)
  }

  #proveMapping(now: Instant): void {
    this.#check.cancel()
    if (this.#external !== undefined) this.#check.start(now, this.#external, this.#servers)
    else if (this.#mappingUntil !== undefined) this.#mappingUntil = now // nothing to wait for
  }

  /** Until the servers are told anew. */
  watchClosely(now: Instant): void {
    this.#gatherer.watchClosely(now)
  }

  gather(now: Instant): void {
    this.#gatherer.gather(now)
    this.#waitUntil = after(now, WAIT_MS)
  }

  /** What to offer now; `undefined` while it is worth waiting for. */
  known(now: Instant): readonly Candidate[] | undefined {
    const isWaiting = [this.#waitUntil, this.#mappingUntil].some(
      (until) => until !== undefined && now < until,
    )
    return isWaiting ? undefined : this.#gatherer.candidates
  }

  /** This session shall be introduced again as soon as our addresses are known. */
  renewWhenKnown(session: PeerSession): void {
    this.#renewals.add(session)
  }

  /** Whether that was wished; it is not any more. */
  takeRenewal(session: PeerSession): boolean {
    return this.#renewals.delete(session)
  }

  /** What is to be told since the last time. */
  takeNews(now: Instant): OfferNews | undefined {
    let hasNews = this.#takeCheck(now)
    let hasMoved = false
    let event: GathererEvent | undefined
    while ((event = this.#gatherer.pollEvent()) !== undefined) {
      hasNews = true
      if (event.kind === 'gathering-finished') {
        this.#waitUntil = undefined
        this.#udp = event.isSilent ? 'silent' : this.#gatherer.hasReflexive ? 'works' : 'unknown'
      }
      if (event.kind === 'public-address-changed') {
        hasMoved = true
        this.#waitUntil = after(now, WAIT_MS)
      }
    }
    if (this.#waitUntil !== undefined && now >= this.#waitUntil) {
      this.#waitUntil = undefined
      hasNews = true
    }
    if (!hasNews) return undefined
    const candidates = this.known(now)
    const publicEndpoints = candidates && this.#publicNews()
    return { candidates, publicEndpoints, hasMoved }
  }

  handleDatagram(now: Instant, from: Endpoint, bytes: Uint8Array, via?: SocketId): void {
    if (via === undefined) this.#gatherer.handleDatagram(now, from, bytes)
    this.#check.handleDatagram(now, from, bytes, via)
  }

  handleTimeout(now: Instant): void {
    this.#gatherer.handleTimeout(now)
    this.#check.handleTimeout(now)
  }

  pollTransmit(): Transmit | undefined {
    return this.#gatherer.pollTransmit() ?? this.#check.pollTransmit()
  }

  pollTimeout(): Instant | undefined {
    const waits = [this.#waitUntil, this.#mappingUntil]
    return earliest(this.#gatherer.pollTimeout(), this.#check.pollTimeout(), ...waits)
  }

  /** Whether the wait for the gateway is over just now. */
  #takeCheck(now: Instant): boolean {
    let event: MappingCheckEvent | undefined
    while ((event = this.#check.pollEvent()) !== undefined) {
      this.#gatherer.setMapped(event.kind === 'proven' ? event.endpoint : undefined)
      if (this.#mappingUntil !== undefined) this.#mappingUntil = now
    }
    const isOver = this.#mappingUntil !== undefined && now >= this.#mappingUntil
    if (isOver) this.#mappingUntil = undefined
    return isOver
  }

  #publicNews(): readonly Endpoint[] | undefined {
    const { candidates } = this.#gatherer
    const reflexive = candidates.filter(({ kind }) => kind === 'server-reflexive')
    const endpoints = reflexive.map(({ endpoint }) => endpoint)
    const key = endpoints.map(keyOf).join()
    if (key === this.#publicKey) return undefined
    this.#publicKey = key
    return endpoints
  }
}
