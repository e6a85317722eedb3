/** The story of one peer's punching attempts: how the last ones ended, and what may not be tried. */
import type { Strategy, StrategyKind } from './strategy.ts'

/** The story of a path tells the last ones. */
const MAX_RECORDS = 8

export interface AttemptRecord {
  readonly strategy: StrategyKind
  readonly verdict: AttemptVerdict
  readonly probesSent: number
}

/** Why an attempt did not even begin, and will not in this round. */
type Refused =
  /** The budget did not allow it: `punch-budget.ts`. */
  'forbidden' | 'given-up' | 'too-many'

export type AttemptVerdict =
  | 'running'
  | 'direct'
  /** All was sent, nothing was hit. */
  | 'failed'
  /** The peer did not follow, or no note came through the relay. */
  | 'unanswered'
  | 'no-sockets'
  /** The router began to lose new flows: `table-watch.ts`. */
  | 'table-full'
  | Refused

export class AttemptRecords {
  readonly #records: AttemptRecord[] = [] // ≤ MAX_RECORDS, oldest dropped

  get all(): readonly AttemptRecord[] {
    return this.#records
  }

  /** How the last attempt ended that guessed at ports: fresh sockets tell no more than plain probes do. */
  get lastVerdict(): AttemptVerdict | undefined {
    const guesses = this.#records.filter(({ strategy }) => strategy !== 'fresh-sockets')
    const made = guesses.findLast(({ verdict }) => verdict !== 'given-up' && verdict !== 'too-many')
    return (made ?? guesses.at(-1))?.verdict
  }

  ended({ kind: strategy }: Strategy, verdict: AttemptVerdict, probesSent: number): void {
    this.#records.push({ strategy, verdict, probesSent })
    if (this.#records.length > MAX_RECORDS) this.#records.shift()
  }

  /** Each round asks again for what is refused: said once in a row, it leaves room for what was tried. */
  refused(strategy: Strategy, why: Refused): void {
    const last = this.#records.at(-1)
    if (last?.strategy === strategy.kind && last.verdict === why) return
    this.ended(strategy, why, 0)
  }
}
