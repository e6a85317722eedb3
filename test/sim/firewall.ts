import { type EndpointKey, keyOf } from '../../src/core/endpoint.ts'
import type { Packet } from './packet.ts'

/** A stateful firewall without translation: an IPv6 home router, an office with public addresses. */
export interface FirewallBehaviour {
  /** `open` lets everything in; `stateful` only what answers; `address-dependent` whatever comes from an address that was sent to. */
  readonly inbound: 'open' | 'address-dependent' | 'stateful'
  /** How long an answer may come after the last packet out; 30 s when absent. */
  readonly lifetimeMs?: number
}

const LIFETIME_MS = 30_000

export class Firewall {
  readonly behaviour: FirewallBehaviour
  readonly #openUntil = new Map<string, number>() // ≤ flows of the test

  constructor(behaviour: FirewallBehaviour) {
    this.behaviour = behaviour
  }

  reboot(): void {
    this.#openUntil.clear()
  }

  noteOutbound(now: number, { from, to }: Packet): void {
    this.#openUntil.set(
      this.#flow(keyOf(from), to),
      now + (this.behaviour.lifetimeMs ?? LIFETIME_MS),
    )
  }

  admits(now: number, { from, to }: Packet): boolean {
    if (this.behaviour.inbound === 'open') return true
    return (this.#openUntil.get(this.#flow(keyOf(to), from)) ?? 0) > now
  }

  #flow(inside: EndpointKey, remote: Packet['to']): string {
    const isByAddress = this.behaviour.inbound === 'address-dependent'
    return `${inside} ${isByAddress ? remote.address : keyOf(remote)}`
  }
}
