import assert from 'node:assert/strict'
import { type Person, seesOnline, type Server } from '../support/household.ts'
import { Playground } from './support.ts'

/** What a person's daemon has announced of a buddy's presence since `from`. */
function presenceSince(person: Person, from: number): readonly unknown[] {
  return person.events
    .slice(from)
    .filter(({ type }) => type === 'presence.changed')
    .map(({ data }) => data['presence'])
}

describe('buddies see no flapping', () => {
  let playground: Playground
  let server: Server
  let alice: Person
  let bob: Person

  before(async () => {
    playground = await Playground.create()
    server = await playground.startServer()
    ;[alice, bob] = await playground.friends(server)
    await Promise.all([seesOnline(alice, bob), seesOnline(bob, alice)])
  })

  after(async () => {
    await playground.close()
  })

  async function online(person: Person, after: number): Promise<void> {
    await person.eventually(
      'its session again',
      () =>
        Promise.resolve(
          person.events
            .slice(after)
            .find(({ type, data }) => type === 'session.state' && data['state'] === 'online'),
        ),
      40_000,
    )
  }

  it('when a daemon is restarted: it suspends, and goes on with the same session', async () => {
    const seen = alice.events.length
    const { resumed } = sessionsOf(server, 'resumed')

    await bob.stopDaemon('SIGTERM')
    await bob.startDaemon()
    await bob.eventually('its session again', async () => {
      const { session } = await bob.request('status.get', {})
      return session === 'online' ? session : undefined
    })
    await alice.pathOfKind('bob', ['lan', 'direct', 'relay'])

    assert.deepEqual(presenceSince(alice, seen), [])
    assert.equal(sessionsOf(server, 'resumed').resumed, resumed + 1)
    const shown = await bob.buddy('alice')
    assert.equal(shown?.presence, 'online')
  })

  it('when the server is killed and comes back: everybody resumes', async () => {
    const [alices, bobs] = [alice.events.length, bob.events.length]
    const listen = /holler:\/\/([^?]+)/.exec(server.link)?.[1]

    await server.program.stop('SIGKILL')
    server = await playground.startServer(listen)
    await Promise.all([online(alice, alices), online(bob, bobs)])
    await alice.holler(['send', 'bob', 'still there?', '--wait', 'delivered'])

    assert.deepEqual([presenceSince(alice, alices), presenceSince(bob, bobs)], [[], []])
    assert.deepEqual(sessionsOf(server, 'resumed', 'logged in'), {
      resumed: 2,
      'logged in': 0,
    })
    assert.equal((await alice.buddy('bob'))?.presence, 'online')
  })
})

/** How many sessions the server has begun in each way, by its log. */
function sessionsOf<W extends string>({ program }: Server, ...ways: readonly W[]) {
  const counts = ways.map(
    (way) => [way, program.stderr.lines.filter((line) => line.includes(way)).length] as const,
  )
  return Object.fromEntries(counts) as Record<W, number>
}
