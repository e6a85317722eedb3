/** What is measured. Every figure is explained by the scenario's `what`. */
import type { LinkConditions } from '../../test/sim/link.ts'
import type { Outcome, Workload } from './run.ts'
import { percentile } from './statistics.ts'

export interface Row {
  readonly scenario: string
  readonly transport: string
  /** Of each round. */
  readonly figures: Record<string, number[]>
  failures: number
}

export interface Scenario {
  readonly name: string
  readonly what: string
  /** Absent: the loopback. */
  readonly conditions?: LinkConditions
  readonly workload: Workload
  /** TCP's congestion control, where TCP is measured. */
  readonly control?: 'cubic' | 'bbr'
  /** A TCP connection of that congestion control does the same beside it. */
  readonly rival?: 'cubic' | 'bbr'
  /** Transports that do not encrypt are shown too. */
  readonly isForAll: boolean
  figures(outcome: Outcome, rival?: Outcome): Record<string, number>
}

const MEGABIT = 125_000 // bytes a second
/** 100 Mbit/s, 50 ms there and back, a queue of one bandwidth-delay product. */
const WIDE: LinkConditions = {
  rateBytesPerSecond: 100 * MEGABIT,
  latencyMs: 25,
  queueBytes: 625_000,
  mtuBytes: 1500,
}

function narrow(queueMs: number): LinkConditions {
  const rateBytesPerSecond = 20 * MEGABIT
  return {
    rateBytesPerSecond,
    latencyMs: 25,
    queueBytes: (queueMs / 1000) * rateBytesPerSecond,
    mtuBytes: 1500,
  }
}

/** The whole list; `isQuick`: the same kinds with almost nothing to do. */
export function scenarios(isQuick: boolean): readonly Scenario[] {
  const size = <T>(whole: T, tiny: T): T => (isQuick ? tiny : whole)
  const chat: Workload = { kind: 'messages', seconds: size(10, 0.5), everyMs: 10 }
  const file: Workload = { kind: 'timed', seconds: size(8, 1) }
  const beside: Workload = { kind: 'timed', seconds: size(18, 1.5) }
  const list: Scenario[] = [
    {
      name: 'bulk',
      what: 'one stream of 256 MiB over the loopback, after 64 to warm up: MB/s, and CPU seconds of both processes a GB',
      workload: {
        kind: 'bulk',
        warmUpBytes: size(64, 1) * 2 ** 20,
        bytes: size(256, 4) * 2 ** 20,
      },
      isForAll: true,
      figures: (outcome) => bulkFigures(outcome, size(256, 4) * 2 ** 20),
    },
    {
      name: 'ping-pong',
      what: '100 bytes there and back over the loopback, one after the other, after 5,000 to warm up: ms',
      workload: { kind: 'pingPong', count: size(5_000, 100) },
      isForAll: true,
      figures: latencyFigures,
    },
    {
      name: 'pipelined',
      what: 'messages of 100 bytes over the loopback, a write each, after 200,000 to warm up: a second, and µs of CPU each',
      workload: {
        kind: 'pipelined',
        warmUpCount: size(200_000, 1_000),
        count: size(400_000, 1_000),
      },
      isForAll: true,
      figures: ({ ms = 0, cpuSeconds }) => ({
        'messages/s': size(400_000, 1_000) / (ms / 1000),
        'CPU µs': (cpuSeconds * 1e6) / size(400_000, 1_000),
      }),
    },
    ...[0, 0.001, 0.01, 0.05].map((loss): Scenario => ({
      name: `loss-${loss * 100}`,
      what: `100 Mbit/s, 50 ms, ${loss * 100} % of packets lost each way: MB/s over 8 s from the start`,
      conditions: { ...WIDE, loss },
      workload: file,
      control: 'bbr',
      isForAll: true,
      figures: (outcome) => timedFigures(outcome, size(8, 1)),
    })),
    {
      name: 'reorder',
      what: '100 Mbit/s, 50 ms, each packet up to 3 ms earlier or later: MB/s over 8 s',
      conditions: { ...WIDE, latencyMs: 22, jitterMs: 6, reorder: { chance: 1, delayMs: 0 } },
      workload: file,
      control: 'bbr',
      isForAll: true,
      figures: (outcome) => timedFigures(outcome, size(8, 1)),
    },
    ...[0.01, 0.05].map((loss): Scenario => ({
      name: `messages-${loss * 100}`,
      what: `100 Mbit/s, 50 ms, ${loss * 100} % loss, a message of 100 bytes each 10 ms: ms one way (floor 25)`,
      conditions: { ...WIDE, loss },
      workload: chat,
      control: 'bbr',
      isForAll: true,
      figures: latencyFigures,
    })),
    {
      name: 'sparse-chat',
      what: '100 Mbit/s, 50 ms, 5 % loss, a message each 200 ms: ms one way (floor 25)',
      conditions: { ...WIDE, loss: 0.05 },
      workload: { kind: 'messages', seconds: size(20, 0.6), everyMs: 200 },
      control: 'bbr',
      isForAll: true,
      figures: latencyFigures,
    },
    {
      name: 'file-and-chat',
      what: '20 Mbit/s, 50 ms, a queue of 200 ms: a file for 12 s, a message each 20 ms from 3 to 11 s: ms one way',
      conditions: narrow(200),
      workload: {
        kind: 'timed',
        seconds: size(12, 1.5),
        chatFrom: size(3, 0.5),
        chatTo: size(11, 1),
        everyMs: 20,
      },
      control: 'bbr',
      isForAll: true,
      figures: (outcome) => ({
        ...latencyFigures(outcome),
        'file % of the link':
          (100 * bytesBetween(outcome, 0, size(12, 1.5))) / (20 * MEGABIT * size(12, 1.5)),
      }),
    },
    ...(['cubic', 'bbr'] as const).map((rival): Scenario => ({
      name: `beside-${rival}`,
      what: `20 Mbit/s, 50 ms, a queue of 100 ms, beside one TCP ${rival}: its share in seconds 5 to 17`,
      conditions: narrow(100),
      workload: beside,
      rival,
      isForAll: true,
      figures: (outcome, other) => shareFigures(outcome, other, isQuick),
    })),
  ]
  return list
}

