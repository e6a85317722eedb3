import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { buildHome } from '../../scripts/lab/homes.ts'
import { RouterInternet, SERVER_ADDRESSES } from '../../scripts/lab/router/router-internet.ts'
import type { PathView } from '../../src/protocol/control/schema.ts'
import { Person, relayKeyOf, type Server, startRelay, startServer } from '../support/household.ts'
import { stopAllPrograms } from '../support/programs.ts'
import { Chat, send } from './letters.ts'
import { acquaint, bothReach } from './meeting.ts'
import type { Resident } from './town.ts'

/** Each way: a server on another continent. What goes over it from home to home takes twice that, whatever else. */
const FAR_MS = 80
const SHORTEST_OVER_SERVER_MS = 2 * FAR_MS

/** Each way, between a home and the exchange, at which the near relay stands. */
const HOME_MS = 5

const [RELAY_ADDRESS] = SERVER_ADDRESSES

/** The relay was silent for some pings, 6 s without a channel, an introduction: twice what a simulated world takes. */
const REPLACED_WITHIN_MS = 90_000

/** An account is a hash that is made to be slow. */
const REGISTER_MS = 90_000

const SAMPLES = 5
const CHAT_EVERY_MS = 250

describe('two homes far from their server, and near a relay of its', function () {
  this.timeout(240_000)
  let internet: RouterInternet
  let directory: string
  let serverAddress: string
  let relay: Server
  let alice: Person
  let bob: Person

  before(async () => {
    directory = await mkdtemp(join(tmpdir(), 'hnear-'))
    internet = await RouterInternet.create()
    const far = { up: { latencyMs: FAR_MS }, down: { latencyMs: FAR_MS } }
    const place = await buildHome(internet, 'public', { line: far })
    serverAddress = place.host.address
    const serverOptions = {
      dataDir: join(directory, 'server'),
      listen: `${serverAddress}:7443`,
      udp: `${serverAddress}:3478`,
      prefix: place.host.namespace.prefix,
    }
    // As an operator does it: the server has made its keys, the relay is told to trust them, the server to name it.
    const alone = await startServer(serverOptions)
    await alone.program.stop()
    relay = await startRelay({
      dataDir: join(directory, 'relay'),
      listen: `${RELAY_ADDRESS}:7443`,
      udp: `${RELAY_ADDRESS}:3478`,
      trust: await relayKeyOf(serverOptions.dataDir),
      prefix: internet.server.prefix,
    })
    const server = await startServer({ ...serverOptions, relay: relay.link })
    const residents = await Promise.all([
      moveIn('alice', 1, server.link),
      moveIn('bob', 2, server.link),
    ])
    ;[alice, bob] = residents.map(({ person }) => person) as [Person, Person]
    await acquaint(...residents)
    await bothReach(alice, bob, ['relay'])
  })

  after(async () => {
    await stopAllPrograms()
    await internet.close()
    await rm(directory, { recursive: true, force: true })
  })

  async function moveIn(name: string, seed: number, link: string): Promise<Resident> {
    const line = { up: { latencyMs: HOME_MS }, down: { latencyMs: HOME_MS } }
    const home = await buildHome(internet, 'symmetric random', { line, seed })
    const { prefix } = home.host.namespace
    const person = new Person({ name, directory: join(directory, name), prefix })
    await person.startDaemon()
    const account = { server: link, handle: name, password: 'correct horse battery staple' }
    await person.request('account.register', account, REGISTER_MS)
    return { person, home }
  }

  /** Both send by the relay at this address. */
  async function bothUse(address: string, withinMs: number): Promise<void> {
    const uses = async (one: Person, other: Person): Promise<PathView> =>
      one.eventually(
        `a path to ${other.name} over ${address}`,
        async () => {
          const path = await one.request('net.path', { buddy: other.name })
          return path.kind === 'relay' && path.remote?.startsWith(`${address}:`) ? path : undefined
        },
        withinMs,
      )
    await Promise.all([uses(alice, bob), uses(bob, alice)])
  }

  async function fastest(): Promise<number> {
    const times: number[] = []
    for (let count = 0; count < SAMPLES; count++) times.push(await send(alice, bob))
    return Math.min(...times)
  }

  it('talk over that relay: no message makes the way over the server', async () => {
    await bothUse(RELAY_ADDRESS, 10_000)

    const takenMs = await fastest()

    assert.ok(takenMs < SHORTEST_OVER_SERVER_MS, `${takenMs} ms`)
  })

  it('go on over the server’s own when it dies by kill −9, and nothing is lost', async () => {
    const chat = new Chat(alice, bob, CHAT_EVERY_MS)

    await relay.program.stop('SIGKILL')
    await bothUse(serverAddress, REPLACED_WITHIN_MS)
    const slowestMs = await chat.end() // has looked at every text: each once, and in order

    assert.ok(slowestMs >= SHORTEST_OVER_SERVER_MS, `${slowestMs} ms: the server is not far`)
    assert.ok((await fastest()) >= SHORTEST_OVER_SERVER_MS)
  })
})
