import { keyOf } from '../core/endpoint.ts'
import type { CandidatePair } from './candidate-pair.ts'
import type { Path } from './path.ts'

/** RFC 8445 §6.1.2.5's usual limit. */
export const MAX_PAIRS = 100

/** The direct pairs of one peer, by their remote address and our socket. */
export class PairTable {
  readonly #pairs = new Map<string, CandidatePair>() // ≤ MAX_PAIRS, see #makeRoom

  get(path: Path): CandidatePair | undefined {
    return this.#pairs.get(keyOfPath(path))
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
    this.#pairs.set(keyOfPath(pair.path), pair)
    return true
  }

  remove(pair: CandidatePair): void {
    this.#pairs.delete(keyOfPath(pair.path))
  }

  /**
   * The oldest that does not work and that the peer names no more, or that only an unproved packet spoke for: who forges
   * sources pushes out his own.
   */
  #makeRoom(onDropped: (pair: CandidatePair) => void): boolean {
    const weakest = this.all().find(
      ({ wasNamed, isWithdrawn, heartbeat }) =>
        heartbeat === undefined && (isWithdrawn || !wasNamed),
    )
    if (weakest === undefined) return false
    this.remove(weakest)
    onDropped(weakest)
    return true
  }
}

function keyOfPath({ to, via }: Path): string {
  return via === undefined ? keyOf(to) : `${keyOf(to)} ${via}`
}
