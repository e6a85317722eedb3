import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Endpoint } from '../../src/core/endpoint.ts'
import { silentLogger } from '../../src/core/logger.ts'
import { relayBindStatement } from '../../src/crypto/device-statement.ts'
import { systemRandom } from '../../src/io/random.ts'
import { systemClock } from '../../src/io/system-clock.ts'
import { connectTls } from '../../src/io/tls.ts'
import { openUdpSocket } from '../../src/io/udp-socket.ts'
import {
  decodeRelayFrame,
  encodeRelayFrame,
  RELAY_ALPN,
  type RelayFrame,
} from '../../src/protocol/relay/frames.ts'
import { parseRelayLink, parseTicketKey, relayIdOf } from '../../src/protocol/relay/link.ts'
import { SESSION_ALPN } from '../../src/protocol/server/link.ts'
import type { Introduced, ServerMessage } from '../../src/protocol/server/messages.ts'
import { startRelay } from '../../src/server/relay-server.ts'
import { type RunningServer, type ServerOptions, startServer } from '../../src/server/server.ts'
import type { ServerLinkEvent } from '../../src/tcp/server-link-event.ts'
import { inTemporaryDirectory } from '../support/temporary-directory.ts'
import { RealClient, register } from './support/real-client.ts'
import { testDevice } from './support/test-device.ts'

const PASSWORD = 'correct horse battery staple'
const LOOPBACK = { host: '127.0.0.1', port: 0 }
const OUTSIDE = { clock: systemClock, random: systemRandom, logger: silentLogger }
const STEP_MS = 8_000

function startHome(directory: string, change: Partial<ServerOptions> = {}): Promise<RunningServer> {
  return startServer({
    ...{ dataDirectory: directory, listen: LOOPBACK, udp: LOOPBACK, isRegistrationOpen: true },
    ...OUTSIDE,
    ...change,
  })
}

/** Of a server that has started there. */
async function ticketKeyIn(directory: string): Promise<Uint8Array> {
  const key = parseTicketKey((await readFile(join(directory, 'relay-key'), 'utf8')).trim())
  assert.ok(key.ok)
  return key.value
}

function heard<K extends ServerMessage['kind']>(kind: K) {
  return (event: ServerLinkEvent): Extract<ServerMessage, { kind: K }> | undefined =>
    event.kind === 'message' && event.message.kind === kind
      ? (event.message as Extract<ServerMessage, { kind: K }>)
      : undefined
}

/** What the relay answers to a whole BIND of this device: BOUND or REFUSED. */
async function bind(relay: Endpoint, name: string, ticket: Uint8Array): Promise<RelayFrame> {
  const socket = await openUdpSocket({ address: '127.0.0.1', port: 0 })
  const ask = async (frame: RelayFrame): Promise<RelayFrame> => {
    const answer = new Promise<RelayFrame>((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error('The relay says nothing')), STEP_MS)
      socket.onDatagram((_from, bytes) => {
        clearTimeout(timer)
        const read = decodeRelayFrame(Uint8Array.from(bytes))
        if (read.ok) resolve(read.value)
      })
    })
    socket.send(relay, encodeRelayFrame(frame))
    return await answer
  }
  const nonce = randomBytes(8)
  const blank = { nonce, ticket, cookie: new Uint8Array(16), signature: new Uint8Array(64) }
  const first = await ask({ kind: 'bind', ...blank })
  assert.ok(first.kind === 'cookie')
  const { cookie } = first
  const signature = testDevice(name).identity.sign(relayBindStatement(nonce, cookie, ticket))
  const last = await ask({ kind: 'bind', ...blank, cookie, signature })
  await socket.close()
  return last
}

/** Alice and Bob, buddies, and what both hear when Alice asks for an introduction by that relay. */
async function introduce(
  home: RunningServer,
  relay: Uint8Array | undefined,
): Promise<{ readonly atAlice: Introduced; readonly atBob: Introduced }> {
  const alice = new RealClient(home.link, 'alice', PASSWORD)
  const bob = new RealClient(home.link, 'bob', PASSWORD)
  for (const one of [alice, bob]) {
    await one.next('welcome', ({ kind }) => (kind === 'online' ? true : undefined))
  }
  alice.request({ kind: 'buddy-request', to: 'bob', note: '' })
  const { buddy } = await bob.next('request', heard('buddy-changed'))
  bob.request({ kind: 'buddy-accept', number: buddy.number })
  await alice.next('acceptance', (event) =>
    heard('buddy-changed')(event)?.buddy.state === 'accepted' ? true : undefined,
  )
  const words = { kind: 'introduce', session: randomBytes(16), candidates: [] } as const
  const probeKey = randomBytes(32)
  const wish = relay === undefined ? {} : { relay }
  alice.request({ ...words, probeKey, to: 10_002, isAnswer: false, ...wish })
  const atBob = await bob.next('introduction', heard('introduced'))
  bob.request({ ...words, probeKey, to: 10_001, isAnswer: true })
  const atAlice = await alice.next('answer', heard('introduced'))
  alice.stop()
  bob.stop()
  return { atAlice, atBob }
}

