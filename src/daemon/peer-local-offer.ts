/**
 * What peers may be offered of our addresses: the gatherer's work, and for whom it must be said again once it is done.
 */
import { type Endpoint, keyOf } from '../core/endpoint.ts'
import { after, earliest, type Instant } from '../core/instant.ts'
import type { Transmit } from '../core/machine.ts'
import type { Random } from '../core/random.ts'
import type { Candidate } from '../protocol/server/messages.ts'
import { Gatherer, type GathererEvent } from '../traversal/gatherer.ts'
import type { PeerSession } from './peer-session.ts'

/** Introductions wait for STUN no longer: the target of gathering, and a little. What comes later is told later. */
const WAIT_MS = 1_300

export interface OfferNews {
  /** To be offered from now on, when that is known again. */
  readonly candidates: readonly Candidate[] | undefined
  /** How the world sees us, when that changed. */
  readonly publicEndpoints: readonly Endpoint[] | undefined
  /** The world sees us elsewhere than before. */
  readonly hasMoved: boolean
}

export class LocalOffer {
  readonly #gatherer: Gatherer
  readonly #renewals = new Set<PeerSession>() // ≤ sessions
  /** Until then what is known may be wrong or too little. */
  #waitUntil: Instant | undefined
  #publicKey = ''

  constructor(random: Random) {
    this.#gatherer = new Gatherer({ random })
  }

  setLocalAddresses(now: Instant, addresses: readonly string[], port: number): void {
    this.#gatherer.setLocalAddresses(now, addresses, port)
    this.#waitUntil = after(now, WAIT_MS)
  }

  setStunServers(now: Instant, servers: readonly Endpoint[]): void {
    this.#gatherer.setServers(now, servers)
    this.#waitUntil = after(now, WAIT_MS)
  }

  gather(now: Instant): void {
    this.#gatherer.gather(now)
    this.#waitUntil = after(now, WAIT_MS)
  }

  /** What to offer now; `undefined` while it is worth waiting for. */
  known(now: Instant): readonly Candidate[] | undefined {
    const isWaiting = this.#waitUntil !== undefined && now < this.#waitUntil
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
    let hasNews = false
    let hasMoved = false
    let event: GathererEvent | undefined
    while ((event = this.#gatherer.pollEvent()) !== undefined) {
      hasNews = true
      if (event.kind === 'gathering-finished') this.#waitUntil = undefined
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

  handleDatagram(now: Instant, from: Endpoint, bytes: Uint8Array): void {
    this.#gatherer.handleDatagram(now, from, bytes)
  }

  handleTimeout(now: Instant): void {
    this.#gatherer.handleTimeout(now)
  }

  pollTransmit(): Transmit | undefined {
    return this.#gatherer.pollTransmit()
  }

  pollTimeout(): Instant | undefined {
    return earliest(this.#gatherer.pollTimeout(), this.#waitUntil)
  }

  #publicNews(): readonly Endpoint[] | undefined {
    const reflexive = this.#gatherer.candidates.filter(({ kind }) => kind !== 'host')
    const endpoints = reflexive.map(({ endpoint }) => endpoint)
    const key = endpoints.map(keyOf).join()
    if (key === this.#publicKey) return undefined
    this.#publicKey = key
    return endpoints
  }
}
