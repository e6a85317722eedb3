/** Which working pair carries the data, and the events that tell the owner. */
import type { Instant } from '../core/instant.ts'
import { OutboundQueue } from '../core/outbound-queue.ts'
import type { CandidatePair } from './candidate-pair.ts'
import type { Path } from './path.ts'
import { Hysteresis, isClearlyBetter, type PathKind, scoreOf } from './path-choice.ts'

export type PathEvent =
  /** From now on, send there. */
  | {
      readonly kind: 'path-selected'
      readonly path: Path
      readonly pathKind: PathKind
      readonly rttMs: number | undefined
    }
  /** The path in use works no more. If there is another, its `path-selected` follows at once. */
  | { readonly kind: 'path-lost'; readonly pathKind: PathKind }

export class PathSelection {
  readonly #events = new OutboundQueue<PathEvent>()
  readonly #hysteresis = new Hysteresis<CandidatePair>()
  #current: CandidatePair | undefined
  #since: Instant | undefined

  get current(): CandidatePair | undefined {
    return this.#current
  }

  get since(): Instant | undefined {
    return this.#since
  }

  pollEvent(): PathEvent | undefined {
    return this.#events.shift()
  }

  /** A pair can be used from now on. It is, where there is nothing better than the relay. */
  offer(now: Instant, pair: CandidatePair): void {
    const isUpgrade = this.#current?.isRelay === true && !pair.isRelay && !pair.wasOutdone
    if (this.#current === undefined || isUpgrade) this.#select(now, pair)
  }

  /** A working pair was measured again. `others` are what might be better, when it is the chosen one. */
  noteSample(now: Instant, pair: CandidatePair, others: readonly CandidatePair[]): void {
    const current = this.#current
    if (current === undefined) return
    if (pair !== current) {
      if (this.#hysteresis.note(pair, current)) this.#overtake(now, pair, current)
      return
    }
    for (const other of others) {
      if (isClearlyBetter(other, current)) other.heartbeat?.hasten(now) // samples decide: get them soon
    }
  }

  /** The chosen pair works no more; `others` still do, the relay among them. */
  lose(now: Instant, others: readonly CandidatePair[]): void {
    if (this.#current === undefined) return
    this.#events.push({ kind: 'path-lost', pathKind: this.#current.pathKind })
    this.#current = undefined
    this.#since = undefined
    const best = bestOf(others)
    if (best !== undefined) this.#select(now, best)
  }

  /** The chosen pair is to be reached by another one now. */
  replace(now: Instant, by: CandidatePair): void {
    this.#select(now, by)
  }

  /** The chosen pair is near its end, and here is its successor. Where the relay carries, it has to be the better one. */
  succeed(now: Instant, pair: CandidatePair): void {
    if (this.#current?.isRelay === false) this.#select(now, pair)
    else this.offer(now, pair)
  }

  #overtake(now: Instant, pair: CandidatePair, current: CandidatePair): void {
    pair.wasOutdone = false
    if (pair.isRelay) current.wasOutdone = true
    this.#select(now, pair)
  }

  #select(now: Instant, pair: CandidatePair): void {
    this.#current = pair
    this.#since = now
    this.#hysteresis.clear()
    this.#events.push({
      kind: 'path-selected',
      path: pair.path,
      pathKind: pair.pathKind,
      rttMs: pair.quality.smoothedRttMs,
    })
  }
}

/** The best score; any direct pair before a relay that was never measured. */
function bestOf(pairs: readonly CandidatePair[]): CandidatePair | undefined {
  let best: CandidatePair | undefined
  for (const pair of pairs) {
    if (best === undefined || (scoreOf(pair) ?? Infinity) < (scoreOf(best) ?? Infinity)) best = pair
  }
  return best
}
