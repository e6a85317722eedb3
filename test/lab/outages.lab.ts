import assert from 'node:assert/strict'
import { isThorough } from './depth.ts'
import { assertNothingLost, Chat, pause, send } from './letters.ts'
import { acquaint, bothReach, isOnline } from './meeting.ts'
import { record } from './results.ts'
import { type Resident, type Settler, townOfSuite } from './town.ts'

/** Long enough for several messages on each way. */
const WHILE_MS = 3_000
const LETTER_EVERY_MS = 250

/** Twice what an idle path lives behind a NAT that forgets after 15 s, and more than its heartbeat. */
const IDLE_MS = isThorough ? 90_000 : 40_000

const settlers: readonly Settler[] = [
  { name: 'alice', kind: 'port-restricted cone' },
  { name: 'bob', kind: 'port-restricted cone' },
  { name: 'carol', kind: 'forgetful cone' },
  { name: 'dave', kind: 'forgetful cone' },
  { name: 'erin', kind: 'port-restricted cone' },
  { name: 'frank', kind: 'port-restricted cone' },
]

describe('without the server, without traffic, without the relay', () => {
  const town = townOfSuite()
  let people: readonly Resident[]

  before(async () => {
    people = await town().settle(settlers)
  })

  async function pair(
    index: number,
    path: 'auto' | 'relay',
  ): Promise<readonly [Resident, Resident]> {
    const [a, b] = [people[index], people[index + 1]]
    assert.ok(a !== undefined && b !== undefined)
    await acquaint(a, b)
    await a.person.request('buddy.setPolicy', { buddy: b.person.name, path })
    await bothReach(a.person, b.person, [path === 'auto' ? 'direct' : 'relay'])
    return [a, b]
  }

  // Forty silent seconds, which a busy machine may miss by the one that counts: only with `--all`.
  const whereThereIsTime = isThorough ? it : it.skip
  whereThereIsTime('where every mapping dies after 15 s, a silent path lives on', async () => {
    const [{ person: carol }, { person: dave }] = await pair(2, 'auto')
    await pause(IDLE_MS)
    const pathIs = await carol.request('net.path', { buddy: 'dave' })
    const tookMs = [await send(carol, dave), await send(dave, carol)]
    await assertNothingLost(carol, dave)
    record({ group: 'outages', name: 'silence, mappings of 15 s', slowestMs: Math.max(...tookMs) })

    assert.equal(pathIs.kind, 'direct', JSON.stringify(pathIs))
  }).timeout(IDLE_MS + 120_000)

  it('the server is killed: they talk on, directly; it comes back: they are online again', async () => {
    const [{ person: alice }, { person: bob }] = await pair(0, 'auto')
    const chat = new Chat(alice, bob, LETTER_EVERY_MS)
    const { comeBack } = await town().killServer()
    await pause(WHILE_MS)
    const paths = await Promise.all([
      alice.request('net.path', { buddy: 'bob' }),
      bob.request('net.path', { buddy: 'alice' }),
    ])
    await comeBack()
    await Promise.all([isOnline(alice), isOnline(bob)])
    const slowestMs = await chat.end()
    record({ group: 'outages', name: 'the server is killed and comes back', slowestMs })

    assert.deepEqual(
      paths.map(({ kind }) => kind),
      ['direct', 'direct'],
    )
  }).timeout(180_000)

  it('the relay is killed and comes back: those who need it lose nothing', async () => {
    const [{ person: erin }, { person: frank }] = await pair(4, 'relay')
    const chat = new Chat(erin, frank, LETTER_EVERY_MS)
    town().internet.server.nft(BLOCK_UDP)
    await pause(WHILE_MS)
    town().internet.server.nft('delete table inet killed')
    const slowestMs = await chat.end()
    await bothReach(erin, frank, ['relay'])
    record({ group: 'outages', name: 'the relay is killed and comes back', slowestMs })
  }).timeout(180_000)
})

/** The relay lives in the server's process: without UDP it is dead, and the server lives. */
const BLOCK_UDP = `
  table inet killed {
    chain input { type filter hook input priority 0; policy accept; meta l4proto udp drop; }
    chain output { type filter hook output priority 0; policy accept; meta l4proto udp drop; }
  }`
