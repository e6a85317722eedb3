import assert from 'node:assert/strict'
import { utf8 } from '../../src/core/bytes.ts'
import type { Endpoint } from '../../src/core/endpoint.ts'
import { silentLogger } from '../../src/core/logger.ts'
import { relayBindStatement, relayStreamProof } from '../../src/crypto/device-statement.ts'
import { sha256 } from '../../src/crypto/hash.ts'
import { identityFromSeed } from '../../src/crypto/identity.ts'
import { MAX_WAITING_DATAGRAMS } from '../../src/io/datagram-stream.ts'
import { drive, type Driver } from '../../src/io/drive.ts'
import {
  type ChannelId,
  decodeRelayFrame,
  encodeData,
  encodeRelayFrame,
  MAX_RELAY_FRAME_BYTES,
  type RelayFrame,
} from '../../src/protocol/relay/frames.ts'
import { MOST_STRANGERS_PER_NETWORK } from '../../src/server/gate.ts'
import { BIND_WITHIN_MS, RELAY_FRAME_WITHIN_MS, RelayDoor } from '../../src/server/relay-door.ts'
import { RelayTickets } from '../../src/server/relay-tickets.ts'
import { CHANNEL_LIFETIME_SECONDS, Relay } from '../../src/server/relay.ts'
import { ServerTime } from '../../src/server/server-time.ts'
import { StunWitness } from '../../src/server/stun-witness.ts'
import { UdpService } from '../../src/server/udp-service.ts'
import { BindingServer } from '../../src/stun/binding-server.ts'
import { bindingSocketId } from '../../src/stun/binding-sockets.ts'
import { encodeFrame, FrameDecoder } from '../../src/tcp/frame.ts'
import { ManualTime } from './support/manual-time.ts'
import { MemoryStream } from './support/memory-stream.ts'
import { type TestDevice, testDevice } from './support/test-device.ts'
import { at, countingRandom, RELAY_ID, SERVER_ADDRESS, UDP_ADDRESS } from './support/test-server.ts'

const ALICE = testDevice('alice')
const BOB = testDevice('bob')
const UDP = bindingSocketId(1, 1)
const BOBS_UDP = at('203.0.113.20:5000')
const NONCE = new Uint8Array(8).fill(7)

/** The server's relay behind its door, on memory streams and one UDP socket. */
class House {
  readonly time = new ManualTime()
  readonly door: RelayDoor
  readonly relay: Relay
  readonly #driver: Driver
  readonly #tickets: RelayTickets
  /** What left by UDP. */
  readonly sent: { to: Endpoint; frame: RelayFrame }[] = []
  #fromUdp: (from: Endpoint, bytes: Uint8Array) => void = () => undefined
  #streams = 0

  constructor() {
    const { time } = this
    const signer = identityFromSeed(sha256(utf8('ticket key')))
    const serverTime = new ServerTime(time)
    this.#tickets = new RelayTickets({ signer, relayId: RELAY_ID, time: serverTime })
    this.relay = new Relay({
      relayId: RELAY_ID,
      ticketKeys: [signer.publicKey],
      cookieSecret: sha256(utf8('cookie secret')),
      random: countingRandom(),
      time: serverTime,
    })
    const service = new UdpService({
      relay: this.relay,
      stun: new BindingServer({ sockets: [{ id: UDP, endpoint: UDP_ADDRESS }] }),
      witness: new StunWitness(new Uint8Array(32)),
    })
    const udp = {
      local: UDP_ADDRESS,
      send: (to: Endpoint, bytes: Uint8Array) => void this.sent.push({ to, frame: read(bytes) }),
      onDatagram: (handler: (from: Endpoint, bytes: Uint8Array) => void) => {
        this.#fromUdp = handler
      },
      setDontFragment: () => false,
      close: () => Promise.resolve(),
    }
    this.#driver = drive(service, {
      clock: time,
      sockets: { primary: [], named: new Map([[UDP, udp]]) },
      onEvent: (event, now) => this.door.handleEvent(event, now),
    })
    const makeAlarm = time.makeAlarm.bind(time)
    const random = countingRandom('outside')
    const outside = { clock: time, random, logger: silentLogger, makeAlarm }
    this.door = new RelayDoor({ service, driver: this.#driver, outside })
  }

  ticket(): Uint8Array {
    const session = new Uint8Array(16).fill(1)
    const { time } = this
    return this.#tickets.issue(time.now(), session, ALICE.keys.identity, BOB.keys.identity)
  }

  visitor(address = '192.0.2.10'): Visitor {
    this.#streams += 1
    const stream = new MemoryStream({
      exporter: sha256(utf8(`exporter ${this.#streams}`)),
      local: SERVER_ADDRESS,
      remote: at(`${address}:${10_000 + this.#streams}`),
    })
    const visitor = new Visitor(stream)
    this.door.accept(stream)
    return visitor
  }

  fromUdp(from: Endpoint, frame: RelayFrame): RelayFrame | undefined {
    this.#fromUdp(from, encodeRelayFrame(frame))
    return this.sent.at(-1)?.frame
  }

  boundByUdp(device: TestDevice, from: Endpoint): ChannelId {
    const cookie = this.fromUdp(from, bind(device, this.ticket(), new Uint8Array(16)))
    assert.equal(cookie?.kind, 'cookie')
    const bound = this.fromUdp(from, bind(device, this.ticket(), cookie.cookie))
    assert.equal(bound?.kind, 'bound')
    return bound.channel
  }

  close(): void {
    this.door.close()
    this.#driver.stop()
  }
}

