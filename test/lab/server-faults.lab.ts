/**
 * A real server whose clock is set while it runs, and one that may open 256 files. libfaketime sets the clock; where it
 * is not installed, that part is skipped.
 */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { connect, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { AccountNumber, ServerMessage } from '../../src/protocol/server/messages.ts'
import { parseServerLink } from '../../src/protocol/server/link.ts'
import { RealClient, register } from '../server/support/real-client.ts'
import { type Server, startServer } from '../support/household.ts'
import { stopAllPrograms } from '../support/programs.ts'

const PASSWORD = 'correct horse battery staple'
const FAKETIME = '/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1'

async function online(server: Server, name: string): Promise<RealClient> {
  const client = new RealClient(server.link, name, PASSWORD)
  await client.next('welcome', (event) => (event.kind === 'online' ? event : undefined))
  return client
}

function heard<K extends ServerMessage['kind']>(client: RealClient, kind: K) {
  return client.next(kind, (event) =>
    event.kind === 'message' && event.message.kind === kind
      ? (event.message as Extract<ServerMessage, { kind: K }>)
      : undefined,
  )
}

/** Alice, who is online; Bob is not. */
async function friends(server: Server): Promise<{ alice: RealClient; bob: AccountNumber }> {
  for (const name of ['alice', 'bob']) await register(server.link, name, PASSWORD)
  const [alice, bob] = [await online(server, 'alice'), await online(server, 'bob')]
  alice.request({ kind: 'buddy-request', to: 'bob', note: '' })
  const { buddy } = await heard(bob, 'buddy-changed')
  bob.request({ kind: 'buddy-accept', number: buddy.number })
  await heard(alice, 'buddy-changed')
  bob.logOut()
  await bob.next('end', (event) => (event.kind === 'stopped' ? event : undefined))
  bob.stop()
  return { alice, bob: buddy.number + 1 }
}

async function send(client: RealClient, to: AccountNumber, n: number): Promise<void> {
  const body = Uint8Array.of(n)
  const id = client.request({ kind: 'send', to, messageId: new Uint8Array(16).fill(n), body })
  const answer = await client.next('answer', (event) =>
    event.kind === 'answered' && event.id === id ? event : undefined,
  )
  assert.equal(answer.error, undefined)
}

async function received(server: Server, count: number): Promise<number[]> {
  const bob = await online(server, 'bob')
  const got: number[] = []
  while (got.length < count) got.push((await heard(bob, 'deliver')).body[0] ?? 0)
  bob.stop()
  return got
}

describe('a server in trouble', function () {
  this.timeout(120_000)
  let directory: string

  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'holler-faults-'))
  })

  afterEach(async () => {
    await stopAllPrograms()
    await rm(directory, { recursive: true, force: true })
  })

  it('does not go by the wall clock: set by −1 h, +1 h and +10 years it loses no mail and no session', async function () {
    if (!existsSync(FAKETIME)) this.skip()
    const clock = join(directory, 'clock')
    const dataDir = join(directory, 'data')
    const prefix = [
      'env',
      `LD_PRELOAD=${FAKETIME}`,
      `FAKETIME_TIMESTAMP_FILE=${clock}`,
      'FAKETIME_NO_CACHE=1',
      'FAKETIME_DONT_FAKE_MONOTONIC=1',
    ]
    await writeFile(clock, '+0')
    const server = await startServer({ dataDir, prefix })
    const { alice, bob } = await friends(server)
    const jumps = ['+0', '-1h', '+1h', '+10y']
    for (const [n, jump] of jumps.entries()) {
      await writeFile(clock, jump)
      await send(alice, bob, n)
      const carol = `carol${n}`
      await register(server.link, carol, PASSWORD)
      const client = await online(server, carol)
      client.stop()
    }
    assert.ok(!alice.events.some(({ kind }) => kind === 'offline'))
    alice.stop()
    await server.program.stop()

    const later = await startServer({ dataDir, prefix })
    assert.deepEqual(await received(later, jumps.length), [0, 1, 2, 3])
    assert.equal((await later.program.stop()).code, 0)
  })

  it('with 256 descriptors turns connections away, keeps its store and its sessions, and recovers', async () => {
    const prefix = ['sh', '-c', 'ulimit -n 256; exec "$@"', 'sh']
    const server = await startServer({ dataDir: join(directory, 'data'), prefix })
    const { alice, bob } = await friends(server)
    const link = parseServerLink(server.link)
    assert.ok(link.ok)
    const crowd: Socket[] = []
    for (let n = 0; n < 400; n++) {
      const socket = connect(link.value.port, link.value.host)
      socket.on('error', () => undefined)
      crowd.push(socket)
    }
    await Promise.all(crowd.map((socket) => once(socket, 'connect').catch(() => undefined)))

    for (let n = 0; n < 20; n++) await send(alice, bob, n)
    for (const socket of crowd) socket.destroy()

    assert.equal((await received(server, 20)).length, 20)
    assert.ok(!alice.events.some(({ kind }) => kind === 'offline'))
    alice.stop()
    assert.equal((await server.program.stop()).code, 0)
  })
})