export const scenarioNames: readonly string[] = scenarios(true).map(({ name }) => name)

function bulkFigures({ ms = 0, cpuSeconds }: Outcome, bytes: number): Record<string, number> {
  return { 'MB/s': bytes / 1e6 / (ms / 1000), 'CPU s/GB': cpuSeconds / (bytes / 1e9) }
}

function latencyFigures({ latencies, missing }: Outcome): Record<string, number> {
  return {
    p50: percentile(latencies, 50),
    p90: percentile(latencies, 90),
    p99: percentile(latencies, 99),
    max: percentile(latencies, 100),
    missing,
  }
}

function timedFigures(outcome: Outcome, seconds: number): Record<string, number> {
  const bytes = bytesBetween(outcome, 0, seconds)
  return { 'MB/s': bytes / 1e6 / seconds, 'CPU s/GB': outcome.cpuSeconds / (bytes / 1e9) }
}

function shareFigures(
  outcome: Outcome,
  other: Outcome | undefined,
  isQuick: boolean,
): Record<string, number> {
  const [from, to] = isQuick ? [0.5, 1.5] : [5, 17]
  const own = bytesBetween(outcome, from, to)
  const theirs = other === undefined ? 0 : bytesBetween(other, from, to)
  return {
    'share %': (100 * own) / (own + theirs),
    'link used %': (100 * (own + theirs)) / (20 * MEGABIT * (to - from)),
  }
}

/** What had come by `to` seconds after the start, less what had by `from`. */
function bytesBetween({ samples, startedAt }: Outcome, from: number, to: number): number {
  const before = (seconds: number): number =>
    samples.findLast(([at]) => at <= startedAt + seconds * 1000)?.[1] ?? 0
  return before(to) - before(from)
}
