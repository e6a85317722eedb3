import { type Endpoint, type EndpointKey, keyOf } from '../core/endpoint.ts'
import type { CandidatePair } from './candidate-pair.ts'

/** RFC 8445 §6.1.2.5's usual limit. */
export const MAX_PAIRS = 100

/** The direct pairs of one peer, by their remote address. */
export class PairTable {
  readonly #pairs = new Map<EndpointKey, CandidatePair>() // ≤ MAX_PAIRS, see #makeRoom

  get(remote: Endpoint): CandidatePair | undefined {
    return this.#pairs.get(keyOf(remote))
  }

  all(): readonly CandidatePair[] {
    return [...this.#pairs.values()]
  }

  get size(): number {
    return this.#pairs.size
  }

  /** False where there is no room. The pair that had to go, if one had, is told to `onDropped`. */
  add(pair: CandidatePair, onDropped: (pair: CandidatePair) => void): boolean {
    if (this.#pairs.size >= MAX_PAIRS && !this.#makeRoom(onDropped)) return false
    this.#pairs.set(keyOf(pair.remote), pair)
    return true
  }

  remove(pair: CandidatePair): void {
    this.#pairs.delete(keyOf(pair.remote))
  }

  /** The oldest that only an unproved packet spoke for: who forges sources pushes out his own. */
  #makeRoom(onDropped: (pair: CandidatePair) => void): boolean {
    const weakest = this.all().find(
      (pair) => pair.kind === 'peer-reflexive' && pair.heartbeat === undefined,
    )
    if (weakest === undefined) return false
    this.remove(weakest)
    onDropped(weakest)
    return true
  }
}
