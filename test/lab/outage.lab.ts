import assert from 'node:assert/strict'
import type { Person } from '../support/household.ts'
import { Laboratory, sendAndReceive } from './support.ts'

/** So many packets of each side die in the long outage: more than one round of punching sends. */
const PACKETS_LOST = 25

/** Rounds of punching are 15 s apart, then 30 s and so on: the next one comes within twice the outage. */
const REPAIR_MS = 120_000

const router = { nat: 'masquerade', input: 'drop' } as const

describe('a conversation between two homes', () => {
  let laboratory: Laboratory
  let alice: Person
  let bob: Person

  before(async () => {
    laboratory = await Laboratory.build(router, router)
    await laboratory.moveIn()
    ;({ alice, bob } = laboratory)
    await laboratory.bothReach('direct', 30_000)
  })

  after(async () => {
    await laboratory.close()
  })

  it('goes on while the server is away, and finds it again', async () => {
    await laboratory.killAndRestartServer()

    await Promise.all([
      sendAndReceive(alice, bob, 'no server?'),
      sendAndReceive(bob, alice, 'none'),
    ])
    for (const person of [alice, bob]) {
      await person.eventually('online again', async () => {
        const { session } = await person.request('status.get', {})
        return session === 'online' ? session : undefined
      })
    }
  })

  it('goes on when a router forgets its mappings, and is direct again', async () => {
    await laboratory.internet.reboot(laboratory.homes[1])

    await Promise.all([sendAndReceive(alice, bob, 'rebooted?'), sendAndReceive(bob, alice, 'yes')])
    await laboratory.bothReach('direct', REPAIR_MS)
  }).timeout(2 * REPAIR_MS)

  it('is direct again after a long outage, in which both kept looking', async () => {
    laboratory.internet.blockUdpBetween(...laboratory.homes)
    await sendAndReceive(alice, bob, 'out?')
    await alice.eventually(
      `${PACKETS_LOST} packets lost on each way`,
      async () => {
        const counts = await laboratory.internet.blockedPackets()
        return counts.every((count) => count >= PACKETS_LOST) ? counts : undefined
      },
      REPAIR_MS,
    )
    await laboratory.bothReach('relay', 1_000)

    laboratory.internet.unblockUdp()
    await laboratory.bothReach('direct', REPAIR_MS)
    await sendAndReceive(bob, alice, 'back')
  }).timeout(3 * REPAIR_MS)

  it('lost nothing and brought nothing twice', () => {
    for (const [person, texts] of [
      [alice, ['none', 'yes', 'back']],
      [bob, ['no server?', 'rebooted?', 'out?']],
    ] as const) {
      const received = person.events.filter(({ type }) => type === 'message.received')
      assert.deepEqual(
        received.map(({ data }) => data['text']),
        texts,
      )
    }
  })
})
