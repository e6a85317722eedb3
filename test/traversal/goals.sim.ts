/**
 * What is to be reached, and what routers of all kinds let us reach. A few worlds of each kind by default;
 * `SIM_RUNS=100 npx mocha …` runs more and prints the tables of docs/protocol/traversal.md.
 */
import assert from 'node:assert/strict'
import type { NatBehaviour } from '../sim/nat.ts'
import type { PathReason } from '../../src/traversal/reasons.ts'
import { allNats, natKinds, natName, profileOf } from '../sim/nat-kinds.ts'
import type { PortAllocation } from '../sim/port-allocator.ts'
import { seeds, simulate } from '../sim/simulate.ts'
import type { World } from '../sim/world.ts'
import { Scene, type SideOptions } from './scene.ts'
import {
  type Conditions,
  meetOnce,
  type Outcome,
  outcomeOf,
  print,
  type Row,
  rowOf,
} from './table.ts'

const strict = { filtering: 'address-and-port-dependent' } as const
const fixed: NatBehaviour = natKinds.portRestricted
const calm: Conditions = { delayMs: 25, loss: 0.05 }

function perPort(ports: PortAllocation): NatBehaviour {
  return { mapping: 'address-and-port-dependent', ...strict, ports }
}

function perAddress(ports: PortAllocation): NatBehaviour {
  return { mapping: 'address-dependent', ...strict, ports }
}

function block(low: number, size: number): PortAllocation {
  return { kind: 'block', size, low, high: low + size - 1 }
}

const random = { kind: 'random' } as const
const sequential = { kind: 'sequential' } as const

interface Goal {
  readonly name: string
  readonly a: NatBehaviour
  readonly b: NatBehaviour
  readonly conditions?: Conditions
  readonly least: number
  readonly p50?: number
  readonly p95?: number
  readonly mostProbes?: number
  /** Why those are on the relay that are not direct. */
  readonly elseBecause?: PathReason
}

const overlapping = { overlapsPorts: true } as const

const goals: readonly Goal[] = [
  { name: 'EIM x EIM', a: fixed, b: fixed, least: 1, p50: 100, p95: 600, mostProbes: 16 },
  { name: 'sequential x EIM', a: perPort(sequential), b: fixed, least: 0.95, mostProbes: 64 },
  {
    name: 'sequential x EIM, 10 other flows a second',
    a: perPort(sequential),
    b: fixed,
    conditions: { ...calm, churnPerSecond: 10 },
    least: 0.95,
  },
  {
    name: 'sequential x EIM, 35 other flows a second',
    a: perPort(sequential),
    b: fixed,
    conditions: { ...calm, churnPerSecond: 35 },
    least: 0.95,
  },
  {
    name: 'step -3 x EIM',
    a: perPort({ kind: 'sequential', step: -3 }),
    b: fixed,
    least: 0.95,
  },
  { name: 'port-preserving x EIM', a: perPort({ kind: 'preserve' }), b: fixed, least: 0.95 },
  { name: 'sequential x sequential', a: perPort(sequential), b: perPort(sequential), least: 0.95 },
  {
    name: 'sequential x sequential, 10 other flows a second on both sides',
    a: perPort(sequential),
    b: perPort(sequential),
    conditions: { ...calm, churnPerSecond: 10 },
    least: 0.95,
  },
  {
    name: 'sequential x sequential, 35 other flows a second on both sides',
    a: perPort(sequential),
    b: perPort(sequential),
    conditions: { ...calm, churnPerSecond: 35 },
    least: 0.8,
  },
  {
    name: 'sequential x port-preserving',
    a: perPort(sequential),
    b: perPort({ kind: 'preserve' }),
    least: 0.95,
  },
  {
    name: 'sequential by address x random',
    a: perAddress(sequential),
    b: perPort(random),
    least: 0.95,
  },
  {
    name: 'random x port-restricted',
    a: perPort(random),
    b: fixed,
    least: 0.98,
    p50: 1500,
    p95: 5000,
    mostProbes: 1024,
  },
  {
    name: 'random in 49152-65535 x port-restricted',
    a: perPort({ kind: 'random', low: 49_152, high: 65_535 }),
    b: fixed,
    least: 0.98,
    p50: 1500,
    p95: 5000,
  },
  { name: 'parity x port-restricted', a: perPort({ kind: 'parity' }), b: fixed, least: 0.98 },
  { name: 'block of 512 x port-restricted', a: perPort(block(20_480, 512)), b: fixed, least: 0.98 },
  {
    name: 'block of 512 x block of 512, overlapping ports',
    a: { ...perPort(block(20_480, 512)), ...overlapping },
    b: { ...perPort(block(30_720, 512)), ...overlapping },
    least: 0.9,
    mostProbes: 4096,
  },
  {
    name: 'block of 1024 x block of 256, overlapping ports',
    a: { ...perPort(block(20_480, 1024)), ...overlapping },
    b: { ...perPort(block(30_720, 256)), ...overlapping },
    least: 0.9,
    mostProbes: 4096,
  },
  {
    name: 'block of 512 x block of 512, each port once',
    a: perPort(block(20_480, 512)),
    b: perPort(block(30_720, 512)),
    // The block is full before it has been gone through: the attempt stops long before its budget ends, and says so.
    least: 0,
    mostProbes: 2048,
    elseBecause: 'router-table-full',
  },
]

