/** Round trip, its variation and loss to one server: twenty single questions, each with one chance. */
import type { Endpoint } from '../core/endpoint.ts'
import { rounded } from './question.ts'
import type { Answers, ProbeSocket, Question } from './question.ts'
import type { ProbeScript } from './stun-probe.ts'
import { type Mode, singleSchedule } from './timing.ts'

/** At the pace that a server is asked at, two seconds. One lost answer is 5 %: no finer than that is told. */
const SAMPLES = 20

export interface LatencyOptions {
  readonly socket: ProbeSocket
  readonly server: Endpoint
  /** A first estimate, from the mapping test. */
  readonly rttMs: number
  readonly mode: Mode
  /** Single questions that another test has asked already. */
  readonly samples?: readonly (number | undefined)[]
}

export interface Latency {
  readonly rttMs: { readonly p50: number; readonly p99: number } | undefined
  /** Mean difference between one round trip and the next. */
  readonly jitterMs: number | undefined
  readonly lossRatio: number
}

export function latencyScript({
  socket,
  server,
  rttMs,
  mode,
  samples = [],
}: LatencyOptions): ProbeScript<Latency> {
  const schedule = singleSchedule(mode, rttMs)
  const first = Array.from(
    { length: Math.max(0, SAMPLES - samples.length) },
    (_, index): Question => ({
      name: `latency ${index + 1}`,
      socket,
      server,
      to: server,
      schedule,
    }),
  )
  return {
    first,
    next: () => [],
    conclude: (answers, isComplete) =>
      isComplete
        ? summarised([...samples, ...first.map(({ name }) => roundTrip(answers, name))])
        : undefined,
  }
}

/** `undefined` stands for a question without an answer. */
export function summarised(samples: readonly (number | undefined)[]): Latency {
  const answered = samples.filter((sample) => sample !== undefined)
  const sorted = [...answered].sort((a, b) => a - b)
  const steps = answered
    .slice(1)
    .map((sample, index) => Math.abs(sample - (answered[index] ?? sample)))
  const [p50, p99] = [percentile(sorted, 0.5), percentile(sorted, 0.99)]
  return {
    rttMs:
      p50 === undefined || p99 === undefined ? undefined : { p50: rounded(p50), p99: rounded(p99) },
    jitterMs: steps.length === 0 ? undefined : rounded(mean(steps)),
    lossRatio: samples.length === 0 ? 0 : 1 - answered.length / samples.length,
  }
}

function roundTrip(answers: Answers, name: string): number | undefined {
  const answer = answers.get(name)
  return answer?.kind === 'answered' ? answer.rttMs : undefined
}

/** Nearest rank: always one of the samples. */
function percentile(sorted: readonly number[], share: number): number | undefined {
  return sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)]
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length
}
