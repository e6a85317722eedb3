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
  readonly #open = new Map<string, { readonly remote: string; readonly until: number }>() // ≤ flows of the test

  constructor(behaviour: FirewallBehaviour) {
    this.behaviour = behaviour
  }

  reboot(): void {
    this.#open.clear()
  }

  /** Forgets what went to these hosts, as after a long silence. */
  forgetRemotes(addresses: ReadonlySet<string>): void {
    for (const [flow, { remote }] of [...this.#open]) {
      if (addresses.has(remote)) this.#open.delete(flow)
    }
  }

  noteOutbound(now: number, { from, to }: Packet): void {
    this.#open.set(this.#flow(keyOf(from), to), {
      remote: to.address,
      until: now + (this.behaviour.lifetimeMs ?? LIFETIME_MS),
    })
  }

  admits(now: number, { from, to }: Packet): boolean {
    if (this.behaviour.inbound === 'open') return true
    return (this.#open.get(this.#flow(keyOf(to), from))?.until ?? 0) > now
  }

  #flow(inside: EndpointKey, remote: Packet['to']): string {
    const isByAddress = this.behaviour.inbound === 'address-dependent'
    return `${inside} ${isByAddress ? remote.address : keyOf(remote)}`
  }
}