/** A share of few runs says little; what is promised is held to where there are enough. */
const ENOUGH_RUNS = 20

function checkGoal(goal: Goal, row: Row): void {
  const { name, least, p50 = Infinity, p95 = Infinity, mostProbes = 1024 } = goal
  assert.ok(row.mostProbes <= mostProbes, `${name}: ${row.mostProbes} probes`)
  if (row.runs < ENOUGH_RUNS) return
  assert.ok(row.direct >= least * row.runs, `${name}: ${row.direct} of ${row.runs}`)
  assert.ok(row.p50 <= p50, `${name}: median ${row.p50} ms`)
  assert.ok(row.p95 <= p95, `${name}: p95 ${row.p95} ms`)
}

function checkCosts({ mostProbes, mostSockets, kinds }: Outcome): void {
  assert.ok(
    mostProbes <= 4096 && mostSockets <= 256,
    `${mostProbes} probes, ${mostSockets} sockets`,
  )
  assert.ok(!kinds.includes('none'))
}

describe('Punching: what is to be reached, 50 ms round trip and 5 % loss on each link', () => {
  const rows: (readonly [string, Row])[] = []

  for (const goal of goals) {
    it(goal.name, () => {
      const outcomes = seeds(4).map((seed) =>
        meetOnce(seed, goal.a, goal.b, goal.conditions ?? calm, 30_000),
      )

      outcomes.forEach(checkCosts)
      for (const outcome of outcomes) {
        if (goal.elseBecause === undefined || outcome.isDirect) continue
        assert.deepEqual(outcome.kinds, ['relay', 'relay'])
        assert.ok(outcome.reasons.includes(goal.elseBecause), outcome.reasons.join())
      }
      const row = rowOf(outcomes)
      rows.push([goal.name, row])
      checkGoal(goal, row)
    }).timeout(goalPatienceMs())
  }

  it('random x random: the relay, at T0, with a reason', () => {
    for (const seed of seeds(4)) {
      simulate(seed, (world) => {
        const link = { latencyMs: 12.5, loss: 0 }
        const side: SideOptions = { nat: perPort(random), link }
        const scene = new Scene(world, side, side).meet()

        world.runFor(1)

        assert.deepEqual(
          scene.sides.map(({ pathKind, report }) => [pathKind, report.reason]),
          [
            ['relay', 'both-mappings-dependent'],
            ['relay', 'both-mappings-dependent'],
          ],
        )
      })
    }
  }).timeout(goalPatienceMs())

  after(() => print('goal', rows))
})

describe('Punching behind all pairs of nine NATs, three losses, three delays', () => {
  const conditions: readonly Conditions[] = [0, 0.05, 0.15].flatMap((loss) =>
    [10, 50, 150].map((delayMs) => ({ loss, delayMs })),
  )
  const byPair: (readonly [string, Row])[] = []
  const byConditions = new Map<Conditions, Outcome[]>(conditions.map((each) => [each, []]))
  const nats = allNats(random)

  for (const [row, a] of nats.entries()) {
    it(`${natName(a)} against those that follow`, () => {
      for (const [column, b] of nats.entries()) {
        if (column < row) continue
        const outcomes: Outcome[] = []
        for (const seed of seeds(1)) {
          // By default each pair under one of the nine conditions; with SIM_RUNS under all of them.
          const chosen =
            process.env['SIM_RUNS'] === undefined ? [(row + column) % 9] : conditions.keys()
          for (const index of chosen) {
            const under = conditions[index]
            if (under === undefined) continue
            const ports = (own: number): PortAllocation =>
              (seed + own) % 2 === 0 ? sequential : random
            const outcome = meetOnce(
              seed,
              { ...a, ports: ports(index) },
              { ...b, ports: ports(column) },
              under,
            )
            checkCosts(outcome)
            if (!outcome.isDirect) checkRelayed(outcome, under)
            outcomes.push(outcome)
            byConditions.get(under)?.push(outcome)
          }
        }
        byPair.push([`${natName(a)} x ${natName(b)}`, rowOf(outcomes)])
      }
    }).timeout(10 * goalPatienceMs())
  }

  after(() => {
    print('pair: ports sequential or random, the relay where nothing can work', byPair)
    print(
      'loss on each link, delay: all pairs',
      [...byConditions].map(([{ loss, delayMs }, outcomes]) => [
        `${loss * 100} %, ${delayMs} ms`,
        rowOf(outcomes),
      ]),
    )
  })
})

