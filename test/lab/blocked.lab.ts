import assert from 'node:assert/strict'
import { assertNothingLost } from './letters.ts'
import { acquaint, meet } from './meeting.ts'
import { record } from './results.ts'
import { type Resident, townOfSuite } from './town.ts'

interface Case {
  readonly name: string
  /** What happens to the routers once their hosts are online. */
  readonly happens: (a: Resident, b: Resident) => Promise<unknown>
}

const WEB_PORT = 443

const cases: readonly Case[] = [
  { name: 'UDP blocked on one side', happens: (a) => a.home.edge.blockUdp() },
  {
    name: 'UDP blocked on both sides',
    happens: (a, b) => Promise.all([a.home.edge.blockUdp(), b.home.edge.blockUdp()]),
  },
  {
    name: 'nothing but TCP to port 443 on both sides',
    happens: (a, b) =>
      Promise.all([a.home.edge.allowOnlyTcp(WEB_PORT), b.home.edge.allowOnlyTcp(WEB_PORT)]),
  },
]

describe('two homes with', () => {
  const town = townOfSuite()
  let residents: readonly Resident[]

  before(async () => {
    residents = await town().settle(
      cases.flatMap((_case, index) =>
        ['left', 'right'].map((side) => ({
          name: `${side}${index}`,
          kind: 'port-restricted cone',
        })),
      ),
    )
  })

  for (const [index, { name, happens }] of cases.entries()) {
    it(`${name}: relay, over TLS`, async () => {
      const [a, b] = [residents[2 * index], residents[2 * index + 1]]
      assert.ok(a !== undefined && b !== undefined)
      await happens(a, b)
      await acquaint(a, b)
      const meeting = await meet(a, b)
      await assertNothingLost(a.person, b.person)
      await assertNothingLost(b.person, a.person)
      record({ group: 'meetings', name, meeting })

      assert.equal(meeting.path, 'relay', JSON.stringify(meeting))
      assert.equal(meeting.relay, 'tls')
    })
  }
})
