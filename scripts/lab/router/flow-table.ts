import { type Endpoint, keyOf } from '../../../src/core/endpoint.ts'

/** What goes between one host inside and one outside, by the name that each knows the inside one by. */
export interface Flow {
  readonly protocol: number
  readonly inside: Endpoint
  /** The same end as it is seen from outside. */
  readonly outside: Endpoint
  readonly remote: Endpoint
}

interface Entry extends Flow {
  usedAt: number
}

/** Longer than any test; an hour is what routers that forget TCP connections early give them. */
const IDLE_MS = 3_600_000
const MAX_FLOWS = 65_536

/** Flows found from either side. */
export class FlowTable {
  readonly #outward = new Map<string, Entry>() // ≤ MAX_FLOWS, the one made first dropped
  readonly #inward = new Map<string, Entry>()

  remember(now: number, flow: Flow): void {
    const key = keyFrom(flow.protocol, flow.inside, flow.remote)
    const known = this.#outward.get(key)
    if (known !== undefined) this.#forget(known)
    const [oldest] = this.#outward.values()
    if (this.#outward.size >= MAX_FLOWS && oldest !== undefined) this.#forget(oldest)
    const entry = { ...flow, usedAt: now }
    this.#outward.set(key, entry)
    this.#inward.set(keyFrom(flow.protocol, flow.outside, flow.remote), entry)
  }

  findOutward(now: number, protocol: number, inside: Endpoint, remote: Endpoint): Flow | undefined {
    return this.#used(now, this.#outward.get(keyFrom(protocol, inside, remote)))
  }

  findInward(now: number, protocol: number, outside: Endpoint, remote: Endpoint): Flow | undefined {
    return this.#used(now, this.#inward.get(keyFrom(protocol, outside, remote)))
  }

  clear(): void {
    this.#outward.clear()
    this.#inward.clear()
  }

  #used(now: number, entry: Entry | undefined): Flow | undefined {
    if (entry === undefined) return undefined
    if (now - entry.usedAt > IDLE_MS) {
      this.#forget(entry)
      return undefined
    }
    entry.usedAt = now
    return entry
  }

  #forget({ protocol, inside, outside, remote }: Entry): void {
    this.#outward.delete(keyFrom(protocol, inside, remote))
    this.#inward.delete(keyFrom(protocol, outside, remote))
  }
}

function keyFrom(protocol: number, near: Endpoint, far: Endpoint): string {
  return `${protocol} ${keyOf(near)} ${keyOf(far)}`
}
