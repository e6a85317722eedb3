import assert from 'node:assert/strict'
import type { HomeKind } from '../../scripts/lab/homes.ts'
import { acquaint, bothReach, isDirectChange } from './meeting.ts'
import { isThorough } from './depth.ts'
import { inTurns } from './in-turns.ts'
import { quantile } from '../../scripts/lab/quantile.ts'
import type { Person } from '../support/household.ts'
import { Chat, handleOf, pause } from './letters.ts'
import { record } from './results.ts'
import { type Resident, townOfSuite } from './town.ts'

interface Change {
  readonly name: string
  readonly homes: readonly [HomeKind, HomeKind]
  /** Until both talk directly again, from the moment in which the network is as it should be. */
  readonly withinMs: number
  readonly rounds: number
  /** What happens while they talk; resolves when the network is back. `round` counts from 1. */
  readonly happens: (scene: Scene, round: number) => Promise<void>
}

interface Scene {
  readonly a: Resident
  readonly b: Resident
}

const cones = ['port-restricted cone', 'port-restricted cone'] as const

/** Of ten the 95th percentile is nearly the worst. Each takes a quarter of a minute, a long outage more than one. */
const manyRounds = isThorough ? 10 : 1
const longRounds = isThorough ? 3 : 1

/** The contract for p95; the reboot takes longer, since nothing tells the host of it. */
const AGAIN_MS = 3_000
const AGAIN_AFTER_REBOOT_MS = 5_000

/** A single round on a machine that has other things to do. */
const SLACK = isThorough ? 1 : 5

const OUTAGE_MS = isThorough ? 60_000 : 15_000

/** Rounds of punching are up to a minute apart. */
const AGAIN_AT_ALL_MS = 120_000

/** There is a direct path, and the relay is faster for the moment. */
const SLOWER = 'direct-slower'

/** Longer than a path is trusted without an answer (5 s): a path that still stands then is one. */
const STEADY_MS = 6_000

/** Chat as lively as people's: a path in trouble is noticed by what is sent. */
const LETTER_EVERY_MS = 250

const nothing = { up: { loss: 1 }, down: { loss: 1 } }
const line = { up: { latencyMs: 10 }, down: { latencyMs: 10 } }

const changes: readonly Change[] = [
  {
    name: 'a NAT reboots',
    homes: cones,
    withinMs: AGAIN_AFTER_REBOOT_MS,
    rounds: manyRounds,
    happens: ({ b }) => b.home.edge.reboot(),
  },
  {
    name: 'a masquerade router of the kernel reboots',
    homes: ['port-restricted cone', 'masquerade'],
    withinMs: AGAIN_AFTER_REBOOT_MS,
    rounds: manyRounds,
    happens: ({ b }) => b.home.gateways[0].reboot(),
  },
  {
    name: 'a home gets another public address',
    homes: cones,
    withinMs: AGAIN_AFTER_REBOOT_MS,
    rounds: manyRounds,
    happens: ({ b }, round) => b.home.edge.reboot([publicAddressOf(b, round)]),
  },
  {
    name: 'a host moves to another LAN',
    homes: cones,
    withinMs: AGAIN_MS,
    rounds: manyRounds,
    happens: async ({ a, b }, round) => {
      // To and fro between two homes: the buddy's router stands for a café's.
      const { namespace } = b.home.host
      await namespace.ip('link delete eth0')
      await (round % 2 === 1 ? a : b).home.edge.moveIn(namespace)
    },
  },
  {
    name: `a line is dead for ${OUTAGE_MS / 1000} s`,
    homes: cones,
    withinMs: AGAIN_MS,
    rounds: longRounds,
    happens: async ({ b }) => {
      await b.home.edge.impair(nothing)
      await pause(OUTAGE_MS)
      await b.home.edge.impair(line)
    },
  },
]

describe('in the middle of a chat', () => {
  const town = townOfSuite()
  let residents: readonly Resident[]

  before(async () => {
    residents = await town().settle(
      changes.flatMap(({ homes }, index) =>
        homes.map((kind, side) => ({ name: `p${index}${side}`, kind })),
      ),
    )
    await inTurns([...changes.keys()], 2, async (index) => {
      const { a, b } = sceneOf(index)
      await acquaint(a, b)
      await a.person.request('buddy.setPolicy', { buddy: b.person.name, path: 'auto' })
      await bothReach(a.person, b.person, ['direct', 'lan'])
    })
  })

  function sceneOf(index: number): Scene {
    const [a, b] = [residents[2 * index], residents[2 * index + 1]]
    assert.ok(a !== undefined && b !== undefined)
    return { a, b }
  }

  for (const [index, { name, withinMs, rounds, happens }] of changes.entries()) {
    it(`${name}: direct again, nothing lost`, async () => {
      const scene = sceneOf(index)
      const chat = new Chat(scene.a.person, scene.b.person, LETTER_EVERY_MS)
      const allMs: number[] = []
      for (let round = 1; round <= rounds; round++) {
        await happens(scene, round)
        const againMs = await directAgain(scene, Date.now())
        record({ group: 'changes', name, againMs, withinMs })
        allMs.push(againMs)
      }
      await chat.end()

      const p95 = quantile(allMs, 0.95)
      assert.ok(p95 <= withinMs * SLACK, `direct again after ${allMs.join(', ')} ms`)
    }).timeout(rounds * (OUTAGE_MS + AGAIN_AT_ALL_MS) + 120_000)
  }
})

/** From `since` until both had the direct path that they kept; 0 where they never lost it. */
async function directAgain({ a, b }: Scene, since: number): Promise<number> {
  let known: number
  do {
    known = lossesOf(a.person, b.person).length + lossesOf(b.person, a.person).length
    await pause(STEADY_MS)
    await Promise.all([hasDirect(a.person, b.person), hasDirect(b.person, a.person)])
  } while (lossesOf(a.person, b.person).length + lossesOf(b.person, a.person).length > known)
  const at = [regainedAt(a.person, b.person), regainedAt(b.person, a.person)]
  return Math.max(0, ...at.map((instant) => instant - since))
}

/** There is a direct path, even where the relay is faster for the moment. */
async function hasDirect(one: Person, other: Person): Promise<void> {
  await one.eventually(
    `a direct path to ${other.name}`,
    async () => {
      const { kind, reason } = await one.request('net.path', { buddy: other.name })
      return kind === 'direct' || kind === 'lan' || reason === SLOWER ? true : undefined
    },
    AGAIN_AT_ALL_MS,
  )
}

/** When a path to the other was lost: not when it yielded to a relay that is faster for the moment. */
function lossesOf(one: Person, other: Person): readonly number[] {
  return one.events.flatMap((event) => {
    const { type, at, data } = event
    if (type !== 'path.changed' || handleOf(data['buddy']) !== other.name) return []
    const isLoss = !isDirectChange(event, other) && data['reason'] !== SLOWER
    return isLoss ? [Date.parse(at)] : []
  })
}

function regainedAt(one: Person, other: Person): number {
  const lostAt = lossesOf(one, other).at(-1) ?? 0
  const again = one.events.find(
    (event) => isDirectChange(event, other) && Date.parse(event.at) >= lostAt,
  )
  return again === undefined ? 0 : Date.parse(again.at)
}

/** Another one each time, of the site's own network. */
function publicAddressOf({ home }: Resident, round: number): string {
  const [first = ''] = home.addresses
  return first.replace(/\d+$/, String(10 + round))
}