describe('startRelay()', () => {
  it('binds both sides by the tickets of a server that it trusts, and names itself to its clients', async () => {
    await inTemporaryDirectory(async (directory) => {
      const before = await startHome(`${directory}/home`)
      await before.close()
      const relay = await startRelay({
        ...{ dataDirectory: `${directory}/relay`, listen: LOOPBACK, udp: LOOPBACK, ...OUTSIDE },
        trusted: [randomBytes(32), await ticketKeyIn(`${directory}/home`)],
      })
      const link = parseRelayLink(relay.link)
      assert.ok(link.ok)
      const home = await startHome(`${directory}/home`, { relays: [link.value] })
      for (const name of ['alice', 'bob']) await register(home.link, name, PASSWORD)
      const onlooker = new RealClient(home.link, 'alice', PASSWORD)
      const { relays } = await onlooker.next('welcome', (event) =>
        event.kind === 'online' ? event.welcome : undefined,
      )
      onlooker.stop()
      const [udp] = relay.udp
      assert.ok(udp !== undefined)
      const { host, port: tlsPort, pin } = link.value
      const id = relayIdOf(pin)
      const offer = { id: Buffer.from(id), endpoint: udp, host, tlsPort, pin }
      assert.deepEqual(relays?.offers, [offer])

      const { atAlice, atBob } = await introduce(home, id)

      assert.deepEqual(atAlice.relay, atBob.relay)
      assert.deepEqual(atAlice.relay?.endpoint, udp)
      const { ticket } = atAlice.relay
      assert.equal((await bind(udp, 'alice', ticket)).kind, 'bound')
      assert.equal((await bind(udp, 'bob', ticket)).kind, 'bound')
      await Promise.all([home.close(), relay.close()])
    })
  }).timeout(30_000)

  it('takes nothing of a server that it does not trust; who names no relay, or an unknown one, gets the server’s', async () => {
    await inTemporaryDirectory(async (directory) => {
      const relay = await startRelay({
        ...{ dataDirectory: `${directory}/relay`, listen: LOOPBACK, udp: LOOPBACK, ...OUTSIDE },
        trusted: [randomBytes(32)],
      })
      const link = parseRelayLink(relay.link)
      const [udp] = relay.udp
      assert.ok(link.ok && udp !== undefined)
      const id = relayIdOf(link.value.pin)
      const home = await startHome(`${directory}/home`, { relays: [link.value] })
      for (const name of ['alice', 'bob']) await register(home.link, name, PASSWORD)

      const wanted = await introduce(home, id)
      assert.ok(wanted.atAlice.relay !== undefined)
      const answer = await bind(udp, 'alice', wanted.atAlice.relay.ticket)
      assert.equal(answer.kind === 'refused' && answer.reason, 'ticket-forged')
      await Promise.all([home.close(), relay.close()])
    })
  }).timeout(30_000)

  it('speaks the relay’s protocol inside TLS alone, and keeps its key', async () => {
    await inTemporaryDirectory(async (directory) => {
      const options = {
        ...{ dataDirectory: directory, listen: LOOPBACK, udp: LOOPBACK, ...OUTSIDE },
        trusted: [randomBytes(32)],
      }
      const first = await startRelay(options)
      const link = parseRelayLink(first.link)
      assert.ok(link.ok)
      const { host, port, pin } = link.value
      const stream = await connectTls({ host, port, pin, alpn: RELAY_ALPN, timeoutMs: STEP_MS })
      stream.destroy()
      const session = connectTls({ host, port, pin, alpn: SESSION_ALPN, timeoutMs: STEP_MS })
      await assert.rejects(session, { code: 'SERVER_UNREACHABLE' })
      await first.close()

      const again = await startRelay(options)
      const read = parseRelayLink(again.link)
      assert.ok(read.ok)
      assert.deepEqual(read.value.pin, pin)
      await again.close()
    })
  }).timeout(20_000)
})