const HOPELESS: readonly string[] = ['both-mappings-dependent', 'attempt-failed', 'punching']

/** Five questions may all be lost where 15 % are on each link (docs/adr/0009): the next introduction has five more. */
const UNLUCKY: readonly string[] = [
  'local-mapping-dependent',
  'remote-mapping-dependent',
  'nothing-heard',
  'heard-but-unanswered',
]

function checkRelayed({ kinds, reasons }: Outcome, { loss }: Conditions): void {
  assert.deepEqual(kinds, ['relay', 'relay'])
  const expected = loss < 0.15 ? HOPELESS : [...HOPELESS, ...UNLUCKY]
  for (const reason of reasons) assert.ok(expected.includes(reason), reason)
}

describe('Punching through quirks and topologies', () => {
  const rows: (readonly [string, Row])[] = []

  const quirks: readonly (readonly [string, Partial<NatBehaviour>, boolean])[] = [
    ['poisonable on both sides', { isPoisonable: true }, true],
    ['unreplied mappings live 15 s', { unrepliedMs: 15_000, lifetimeMs: 30_000 }, true],
    ['inbound packets refresh nothing', { isRefreshedByInbound: false }, true],
    ['a table of 2048, full drops', { maxMappings: 2048 }, true],
    ['a table of 512, the oldest goes', { maxMappings: 512, whenFull: 'evict-oldest' }, true],
    ['several public addresses, any of them', { pooling: 'arbitrary' }, false],
  ]
  for (const [name, quirk, isSure] of quirks) {
    it(name, () => {
      for (const [other, b] of [
        ['EIM', fixed],
        ['sequential', perPort(sequential)],
        ['random', perPort(random)],
      ] as const) {
        const outcomes = seeds(2).map((seed) =>
          meetOnce(seed, { ...fixed, ...quirk }, { ...b, ...quirk }, calm),
        )
        outcomes.forEach(checkCosts)
        rows.push([`${name}: EIM x ${other}`, rowOf(outcomes)])
        if (isSure) for (const { isDirect } of outcomes) assert.ok(isDirect, other)
      }
    }).timeout(goalPatienceMs())
  }

  const topologies: readonly (readonly [string, (world: World) => Scene])[] = [
    ['one LAN, random NAT', (world) => oneRouter(world, perPort(random))],
    [
      'two homes behind one carrier NAT that hairpins',
      (world) => twoHomes(world, 'external-source'),
    ],
    ['home NAT behind a random carrier NAT x port-restricted', (world) => behindCarrier(world)],
    ['double NAT x random', (world) => behindCarrier(world, fixed, perPort(random))],
  ]
  for (const [name, make] of topologies) {
    it(name, () => {
      const outcomes = seeds(2).map((seed) => {
        let outcome: Outcome | undefined
        simulate(seed, (world) => {
          const scene = make(world).meet()
          outcome = outcomeOf(scene, scene.punch(25_000))
        })
        assert.ok(outcome?.isDirect === true)
        return outcome
      })
      outcomes.forEach(checkCosts)
      rows.push([name, rowOf(outcomes)])
    }).timeout(goalPatienceMs())
  }

  after(() => print('quirk or topology', rows))
})

function oneRouter(world: World, nat: NatBehaviour): Scene {
  const router = world.router('home', { addresses: ['198.51.100.1'], nat })
  return new Scene(
    world,
    { behind: router, addresses: ['192.168.1.5'] },
    { behind: router, addresses: ['192.168.1.6'] },
  )
}

function twoHomes(world: World, hairpin: NonNullable<NatBehaviour['hairpin']>): Scene {
  const carrier = world.router('carrier', {
    addresses: ['198.51.100.1'],
    nat: { ...fixed, ports: random, hairpin },
  })
  const home = (name: string, address: string): ReturnType<World['router']> =>
    world.router(name, { behind: carrier, addresses: [address], nat: natKinds.linux })
  return new Scene(
    world,
    { behind: home('a', '100.64.0.7'), addresses: ['192.168.1.5'] },
    { behind: home('b', '100.64.0.8'), addresses: ['192.168.2.6'] },
  )
}

/** Alice behind two NATs; the profile is what a test from inside finds: the harder of the two. */
function behindCarrier(
  world: World,
  carrierNat: NatBehaviour = perPort(random),
  other: NatBehaviour = fixed,
): Scene {
  const carrier = world.router('carrier', { addresses: ['198.51.100.1'], nat: carrierNat })
  const home = world.router('home', {
    behind: carrier,
    addresses: ['100.64.0.7'],
    nat: natKinds.linux,
  })
  const profile = profileOf(carrierNat)
  return new Scene(world, { behind: home, addresses: ['192.168.1.5'], profile }, { nat: other })
}

function goalPatienceMs(): number {
  return 60_000 + 10_000 * seeds(4).length // a busy machine is four times as slow
}
