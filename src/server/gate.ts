import type { Endpoint } from '../core/endpoint.ts'
import { networkOf } from './client-network.ts'

/** Connections without a login, in all: 30 KiB each, so 60 MiB. */
export const MOST_STRANGERS = 2_048

/** …and from one network: an office whose daemons all come back at once. */
export const MOST_STRANGERS_PER_NETWORK = 256

/** A connection that has not logged in. */
export interface Stranger {
  readonly remote: Endpoint
  cut(why: string): void
}

/**
 * Connections before their login, which cost the server memory and the client nothing. Where there are too many, the
 * oldest goes: whoever wants to log in does it within a second, and whoever only holds a place has held it longest.
 */
export class Gate {
  readonly #strangers = new Set<Stranger>() // ≤ MOST_STRANGERS, in the order in which they came
  readonly #networks = new Map<string, Set<Stranger>>() // those of #strangers, by network

  enter(stranger: Stranger): void {
    this.#strangers.add(stranger)
    const network = networkOf(stranger.remote)
    if (network !== undefined) {
      const neighbours = this.#networks.get(network) ?? new Set()
      this.#networks.set(network, neighbours)
      neighbours.add(stranger)
      if (neighbours.size > MOST_STRANGERS_PER_NETWORK) this.#turnOut(neighbours)
    }
    if (this.#strangers.size > MOST_STRANGERS) this.#turnOut(this.#strangers)
  }

  /** It has logged in, or is gone. */
  leave(stranger: Stranger): void {
    if (!this.#strangers.delete(stranger)) return
    const network = networkOf(stranger.remote)
    if (network === undefined) return
    const neighbours = this.#networks.get(network)
    neighbours?.delete(stranger)
    if (neighbours?.size === 0) this.#networks.delete(network)
  }

  get size(): number {
    return this.#strangers.size
  }

  #turnOut(crowd: ReadonlySet<Stranger>): void {
    const [oldest] = crowd
    if (oldest === undefined) return
    this.leave(oldest)
    oldest.cut('too many connections without a login')
  }
}
