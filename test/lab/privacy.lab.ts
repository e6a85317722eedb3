import assert from 'node:assert/strict'
import { Capture } from '../../scripts/lab/capture.ts'
import { assertNothingLost, pause, send } from './letters.ts'
import { acquaint, bothReach } from './meeting.ts'
import { record } from './results.ts'
import { type Resident, type Settler, townOfSuite } from './town.ts'

/** `docs/protocol/traversal.md`: so many questions may be asked of an address that has not proved itself. */
const QUESTIONS = 5

/** A whole round of punching, after which nothing is sent any more to who does not answer. */
const ROUND_MS = 11_000

const settlers: readonly Settler[] = [
  { name: 'alice', kind: 'port-restricted cone' },
  { name: 'bob', kind: 'full cone' },
  { name: 'stranger', kind: 'public' },
  { name: 'hostile', kind: 'public' },
  { name: 'victim', kind: 'public' },
]

describe('what others get to see', () => {
  const town = townOfSuite()
  let alice: Resident
  let bob: Resident
  let stranger: Resident
  let hostile: Resident
  let victim: Resident

  before(async () => {
    const [a, b, c, d, e] = await town().settle(settlers)
    assert.ok(a && b && c && d && e)
    ;[alice, bob, stranger, hostile, victim] = [a, b, c, d, e]
  })

  it('a buddy to whom only the relay is allowed gets no packet of ours', async () => {
    const never = await capturesOf(between(alice, bob))
    await acquaint(alice, bob) // with the policy `relay` on Alice's side
    await bothReach(alice.person, bob.person, ['relay'])
    await talk()
    await pause(ROUND_MS)
    const before = await stopped(never)

    const allowed = await capturesOf(between(alice, bob))
    await alice.person.request('buddy.setPolicy', { buddy: 'bob', path: 'auto' })
    await bothReach(alice.person, bob.person, ['direct'])
    const whileAllowed = await stopped(allowed)

    await alice.person.request('buddy.setPolicy', { buddy: 'bob', path: 'relay' })
    // Bob knows the address by now, and may use it until he hears that the session has ended.
    const fromAlice = await capturesOf(
      `src host ${addressOf(alice)} and dst host ${addressOf(bob)}`,
    )
    await bothReach(alice.person, bob.person, ['relay'])
    await talk()
    await pause(ROUND_MS)
    const after = await stopped(fromAlice)
    await assertNothingLost(alice.person, bob.person)
    await assertNothingLost(bob.person, alice.person)
    record({
      group: 'privacy',
      name: 'a buddy to whom only the relay is allowed: our packets',
      packets: before.length + after.length,
    })

    assert.deepEqual(before, [])
    assert.deepEqual(after, [])
    // The same eyes did see them while direct paths were allowed.
    assert.ok(whileAllowed.length > 0)
  }).timeout(180_000)

  /** At both ends of the internet. */
  async function capturesOf(filter: string): Promise<readonly Capture[]> {
    return Promise.all(
      [alice, bob].map(({ home }) => Capture.start(home.edge.namespace, 'wan', filter)),
    )
  }

  async function stopped(captures: readonly Capture[]): Promise<readonly string[]> {
    return (await Promise.all(captures.map((capture) => capture.stop()))).flat()
  }

  async function talk(): Promise<void> {
    for (let count = 0; count < 5; count++) {
      await send(alice.person, bob.person)
      await send(bob.person, alice.person)
    }
  }

  it('a stranger who asks to be a buddy gets no packet, and learns no presence', async () => {
    const capture = await Capture.start(
      stranger.home.host.namespace,
      'eth0',
      `host ${addressOf(alice)}`,
    )
    await stranger.person.request('buddy.add', { buddy: 'alice', note: 'Who are you?' })
    await alice.person.event(
      'the request',
      ({ type, data }) => type === 'buddy.request' && JSON.stringify(data).includes('stranger'),
    )
    await pause(ROUND_MS / 4)
    const packets = await capture.stop()
    const asked = await stranger.person.buddy('alice')
    record({
      group: 'privacy',
      name: 'a stranger who asks to be a buddy: our packets',
      packets: packets.length,
    })

    assert.deepEqual(packets, [])
    assert.equal(asked?.presence, 'offline')
    assert.equal(asked.path, 'none')
  }).timeout(60_000)

  it('a buddy who names another’s address makes nobody send there more than five packets', async () => {
    // The hostile host pretends to have the victim's address: its daemon offers it in good faith.
    await hostile.home.host.namespace.ip(`address add ${addressOf(victim)}/32 dev eth0`)
    await hostile.person.eventually('the pretended address is offered', async () => {
      const { udp } = await hostile.person.request('net.status', {})
      return udp === null ? undefined : true
    })
    const capture = await Capture.start(
      victim.home.host.namespace,
      'eth0',
      `udp and host ${addressOf(alice)}`,
    )
    await acquaint(hostile, alice)
    await hostile.person.request('buddy.setPolicy', { buddy: 'alice', path: 'auto' })
    await bothReach(hostile.person, alice.person, ['direct', 'relay'])
    await pause(ROUND_MS)
    const path = await alice.person.request('net.path', { buddy: 'hostile' })
    const packets = await capture.stop()
    record({
      group: 'privacy',
      name: 'a third party whose address a hostile buddy names: our packets',
      packets: packets.length,
    })

    assert.ok(
      path.candidates.some(({ endpoint }) => endpoint.startsWith(`${addressOf(victim)}:`)),
      'the victim was never named',
    )
    assert.ok(packets.length <= QUESTIONS, packets.join('\n'))
  }).timeout(120_000)
})

function addressOf({ home }: Resident): string {
  return home.addresses[0] ?? ''
}

function between(one: Resident, other: Resident): string {
  return `host ${addressOf(one)} and host ${addressOf(other)}`
}
