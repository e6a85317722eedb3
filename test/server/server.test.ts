import assert from 'node:assert/strict'
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { formatEndpoint } from '../../src/core/endpoint.ts'
import { silentLogger } from '../../src/core/logger.ts'
import { systemRandom } from '../../src/io/random.ts'
import { systemClock } from '../../src/io/system-clock.ts'
import { openUdpSocket } from '../../src/io/udp-socket.ts'
import type { ServerMessage, Welcome } from '../../src/protocol/server/messages.ts'
import { parseServerLink } from '../../src/protocol/server/link.ts'
import { type RunningServer, type ServerOptions, startServer } from '../../src/server/server.ts'
import type { ServerLinkEvent } from '../../src/tcp/server-link-event.ts'
import { inTemporaryDirectory } from '../support/temporary-directory.ts'
import { connectTo, RealClient, register } from './support/real-client.ts'
import { at } from './support/test-server.ts'

const PASSWORD = 'correct horse battery staple'
const LOOPBACK = { host: '127.0.0.1', port: 0 }

async function start(
  dataDirectory: string,
  change: Partial<ServerOptions> = {},
): Promise<RunningServer> {
  return await startServer({
    dataDirectory,
    listen: LOOPBACK,
    udp: LOOPBACK,
    isRegistrationOpen: true,
    clock: systemClock,
    random: systemRandom,
    logger: silentLogger,
    ...change,
  })
}

function heard<K extends ServerMessage['kind']>(kind: K) {
  return (event: ServerLinkEvent): Extract<ServerMessage, { kind: K }> | undefined =>
    event.kind === 'message' && event.message.kind === kind
      ? (event.message as Extract<ServerMessage, { kind: K }>)
      : undefined
}

function welcomed(event: ServerLinkEvent): Welcome | undefined {
  return event.kind === 'online' && event.welcome.kind === 'welcome' ? event.welcome : undefined
}

function ofKind<K extends ServerLinkEvent['kind']>(kind: K) {
  return (event: ServerLinkEvent): Extract<ServerLinkEvent, { kind: K }> | undefined =>
    event.kind === kind ? (event as Extract<ServerLinkEvent, { kind: K }>) : undefined
}

