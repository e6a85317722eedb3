/** The story of one peer's path, for `holler net path`. */
import type { Endpoint } from '../core/endpoint.ts'
import type { Instant } from '../core/instant.ts'
import type { PathKind } from './path-choice.ts'
import type { Candidate } from '../protocol/server/messages.ts'
import type { AttemptRecord } from './attempt-records.ts'
import type { CandidatePair } from './candidate-pair.ts'
import type { PathSelection } from './path-selection.ts'
import type { ExchangeCounts } from './probe-exchange.ts'
import { type PathReason, remedies } from './reasons.ts'

/** What was tried, in this order. */
const steps = ['relay', 'opener', 'probe', 'peer-reflexive', 'punch-again'] as const

export type Step = (typeof steps)[number]

export interface ReportedCandidate {
  readonly side: 'local' | 'remote'
  /** A candidate kind for our side, a target kind for the peer's. */
  readonly kind: string
  readonly endpoint: Endpoint
}

export interface PathReport {
  readonly kind: PathKind | 'none'
  /** Our address as the peer sees it on this path. */
  readonly local: Endpoint | undefined
  /** Where we send: the peer, or the relay. */
  readonly remote: Endpoint | undefined
  readonly rttMs: number | undefined
  readonly lossRatio: number
  /** When this path was chosen. */
  readonly since: Instant | undefined
  readonly reason: PathReason
  readonly remedy: string
  readonly strategies: readonly Step[]
  /** What was tried beyond plain probes, oldest first. */
  readonly attempts: readonly AttemptRecord[]
  readonly candidates: readonly ReportedCandidate[]
  /** What was seen: for support, and for whoever wonders. */
  readonly packets: Readonly<ExchangeCounts>
}

export interface Story {
  readonly selection: Pick<PathSelection, 'current' | 'since'>
  readonly reason: PathReason
  readonly local: readonly Candidate[]
  readonly pairs: readonly CandidatePair[]
  readonly strategies: ReadonlySet<Step>
  readonly attempts: readonly AttemptRecord[]
  readonly counts: Readonly<ExchangeCounts>
}

export function reportOf(story: Story): PathReport {
  const { current, since } = story.selection
  const local = story.local.map((candidate) => ({ side: 'local', ...candidate }) as const)
  const remote = story.pairs.map(
    (pair) => ({ side: 'remote', kind: pair.kind, endpoint: pair.remote }) as const,
  )
  return {
    kind: current?.pathKind ?? 'none',
    local: current?.isRelay === true ? undefined : current?.localSeen,
    remote: current?.remote,
    rttMs: current?.quality.smoothedRttMs,
    lossRatio: current?.quality.lossRatio ?? 0,
    since,
    reason: story.reason,
    remedy: remedies[story.reason],
    strategies: steps.filter((step) => story.strategies.has(step)),
    attempts: story.attempts,
    candidates: [...local, ...remote],
    packets: { ...story.counts },
  }
}
