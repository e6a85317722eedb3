/** Many worlds of one kind, and a line of a table about them. */
import { uniform } from '../../src/core/random.ts'
import type { NatBehaviour } from '../sim/nat.ts'
import { simulate } from '../sim/simulate.ts'
import type { World } from '../sim/world.ts'
import { Scene, type SideOptions } from './scene.ts'

export interface Conditions {
  /** Of the whole way from one router to the other, once. */
  readonly delayMs: number
  /** On each access link, each way: a probe crosses two. */
  readonly loss: number
  /** Other hosts behind the same router begin so many flows a second. */
  readonly churnPerSecond?: number
}

export interface Outcome {
  readonly isDirect: boolean
  /** From T0. */
  readonly tookMs: number
  readonly mostProbes: number
  readonly mostSockets: number
  readonly reasons: readonly [string, string]
  readonly kinds: readonly [string, string]
}

export function meetOnce(
  seed: number,
  a: NatBehaviour,
  b: NatBehaviour,
  conditions: Conditions,
  patienceMs = 25_000,
): Outcome {
  let outcome: Outcome | undefined
  simulate(seed, (world) => {
    const link = { latencyMs: conditions.delayMs / 2, loss: conditions.loss }
    const side = (nat: NatBehaviour): SideOptions => ({
      nat,
      link,
      serverDelayMs: conditions.delayMs,
    })
    const scene = new Scene(world, side(a), side(b))
    for (const { router } of scene.sides) {
      if (router !== undefined) churn(world, router, conditions.churnPerSecond ?? 0)
    }
    scene.meet()
    const isDirect = scene.punch(patienceMs)
    outcome = outcomeOf(scene, isDirect)
  })
  if (outcome === undefined) throw new Error('The world has no outcome')
  return outcome
}

export function outcomeOf(scene: Scene, isDirect: boolean): Outcome {
  const [alice, bob] = scene.sides
  const probes = scene.sides.flatMap(({ report }) =>
    report.attempts.map(({ probesSent }) => probesSent),
  )
  return {
    isDirect,
    tookMs: Math.max(0, scene.world.now - scene.startAt),
    mostProbes: Math.max(0, ...probes),
    mostSockets: Math.max(alice.mostSockets, bob.mostSockets),
    reasons: [alice.report.reason, bob.report.reason],
    kinds: [alice.pathKind, bob.pathKind],
  }
}

export interface Row {
  readonly runs: number
  readonly direct: number
  readonly p50: number
  readonly p95: number
  readonly mostProbes: number
  readonly meanProbes: number
}

export function rowOf(outcomes: readonly Outcome[]): Row {
  const times = outcomes.filter(({ isDirect }) => isDirect).map(({ tookMs }) => tookMs)
  times.sort((x, y) => x - y)
  const quantile = (share: number): number => times[Math.floor(share * (times.length - 1))] ?? NaN
  const probes = outcomes.map(({ mostProbes }) => mostProbes)
  return {
    runs: outcomes.length,
    direct: times.length,
    p50: quantile(0.5),
    p95: quantile(0.95),
    mostProbes: Math.max(...probes),
    meanProbes: probes.reduce((sum, count) => sum + count, 0) / Math.max(1, probes.length),
  }
}

/** Printed where somebody asked for more runs than the usual few: `SIM_RUNS=100`. */
export function print(title: string, rows: readonly (readonly [string, Row])[]): void {
  if (process.env['SIM_RUNS'] === undefined) return
  const lines = rows.map(([name, row]) => {
    const ms = (value: number): string => (Number.isNaN(value) ? '-' : value.toFixed(0)).padStart(7)
    const share = `${row.direct}/${row.runs}`.padStart(9)
    const probes = `${row.meanProbes.toFixed(0)}/${row.mostProbes}`.padStart(11)
    return `${name.padEnd(58)}${share}${ms(row.p50)}${ms(row.p95)}${probes}`
  })
  const head = `${title.padEnd(58)}${'direct'.padStart(9)}${'p50 ms'.padStart(7)}${'p95'.padStart(7)}${'probes ø/max'.padStart(13)}`
  console.log(['', head, ...lines].join('\n'))
}

function churn(
  world: World,
  router: NonNullable<Scene['alice']['router']>,
  perSecond: number,
): void {
  if (perSecond === 0) return
  const neighbour = world.host(`neighbour behind ${router.name}`, {
    behind: router,
    addresses: [router.name.startsWith('alice') ? '192.168.1.77' : '10.0.0.77'],
  })
  let flows = 0
  const socket = world.open(neighbour, { port: 7777 }, () => undefined)
  const again = (): void => {
    flows += 1
    socket.send({ family: 4, address: '203.0.113.2', port: 10_000 + (flows % 50_000) }, FLOW)
    world.after(-Math.log(1 - uniform(neighbour.random)) * (1000 / perSecond), again)
  }
  again()
}

const FLOW = new Uint8Array(9)