describe('startServer()', () => {
  it('serves two real clients from registration to introduction, and remembers them', async () => {
    await inTemporaryDirectory(async (directory) => {
      const server = await start(directory)
      const made = await register(server.link, 'alice', PASSWORD)
      assert.deepEqual(made, { kind: 'registered', number: 10_001, handle: 'alice' })
      await register(server.link, 'bob', PASSWORD)
      const alice = new RealClient(server.link, 'alice', PASSWORD)
      const bob = new RealClient(server.link, '10002', PASSWORD)
      const welcome = await alice.next('welcome', welcomed)
      await bob.next('welcome', welcomed)
      assert.deepEqual(welcome.stun, server.udp)
      assert.equal(welcome.seenFrom.address, '127.0.0.1')

      alice.request({ kind: 'buddy-request', to: 'bob', note: 'It is me' })
      const asked = await bob.next('request', heard('buddy-changed'))
      assert.deepEqual([asked.buddy.state, asked.note], ['pending-in', 'It is me'])
      bob.request({ kind: 'buddy-accept', number: 10_001 })
      await bob.next('presence', (event) =>
        heard('presence')(event)?.entries.find(
          ({ number, state }) => number === 10_001 && state === 'online',
        ),
      )

      const session = Buffer.alloc(16, 5)
      const candidates = [{ kind: 'host', endpoint: at('127.0.0.1:4000') }] as const
      const question = {
        kind: 'introduce',
        session,
        candidates,
        probeKey: Buffer.alloc(32, 1),
      } as const
      alice.request({ ...question, to: 10_002, isAnswer: false })
      const introduced = await bob.next('introduction', heard('introduced'))
      assert.deepEqual(introduced.candidates, candidates)
      assert.deepEqual(introduced.relay?.endpoint, server.udp[0])
      bob.request({ ...question, to: 10_001, isAnswer: true })
      const answer = await alice.next('answer', heard('introduced'))
      assert.ok(answer.isAnswer && answer.startInMs >= 150)

      alice.logOut()
      await bob.next('offline presence', (event) =>
        heard('presence')(event)?.entries.find(({ state }) => state === 'offline'),
      )
      await server.close()
      const offline = await bob.next('goodbye', ofKind('offline'))
      assert.equal(offline.why, 'restarting')
      bob.stop()

      const again = await start(directory)
      assert.equal(pinOf(again.link), pinOf(server.link))
      const back = new RealClient(again.link, 'alice', PASSWORD)
      assert.equal((await back.next('welcome', welcomed)).number, 10_001)
      const roster = await back.next('roster', heard('roster'))
      assert.deepEqual(
        roster.buddies.map(({ handle, state }) => [handle, state]),
        [['bob', 'accepted']],
      )
      back.stop()
      await again.close()
    })
  }).timeout(20_000)

  it('lets clients come back by a TLS ticket after a restart, while it has the keys', async () => {
    await inTemporaryDirectory(async (directory) => {
      const first = await start(directory, { metrics: LOOPBACK })
      const listen = { host: '127.0.0.1', port: first.tcp.port }
      await register(first.link, 'alice', PASSWORD)
      const atFirst = await handshakesOf(first)
      await first.close()

      const again = await start(directory, { listen, metrics: LOOPBACK })
      await logIn(again.link) // SCRAM is bound to the exporter of the resumed connection
      const afterRestart = await handshakesOf(again)
      await again.close()

      await rm(join(directory, 'tls-ticket-keys'))
      const without = await start(directory, { listen, metrics: LOOPBACK })
      await logIn(without.link)
      const withoutKeys = await handshakesOf(without)
      await without.close()

      assert.deepEqual(atFirst, { whole: 1, resumed: 0 })
      assert.deepEqual(afterRestart, { whole: 0, resumed: 1 })
      assert.deepEqual(withoutKeys, { whole: 1, resumed: 0 })
    })
  }).timeout(20_000)

  it('refuses a wrong password for good', async () => {
    await inTemporaryDirectory(async (directory) => {
      const server = await start(directory)
      await register(server.link, 'alice', PASSWORD)

      const client = new RealClient(server.link, 'alice', 'wrong')

      const refused = await client.next('refusal', ofKind('refused'))
      assert.equal(refused.code, 'auth-failed')
      client.stop()
      await server.close()
    })
  })

  it('answers STUN where its welcome says', async () => {
    await inTemporaryDirectory(async (directory) => {
      const server = await start(directory, { udpAlternate: LOOPBACK })
      assert.equal(server.udp.length, 2)
      const socket = await openUdpSocket({ address: '127.0.0.1', port: 0 })
      for (const udp of server.udp) {
        const answer = new Promise<Uint8Array>((resolve) => {
          socket.onDatagram((_from, bytes) => resolve(bytes))
        })
        socket.send(udp, Buffer.from('000100002112a442000102030405060708090a0b', 'hex'))
        assert.equal(Buffer.from(await answer).readUInt16BE(0), 0x0101)
      }
      await socket.close()
      await server.close()
    })
  })

  it('says in one line what is in its way, and lets go of what it had', async () => {
    await inTemporaryDirectory(async (directory) => {
      const first = await start(`${directory}/one`)
      const udp = first.udp[0]
      assert.ok(udp !== undefined)

      await assert.rejects(start(`${directory}/one`), { code: 'ALREADY_RUNNING' })
      const tcpTaken = start(`${directory}/two`, {
        listen: { host: '127.0.0.1', port: first.tcp.port },
      })
      await assert.rejects(tcpTaken, { code: 'PORT_TAKEN' })
      const udpTaken = start(`${directory}/two`, { udp: { host: '127.0.0.1', port: udp.port } })
      await assert.rejects(udpTaken, { code: 'PORT_TAKEN' })
      const foreign = start(`${directory}/two`, { listen: { host: '192.0.2.1', port: 0 } })
      await assert.rejects(foreign, { code: 'CONFIG_INVALID' })

      await (await start(`${directory}/two`)).close()
      await first.close()
      await (await start(`${directory}/one`)).close()
    })
  })

  it('does not wait long for clients that do not read their goodbye', async () => {
    await inTemporaryDirectory(async (directory) => {
      const server = await start(directory)
      const deaf = await connectTo(server.link)
      deaf.pause()

      const startedAt = Date.now()
      await server.close()

      assert.ok(Date.now() - startedAt < 8_000)
      deaf.destroy()
    })
  })
})

async function logIn(link: string): Promise<void> {
  const client = new RealClient(link, 'alice', PASSWORD)
  assert.equal((await client.next('welcome', welcomed)).number, 10_001)
  client.stop()
}

async function handshakesOf({ metrics }: RunningServer): Promise<Record<string, number>> {
  assert.ok(metrics !== undefined)
  const text = await (await fetch(`http://${formatEndpoint(metrics)}/metrics`)).text()
  const lines = text.matchAll(/^holler_tls_handshakes_total\{kind="(\w+)"\} (\d+)$/gm)
  const counts: Record<string, number> = {}
  for (const [, kind = '', count] of lines) counts[kind] = Number(count)
  return counts
}

function pinOf(link: string): string {
  const read = parseServerLink(link)
  assert.ok(read.ok && read.value.pin !== undefined)
  return Buffer.from(read.value.pin).toString('hex')
}
