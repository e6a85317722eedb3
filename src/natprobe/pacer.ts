import { type Endpoint, type EndpointKey, keyOf } from '../core/endpoint.ts'
import { after, type Instant } from '../core/instant.ts'

/** Public STUN servers serve millions for nothing: no server is asked more often than this by one run. */
const MAX_STARTS = 10
const WINDOW_MS = 1000

/** Keeps the order in which a NAT sees our sockets, which is what its port allocation is judged by. */
const GAP_MS = 20

/** At most ten new transactions in any second to one server, for all the tests of a run together. */
export class Pacer {
  readonly #starts = new Map<EndpointKey, readonly Instant[]>() // one entry a server of the user's list

  /** When the server may be asked next; `undefined` when at any time. */
  freeAt(server: Endpoint): Instant | undefined {
    const starts = this.#starts.get(keyOf(server)) ?? []
    const last = starts.at(-1)
    if (last === undefined) return undefined
    const [oldest = last] = starts
    const spaced = after(last, GAP_MS)
    if (starts.length < MAX_STARTS) return spaced
    const inWindow = after(oldest, WINDOW_MS)
    return spaced > inWindow ? spaced : inWindow
  }

  isFree(now: Instant, server: Endpoint): boolean {
    const freeAt = this.freeAt(server)
    return freeAt === undefined || freeAt <= now
  }

  noteStart(now: Instant, server: Endpoint): void {
    const starts = this.#starts.get(keyOf(server)) ?? []
    this.#starts.set(keyOf(server), [...starts, now].slice(-MAX_STARTS))
  }
}
