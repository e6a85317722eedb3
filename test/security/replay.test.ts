import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { connect as connectTcp, createServer, type Socket } from 'node:net'
import type { DatagramSocket } from '../../src/core/datagram-socket.ts'
import { relayBindStatement } from '../../src/crypto/device-statement.ts'
import { openUdpSocket } from '../../src/io/udp-socket.ts'
import {
  decodeRelayFrame,
  encodeRelayFrame,
  type RelayFrame,
} from '../../src/protocol/relay/frames.ts'
import { RealClient } from '../server/support/real-client.ts'
import { type TestDevice, testDevice } from '../server/support/test-device.ts'
import { Waiters } from '../support/waiters.ts'
import { heard, PASSWORD, Siege, welcomed } from './support/siege.ts'

const REPEATS = Number(process.env['REPLAYS'] ?? 500)

const STEP_MS = 10_000
const NO_COOKIE = new Uint8Array(16)
const NO_SIGNATURE = new Uint8Array(64)

/** A UDP socket that understands relay frames, and keeps what it heard. */
class RelayUser {
  readonly heard: RelayFrame[] = []
  readonly #socket: DatagramSocket
  readonly #relay: Siege['udp']
  readonly #waiters = new Waiters()

  private constructor(socket: DatagramSocket, relay: Siege['udp']) {
    this.#socket = socket
    this.#relay = relay
    socket.onDatagram((_from, bytes) => {
      const frame = decodeRelayFrame(Uint8Array.from(bytes))
      if (frame.ok) this.heard.push(frame.value)
      this.#waiters.notify()
    })
  }

  static async open(relay: Siege['udp']): Promise<RelayUser> {
    return new RelayUser(await openUdpSocket({ address: '127.0.0.1', port: 0 }), relay)
  }

  send(bytes: Uint8Array): void {
    this.#socket.send(this.#relay, bytes)
  }

  async next<K extends RelayFrame['kind']>(kind: K): Promise<Extract<RelayFrame, { kind: K }>> {
    const look = (): RelayFrame | undefined => {
      const index = this.heard.findIndex((frame) => frame.kind === kind)
      return index < 0 ? undefined : this.heard.splice(index, 1)[0]
    }
    const found = await this.#waiters.until(look, STEP_MS, () => `No ${kind} came`)
    return found as Extract<RelayFrame, { kind: K }>
  }

  /** Asks to be bound as a daemon does; the BIND that carries the proofs. */
  async askToBind(device: TestDevice, ticket: Uint8Array): Promise<Uint8Array> {
    const nonce = randomBytes(8)
    const blank = {
      kind: 'bind',
      nonce,
      ticket,
      cookie: NO_COOKIE,
      signature: NO_SIGNATURE,
    } as const
    this.send(encodeRelayFrame(blank))
    const { cookie } = await this.next('cookie')
    const signature = device.identity.sign(relayBindStatement(nonce, cookie, ticket))
    const bind = encodeRelayFrame({ ...blank, cookie, signature })
    this.send(bind)
    return bind
  }

  async close(): Promise<void> {
    await this.#socket.close()
  }
}

describe('what was recorded and is said again', function () {
  this.timeout(120_000)
  let siege: Siege
  const opened: { close(): unknown }[] = [] // a socket left open would keep a failed run from ending

  before(async () => {
    siege = await Siege.begin()
  })

  after(async () => {
    for (const one of opened) await one.close()
    await siege.end()
  })

  async function relayUser(): Promise<RelayUser> {
    const user = await RelayUser.open(siege.udp)
    opened.push(user)
    return user
  }

  it(`binds nothing at the relay: not a ticket without its device, not a BIND from elsewhere, ${REPEATS} times`, async () => {
    const ticket = await introduced()
    const [alice, bob, mallory] = await Promise.all([relayUser(), relayUser(), relayUser()])
    const alicesBind = await alice.askToBind(testDevice('alice'), ticket)
    const alices = await alice.next('bound')
    await bob.askToBind(testDevice('bob'), ticket)
    const bobs = await bob.next('bound')

    for (let count = 0; count < REPEATS; count++) {
      mallory.send(alicesBind)
      await mallory.next('cookie') // and no more than that: it wants to know whether he is where he says
      mallory.send(
        encodeRelayFrame({ kind: 'data', channel: alices.channel, payload: randomBytes(20) }),
      )
      await mallory.next('unknown-channel')
    }
    await mallory.askToBind(testDevice('mallory'), ticket)
    const refused = await mallory.next('refused')
    assert.equal(refused.reason, 'signature-invalid')

    // Nothing of it got to Bob, nothing of Bob's gets to anybody but Alice.
    const payload = randomBytes(30)
    bob.send(encodeRelayFrame({ kind: 'data', channel: bobs.channel, payload }))
    const { payload: arrived } = await alice.next('data')
    assert.ok(payload.equals(arrived))
    assert.deepEqual(bob.heard, [])
    assert.deepEqual(mallory.heard, [])
  })

  /** A ticket that the server has signed for Alice's and Bob's devices. */
  async function introduced(): Promise<Uint8Array> {
    const { alice, bob, bobsNumber } = siege
    const words = {
      kind: 'introduce',
      session: randomBytes(16),
      probeKey: randomBytes(32),
      candidates: [],
    } as const
    alice.request({ ...words, to: bobsNumber, isAnswer: false })
    const { from, relay } = await bob.next('introduction', heard('introduced'))
    bob.request({ ...words, to: from, isAnswer: true })
    assert.ok(relay !== undefined)
    return relay.ticket
  }

  it('over TCP logs nobody in, and ends nobody’s session', async () => {
    const recorder = await recordingProxy(siege.tcp)
    opened.push(recorder)
    const link = siege.server.link.replace(`:${siege.tcp.port}`, `:${recorder.port}`)
    const again = new RealClient(link, 'bob', PASSWORD)
    await again.next('welcome', welcomed)
    await siege.bob.next('goodbye', ({ kind }) => (kind === 'replaced' ? true : undefined))

    for (let count = 0; count < 20; count++) {
      const socket = connectTcp(siege.tcp.port, siege.tcp.host)
      socket.on('error', () => undefined)
      socket.end(Buffer.concat(recorder.recorded))
      socket.resume()
      await once(socket, 'close')
    }

    const id = again.request({ kind: 'set-presence', state: 'away', text: '' })
    const answer = await again.next('answer', (event) =>
      event.kind === 'answered' && event.id === id ? event : undefined,
    )
    assert.equal(answer.error, undefined)
    again.stop()
  })
})

interface Recorder {
  readonly port: number
  /** What the client said, in its order. */
  readonly recorded: readonly Buffer[]
  close(): void
}

/** Somebody on the way who passes everything on, and keeps a copy. */
async function recordingProxy(to: {
  readonly host: string
  readonly port: number
}): Promise<Recorder> {
  const recorded: Buffer[] = [] // ≤ one session of a test
  const sockets: Socket[] = []
  const server = createServer((client) => {
    const upstream = connectTcp(to.port, to.host)
    sockets.push(client, upstream)
    client.on('data', (bytes: Buffer) => recorded.push(bytes))
    client.pipe(upstream).pipe(client)
    for (const socket of [client, upstream]) socket.on('error', () => undefined)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  assert.ok(address !== null && typeof address === 'object')
  const close = (): void => {
    for (const socket of sockets) socket.destroy()
    server.close()
  }
  return { port: address.port, recorded, close }
}
