import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect } from 'node:net'
import { parseServerLink } from '../../src/protocol/server/link.ts'
import {
  administer,
  messageArrives,
  type Person,
  seesOnline,
  serve,
  type Server,
} from '../support/household.ts'
import { Playground } from './support.ts'

/** How long its STUN and relay go on after the server was told to drain. */
const LINGER_MS = 4_000

describe('a server that is drained', function () {
  this.timeout(90_000)
  let playground: Playground
  let server: Server
  let alice: Person
  let bob: Person

  before(async () => {
    playground = await Playground.create()
    server = await start('127.0.0.1:0')
    ;[alice, bob] = await playground.friends(server)
    await Promise.all([seesOnline(alice, bob), seesOnline(bob, alice)])
  })

  after(() => playground.close())

  function start(listen: string): Promise<Server> {
    const where = ['--listen', listen, '--udp', '127.0.0.1:0', '--metrics', '127.0.0.1:0']
    return serve(['--data', playground.serverDataDir, ...where, '--open-registration'])
  }

  it('takes nobody new, sends all away, and ends by itself; they come back to its successor, and nobody sees it', async () => {
    const seen = [alice.events.length, bob.events.length] as const
    const { host, port } = addressOf(server)
    const metrics = /"?http"?="([^"]+)"/.exec(server.program.stderr.find(/serving metrics/) ?? '')
    const health = async (): Promise<number> =>
      (await fetch(`http://${metrics?.[1] ?? ''}/readyz`)).status
    assert.equal(await health(), 200)
    const drainedAt = performance.now()

    const linger = ['--linger', `${LINGER_MS / 1_000}s`, '--spread', '1s']
    const { sessions } = await administer<{ sessions: number }>(
      ...[playground.serverDataDir, 'drain', ...linger],
    )
    const [ready, refused] = await Promise.all([health(), refusal(host, port)])
    await Promise.all([away(alice, seen[0]), away(bob, seen[1])])
    const { id } = await alice.json<{ id: string }>(['send', 'bob', 'while nobody serves'])
    const exit = await server.program.exited

    assert.equal(sessions, 2)
    assert.deepEqual([ready, refused], [503, 'ECONNREFUSED'])
    assert.deepEqual(exit, { code: 0, signal: null })
    assert.ok(performance.now() - drainedAt >= LINGER_MS, 'STUN and relay were to go on')

    server = await start(`${host}:${port}`)
    await Promise.all([back(alice), back(bob)])
    await messageArrives(bob, 'while nobody serves')
    await alice.event(
      'that it was delivered',
      ({ type, data }) =>
        type === 'message.state' && data['id'] === id && data['state'] === 'delivered',
    )

    assert.deepEqual([flaps(alice, seen[0]), flaps(bob, seen[1])], [[], []])
  })
})

function addressOf({ link }: Server): { readonly host: string; readonly port: number } {
  const read = parseServerLink(link)
  assert.ok(read.ok)
  return read.value
}

async function refusal(host: string, port: number): Promise<string> {
  const socket = connect({ host, port })
  try {
    await once(socket, 'connect')
    return 'connected'
  } catch (error) {
    return String((error as NodeJS.ErrnoException).code)
  } finally {
    socket.destroy()
  }
}

async function away(person: Person, from: number): Promise<void> {
  await person.eventually('the end of its session', () =>
    Promise.resolve(
      person.events
        .slice(from)
        .find(({ type, data }) => type === 'session.state' && data['state'] === 'waiting'),
    ),
  )
}

async function back(person: Person): Promise<void> {
  await person.eventually(
    'its session again',
    async () => {
      const { session } = await person.request('status.get', {})
      return session === 'online' ? session : undefined
    },
    40_000,
  )
}

/** What a person was told of buddies' presence since then. */
function flaps(person: Person, from: number): readonly unknown[] {
  return person.events
    .slice(from)
    .filter(({ type }) => type === 'presence.changed')
    .map(({ data }) => data['presence'])
}
