import assert from 'node:assert/strict'
import type { HomeKind } from '../../scripts/lab/homes.ts'
import { assertNothingLost } from './letters.ts'
import { acquaint, meet } from './meeting.ts'
import { record } from './results.ts'
import { CITY_LINE, type Resident, townOfSuite } from './town.ts'

interface Case {
  readonly name: string
  readonly homes: readonly [HomeKind, HomeKind]
  /** So much later than the other does the first one hear of T0, and everything else. */
  readonly lateMs?: number
}

const cases: readonly Case[] = [
  {
    name: 'two routers whose INPUT chain accepts (the kernel’s)',
    homes: ['accepting masquerade', 'accepting masquerade'],
  },
  {
    name: 'a router whose INPUT chain accepts, the other side early',
    homes: ['accepting masquerade', 'port-restricted cone'],
    lateMs: 150,
  },
  {
    name: 'a poisonable router, the other side early',
    homes: ['poisonable cone', 'poisonable cone'],
    lateMs: 150,
  },
  {
    name: 'a router that refuses who knocks unasked, the other side early',
    homes: ['blocking cone', 'port-restricted cone'],
    lateMs: 150,
  },
  {
    name: 'two routers that refuse who knocks unasked',
    homes: ['blocking cone', 'blocking cone'],
  },
]

describe('early probes', () => {
  const town = townOfSuite()
  let residents: readonly Resident[]

  before(async () => {
    residents = await town().settle(
      cases.flatMap(({ homes }, index) =>
        homes.map((kind, side) => ({ name: `p${index}${side}`, kind })),
      ),
    )
  })

  for (const [index, { name, lateMs = 0 }] of cases.entries()) {
    it(`do no harm at ${name}: direct`, async () => {
      const [a, b] = [residents[2 * index], residents[2 * index + 1]]
      assert.ok(a !== undefined && b !== undefined)
      await acquaint(a, b)
      // What comes in is late, what goes out is not: the other one's probes come before ours have left.
      const down = { latencyMs: 10 + lateMs }
      await a.home.edge.impair({ ...CITY_LINE, down })
      const meeting = await meet(a, b)
      await assertNothingLost(a.person, b.person)
      await assertNothingLost(b.person, a.person)
      record({ group: 'meetings', name, meeting })

      assert.equal(meeting.path, 'direct', JSON.stringify(meeting))
    })
  }
})