class Visitor {
  readonly heard: RelayFrame[] = []
  readonly #stream: MemoryStream

  constructor(stream: MemoryStream) {
    this.#stream = stream
    const frames = new FrameDecoder(1 << 20)
    stream.client.onBytes = (bytes) => {
      const read_ = frames.push(bytes)
      assert.ok(read_.ok)
      for (const frame of read_.value) this.heard.push(read(frame))
    }
  }

  get isClosed(): boolean {
    return this.#stream.client.isClosed
  }

  get proof(): Uint8Array {
    return relayStreamProof(this.#stream.channel.exporter)
  }

  get client(): MemoryStream['client'] {
    return this.#stream.client
  }

  say(frame: RelayFrame): RelayFrame | undefined {
    this.#stream.client.send(encodeFrame(encodeRelayFrame(frame)))
    return this.heard.at(-1)
  }

  bound(device: TestDevice, ticket: Uint8Array): ChannelId {
    const answer = this.say(bind(device, ticket, this.proof))
    assert.equal(answer?.kind, 'bound')
    return answer.channel
  }

  get texts(): string[] {
    return this.heard.flatMap((frame) =>
      frame.kind === 'data' ? [Buffer.from(frame.payload).toString()] : [],
    )
  }
}

function read(bytes: Uint8Array): RelayFrame {
  const frame = decodeRelayFrame(Uint8Array.from(bytes))
  assert.ok(frame.ok)
  return frame.value
}

function bind({ identity }: TestDevice, ticket: Uint8Array, cookie: Uint8Array): RelayFrame {
  const signature = identity.sign(relayBindStatement(NONCE, cookie, ticket))
  return { kind: 'bind', nonce: NONCE, cookie, ticket, signature }
}

describe('RelayDoor', () => {
  let house: House

  beforeEach(() => {
    house = new House()
  })

  afterEach(() => house.close())

  it('binds by the stream itself, in one trip, and joins a side by TLS with one by UDP', () => {
    const alice = house.visitor()
    const ofAlice = alice.bound(ALICE, house.ticket())
    const ofBob = house.boundByUdp(BOB, BOBS_UDP)

    alice.say({ kind: 'data', channel: ofAlice, payload: utf8('by TLS') })
    house.fromUdp(BOBS_UDP, { kind: 'data', channel: ofBob, payload: utf8('by UDP') })

    const toBob = house.sent.at(-1)
    assert.deepEqual(toBob?.to, BOBS_UDP)
    assert.ok(toBob.frame.kind === 'data')
    assert.equal(Buffer.from(toBob.frame.payload).toString(), 'by TLS')
    assert.deepEqual(alice.texts, ['by UDP'])
    assert.equal(house.door.strangers, 0)
  })

  it('moves a side from UDP to TLS and back, under the same channel', async () => {
    const byUdp = house.boundByUdp(BOB, BOBS_UDP)
    const stream = house.visitor()

    const byTls = stream.bound(BOB, house.ticket())
    await house.time.pass(1)
    const cookie = house.fromUdp(BOBS_UDP, bind(BOB, house.ticket(), new Uint8Array(16)))
    assert.ok(cookie?.kind === 'cookie')
    const again = house.fromUdp(BOBS_UDP, bind(BOB, house.ticket(), cookie.cookie))

    assert.equal(byTls, byUdp)
    assert.equal(again?.kind === 'bound' && again.channel, byUdp)
    assert.equal(house.door.strangers, 1, 'the stream is nobody’s any more')
  })

  it('takes no BIND that was made for another stream, or for UDP', () => {
    const ticket = house.ticket()
    const alice = house.visitor()
    const recorded = bind(ALICE, ticket, alice.proof)
    const cookie = house.fromUdp(BOBS_UDP, bind(BOB, ticket, new Uint8Array(16)))
    assert.ok(cookie?.kind === 'cookie')
    const thief = house.visitor('198.51.100.66')

    const answers = [
      thief.say(recorded),
      thief.say(bind(BOB, ticket, cookie.cookie)),
      thief.say(bind(BOB, ticket, new Uint8Array(16))),
    ]

    assert.deepEqual(
      answers.map((answer) => answer?.kind),
      ['cookie', 'cookie', 'cookie'],
    )
    assert.equal(house.relay.stats.channels, 0)
  })

  it('lets nobody use a channel from another stream', () => {
    const alice = house.visitor()
    const ofAlice = alice.bound(ALICE, house.ticket())
    house.boundByUdp(BOB, BOBS_UDP)
    const thief = house.visitor()

    const answer = thief.say({ kind: 'data', channel: ofAlice, payload: utf8('not Alice') })

    assert.equal(answer?.kind, 'unknown-channel')
    assert.ok(house.sent.every(({ frame }) => frame.kind !== 'data'))
  })

  it('cuts whoever speaks another protocol, sends frames too long, or binds nothing in time', async () => {
    const garbage = house.visitor()
    const endless = house.visitor()
    const silent = house.visitor()
    const useless = house.visitor()

    garbage.client.send(encodeFrame(utf8('GET / HTTP/1.1')))
    endless.client.send(encodeFrame(new Uint8Array(MAX_RELAY_FRAME_BYTES + 1).fill(0x80)))
    for (let i = 0; i < 100; i++) {
      useless.client.send(encodeFrame(Uint8Array.of(0x8f, i))) // relay frames of no type
    }
    const atOnce = [garbage, endless, silent, useless].map(({ isClosed }) => isClosed)
    await house.time.pass(BIND_WITHIN_MS + 2_000)

    assert.deepEqual(atOnce, [true, true, false, false])
    assert.ok(silent.isClosed && useless.isClosed)
    assert.equal(house.door.strangers, 0)
    assert.equal(house.relay.stats.streams, 0)
  })

  it('cuts who never ends a frame, though it was bound', async () => {
    const slow = house.visitor()
    const channel = slow.bound(ALICE, house.ticket())
    const frame = encodeFrame(encodeData(channel, new Uint8Array(1_000)))

    for (let sent = 0; sent < (RELAY_FRAME_WITHIN_MS + 4_000) / 1000; sent++) {
      slow.client.send(frame.subarray(sent, sent + 1))
      await house.time.pass(1_000)
    }

    assert.ok(slow.isClosed)
    assert.equal(house.relay.stats.channels, 0)
  })

  it('keeps a stream that is used, and lets go of it when its last channel has lapsed', async () => {
    const alice = house.visitor()
    const channel = alice.bound(ALICE, house.ticket())

    for (let seconds = 0; seconds < 120; seconds += 20) {
      await house.time.pass(20_000)
      assert.equal(alice.say({ kind: 'ping', channel, nonce: NONCE })?.kind, 'pong')
    }
    assert.ok(!alice.isClosed)
    // The relay's own sweep runs on the driver's timer: turned by hand here.
    house.relay.handleTimeout(house.time.now())
    alice.client.hangUp()

    assert.equal(house.relay.stats.channels, 0)
    assert.ok(CHANNEL_LIFETIME_SECONDS * 1000 > 20_000)
  })

  it('lets a flood of strangers from one network cost others nothing', () => {
    const bound = house.visitor('198.51.100.1')
    bound.bound(ALICE, house.ticket())
    const neighbour = house.visitor('203.0.113.9')

    const flood = Array.from({ length: MOST_STRANGERS_PER_NETWORK + 50 }, () =>
      house.visitor('198.51.100.66'),
    )

    assert.ok(!bound.isClosed && !neighbour.isClosed)
    assert.equal(flood.filter(({ isClosed }) => isClosed).length, 50)
    assert.ok(flood[0]?.isClosed && !flood.at(-1)?.isClosed, 'the oldest go')
  })

  it('drops the oldest of what a slow reader does not take, and nothing of anybody else’s', () => {
    const [alice, bob] = [house.visitor(), house.visitor()]
    const ofAlice = alice.bound(ALICE, house.ticket())
    bob.bound(BOB, house.ticket())
    bob.client.stopReading()
    const payload = (index: number): Uint8Array => utf8(String(index).padStart(1_000, '0'))

    for (let index = 0; index < 300; index++) {
      alice.say({ kind: 'data', channel: ofAlice, payload: payload(index) })
    }
    const waitingBytes = bob.client.waitingBytes
    bob.client.readOn()

    const indexes = bob.texts.map(Number)
    assert.ok(waitingBytes < 32 * 1024, `${waitingBytes} bytes wait`)
    assert.deepEqual(
      indexes.slice(-MAX_WAITING_DATAGRAMS),
      Array.from({ length: MAX_WAITING_DATAGRAMS }, (_, i) => 300 - MAX_WAITING_DATAGRAMS + i),
    )
    assert.ok(indexes.length < 60)
  })

  it('lets everybody go when it closes', () => {
    const alice = house.visitor()
    alice.bound(ALICE, house.ticket())

    house.door.close()

    assert.ok(alice.isClosed)
    assert.ok(house.visitor().isClosed)
  })
})
