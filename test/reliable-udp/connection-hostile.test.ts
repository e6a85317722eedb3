import { strict as assert } from 'node:assert'
import { INITIAL_STREAM_WINDOW_BYTES } from '../../src/reliable-udp/streams/streams.ts'
import fc from 'fast-check'
import { fromHex } from '../../src/core/bytes.ts'
import { instant } from '../../src/core/instant.ts'
import type { FrameWriter } from '../../src/reliable-udp/frame-writer.ts'
import { RangeSet } from '../../src/reliable-udp/range-set.ts'
import { type StreamId, streamIdOf, streamKind } from '../../src/reliable-udp/streams/stream-id.ts'
import { SeededRandom } from '../sim/seeded-random.ts'
import { HostilePeer } from './hostile-peer.ts'
import { addressA, addressB, Pair } from './pair.ts'
import { Traffic } from './traffic.ts'

function chat(index: number): StreamId {
  return streamIdOf('initiator', streamKind('chat', 'bidirectional'), index)
}

function data(
  writer: FrameWriter,
  stream: StreamId,
  offset: number,
  length: number,
  isLast = false,
): void {
  writer.streamHeader(stream, offset, length, isLast)
  writer.zeros(length)
}

function ackOf(first: number, last: number): RangeSet {
  const ranges = new RangeSet()
  ranges.add(first, last + 1)
  return ranges
}

const violations: readonly (readonly [
  what: string,
  write: (writer: FrameWriter) => void,
  code: number,
])[] = [
  ['acknowledges what was never sent', (w) => w.ack(ackOf(0, 1000), 0), 0xa],
  ['opens streams without end', (w) => data(w, chat(64), 0, 1), 0x4],
  ['sends beyond a stream’s window', (w) => data(w, chat(0), INITIAL_STREAM_WINDOW_BYTES, 1), 0x3],
  [
    'changes a final size',
    (w) => (data(w, chat(0), 0, 10, true), w.resetStream(chat(0), 0, 11)),
    0x6,
  ],
  [
    'speaks for a stream that we never opened',
    (w) => w.maxStreamData(streamIdOf('responder', 2, 0), 9),
    0x5,
  ],
  ['raises the limit of an unknown kind', (w) => w.maxStreams(6, 9), 0x7],
  ['sends an unknown frame', (w) => w.unsigned(0x3f, 1), 0x7],
  ['announces keys that it does not use', (w) => w.keyUpdate(1), 0xe],
]

describe('Connection, with a hostile peer', () => {
  for (const [what, write, code] of violations) {
    it(`closes when it ${what}, and says so`, () => {
      const peer = new HostilePeer()
      peer.send(write)

      const found = peer.violation
      assert.ok(found !== undefined)
      assert.equal(found.code, code)
      assert.deepEqual(peer.answers.at(-1), ['close', false, code, found.text])
      assert.equal(peer.victim.state, 'closing')
      peer.run(10_000)
      assert.equal(peer.victim.state, 'closed')
    })
  }

  it('closes on a packet without frames', () => {
    const peer = new HostilePeer()
    peer.sendPayload(new Uint8Array(0))

    assert.equal(peer.violation?.code, 0xa)
  })

  it('closes when all streams together exceed the connection’s window', () => {
    const peer = new HostilePeer()
    for (const index of [0, 1, 2])
      peer.send((writer) => data(writer, chat(index), INITIAL_STREAM_WINDOW_BYTES - 1, 1))

    assert.equal(peer.violation?.code, 0x3)
  })

  it('closes on more connection ids than anybody needs', () => {
    const peer = new HostilePeer()
    for (let sequence = 1; sequence < 20; sequence++) {
      peer.send((writer) =>
        writer.newConnectionId(sequence, 0, new Uint8Array(8).fill(sequence), new Uint8Array(16)),
      )
    }

    assert.equal(peer.violation?.code, 0x9)
  })

  it('a peer that shrinks windows gets no less than it gave', () => {
    const peer = new HostilePeer()
    const stream = peer.victim.openStream(instant(peer.now), { priority: 'bulk' })
    peer.send((writer) => {
      writer.maxData(0)
      writer.maxStreamData(stream, 0)
    })
    peer.victim.write(instant(peer.now), stream, new Uint8Array(5000))
    peer.send((writer) => writer.ping())
    peer.run(10)

    assert.equal(peer.violation, undefined)
    assert.ok(peer.bytesFromVictim > 5000)
  })

  it('a peer that never acknowledges gets a few probes, and holds no more memory than its windows', () => {
    const peer = new HostilePeer()
    const stream = peer.victim.openStream(instant(peer.now), { priority: 'bulk' })
    let taken = 0
    for (let i = 0; i < 100; i++)
      taken += peer.victim.write(instant(peer.now), stream, new Uint8Array(100_000))
    assert.equal(taken, 256 * 1024)
    for (let i = 0; i < 100; i++) {
      peer.run(1000)
      peer.send((writer) => writer.ping())
    }

    assert.ok(
      peer.bytesFromVictim < 12_000 + 1200 * 2 * 60 + 100 * 100,
      `${peer.bytesFromVictim} bytes`,
    )
    assert.equal(peer.victim.state, 'connected')
  })

  it('a peer that acknowledges too early makes nobody send faster than its windows', () => {
    const peer = new HostilePeer()
    const stream = peer.victim.openStream(instant(peer.now), { priority: 'bulk' })
    peer.victim.write(instant(peer.now), stream, new Uint8Array(200_000))
    for (let i = 0; i < 2000; i++) {
      peer.run(0.01)
      peer.send((writer) => writer.ack(ackOf(0, peer.datagramsFromVictim - 2), 0))
    }

    assert.ok(peer.bytesFromVictim < 50_000 + 2100 * 40, `${peer.bytesFromVictim} bytes`)
  })

  it('a peer that acknowledges what was sent, and did not arrive, gets no more than it acknowledges', () => {
    const peer = new HostilePeer()
    const stream = peer.victim.openStream(instant(peer.now), { priority: 'bulk' })
    peer.victim.write(instant(peer.now), stream, new Uint8Array(256 * 1024))
    peer.send((writer) => writer.ping())
    for (let i = 0; i < 200; i++) {
      peer.run(1)
      const newest = peer.datagramsFromVictim - 2 // the first datagram was the handshake's
      peer.send((writer) => writer.ack(ackOf(newest, newest), 0))
    }

    // The peer's own windows: 50,000 bytes for a stream. What it never acknowledged goes again, within the window.
    assert.equal(peer.violation, undefined)
    assert.ok(peer.bytesFromVictim < 4 * 50_000, `${peer.bytesFromVictim} bytes`)
  })

  it('a peer that sends every other byte fills the windows at most, and is cut off', () => {
    const peer = new HostilePeer()
    let sent = 0
    for (; peer.victim.state === 'connected' && sent < 100_000; sent += 100) {
      peer.send((writer) => {
        for (let i = 0; i < 100; i++) data(writer, chat(0), 2 * (sent + i) + 1, 1)
      })
    }

    assert.equal(peer.violation?.text, 'data in too many pieces')
    assert.ok(sent <= 32_768 + 100)
    assert.ok(peer.victim.stats.streamBytesHeld <= 2 * 512 * 1024)
  })

  it('a peer that opens, fills and leaves every stream it may holds the connection’s window at most', () => {
    const peer = new HostilePeer()
    const kinds = [0, 1, 2, 3, 4, 5]
    for (let index = 0; index < 64; index++) {
      for (const kind of kinds) {
        peer.send((writer) => data(writer, streamIdOf('initiator', kind, index), 0, 1000))
      }
    }

    assert.equal(peer.violation, undefined)
    assert.equal(peer.victim.stats.openStreams, 384)
    // One ring is 4 KiB at least; together no more than twice the window of 1 MiB beyond that.
    assert.ok(peer.victim.stats.streamBytesHeld <= 2 * 1024 * 1024)
  })

  it('new connection ids that replace one another without end are followed, and none is kept', () => {
    const peer = new HostilePeer()
    for (let sequence = 1; sequence < 2000; sequence++) {
      const id = new Uint8Array(8).fill(sequence & 0xff)
      peer.send((writer) => writer.newConnectionId(sequence, sequence, id, new Uint8Array(16)))
    }

    assert.equal(peer.violation, undefined)
    assert.equal(peer.victim.state, 'connected')
  })

  it('a storm of PINGs is answered with less than it cost', () => {
    const peer = new HostilePeer()
    for (let i = 0; i < 1000; i++) peer.send((writer) => writer.ping())

    assert.ok(peer.datagramsFromVictim <= 1010)
    assert.ok(peer.bytesFromVictim < 1000 * 45)
  })

  it('a storm of challenges is answered to the address it came from, no longer than it was', () => {
    const peer = new HostilePeer()
    const before = peer.bytesFromVictim
    for (let i = 0; i < 100; i++)
      peer.send((writer) => writer.pathChallenge(new Uint8Array(8).fill(i)))

    assert.ok(peer.bytesFromVictim - before <= 100 * 40 + 100 * 45)
  })

  it('new keys with every packet are followed', () => {
    const peer = new HostilePeer()
    for (let i = 0; i < 200; i++) {
      peer.updateKeys()
      peer.send((writer) => writer.ping())
    }

    assert.equal(peer.violation, undefined)
    assert.equal(peer.victim.stats.keyGeneration, 200)
  })

  it('a reset after everything, stops of everything, and frames for what is over are nothing', () => {
    const peer = new HostilePeer()
    peer.send((writer) => data(writer, chat(0), 0, 10, true))
    peer.victim.read(instant(peer.now), chat(0))
    peer.send((writer) => {
      writer.stopSending(chat(0), 1)
      writer.resetStream(chat(0), 2, 10)
      data(writer, chat(0), 0, 10, true)
      writer.maxStreamData(chat(0), 10)
      writer.stopSending(chat(0), 1)
    })
    peer.run(5000)

    assert.equal(peer.violation, undefined)
  })

  it('no frames whatever make it throw', () => {
    const frames = fc.uint8Array({ minLength: 1, maxLength: 100 })
    fc.assert(
      fc.property(fc.array(frames, { maxLength: 10 }), fc.nat(), (payloads, seed) => {
        const peer = new HostilePeer(seed)
        for (const payload of payloads) {
          peer.sendPayload(payload)
          peer.run(10)
        }
        peer.run(60_000)
      }),
      { numRuns: 40 },
    )
  })

  it('no sequence of well-formed frames makes it throw, nor hold more than its windows', () => {
    for (let seed = 1; seed <= 30; seed++) {
      const peer = new HostilePeer(seed)
      for (let i = 0; i < 100 && peer.victim.state === 'connected'; i++) {
        peer.send((writer) => writeSomething(writer, peer.random))
        peer.run(peer.random.bytes(1)[0] ?? 0)
        assert.ok(peer.victim.stats.openStreams <= 6 * 64)
      }
      peer.run(60_000)
      assert.equal(peer.victim.pollTimeout(), undefined)
    }
  })
})

function writeSomething(writer: FrameWriter, random: SeededRandom): void {
  const [kind = 0, a = 0, b = 0, c = 0] = random.bytes(4)
  const stream = (a & 31) as StreamId
  const writes = [
    () => writer.ping(),
    () => writer.ack(ackOf(Math.min(a, b) >> 3, Math.max(a, b) >> 4), c),
    () => data(writer, stream, b * 256, c, (b & 7) === 0),
    () => writer.resetStream(stream, b, c * 100),
    () => writer.stopSending(stream, b),
    () => writer.maxData(b * 1000),
    () => writer.maxStreamData(stream, b * 1000),
    () => writer.maxStreams(a % 6, b),
    () => writer.pathChallenge(random.bytes(8)),
    () => writer.pathResponse(random.bytes(8)),
    () => writer.datagram(random.bytes(b)),
  ]
  writes[kind % writes.length]?.()
  if (writer.at === 0) writer.ping()
}

describe('Connection, with strangers on the way', () => {
  it('drops any bytes whatever, in any state', () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 1300 }), { maxLength: 20 }), (datagrams) => {
        const pair = new Pair()
        for (const bytes of datagrams) pair.inject(pair.b, addressA, bytes)
        pair.connect(2000)
        for (const bytes of datagrams) {
          bytes[0] = 0x50 | ((bytes[0] ?? 0) & 0xf)
          pair.inject(pair.b, addressA, bytes)
          pair.inject(pair.a, addressB, bytes)
        }
        assert.equal(pair.b.connection.state, 'connected')
      }),
      { numRuns: 50 },
    )
  })

  it('delivers although every packet comes with damaged, cut and repeated copies of itself', () => {
    const pair = new Pair({ weather: { latencyMs: 10, loss: 0.05 } })
    const random = new SeededRandom(5)
    let isInjecting = false
    pair.tamper = (from, bytes) => {
      if (isInjecting) return bytes
      isInjecting = true
      const to = pair.other(from)
      const sender = from.addresses[0] ?? addressA
      const [at = 0, bit = 0] = random.bytes(2)
      const damaged = Uint8Array.from(bytes)
      damaged[at % bytes.length] = (damaged[at % bytes.length] ?? 0) ^ (1 << (bit & 7))
      pair.inject(to, sender, damaged)
      pair.inject(to, sender, bytes.subarray(0, at))
      pair.inject(from, to.addresses[0] ?? addressB, bytes) // reflected to its sender
      const old = from.sent[bit % from.sent.length]
      if (old !== undefined) pair.inject(to, sender, old)
      isInjecting = false
      return bytes
    }
    pair.connect(5000)
    const receiver = new Traffic(pair, pair.b)
    new Traffic(pair, pair.a).send('bulk', 100_000)

    assert.ok(pair.runUntil(() => receiver.finishedCount === 1, 30_000))
    assert.ok(pair.b.connection.stats.packetsDropped > 50)
  })

  it('takes several packets in one datagram', () => {
    const pair = new Pair().connect()
    const held: Uint8Array[] = []
    pair.tamper = (from, bytes) => {
      if (from === pair.b) return bytes
      held.push(bytes)
      return undefined
    }
    for (let i = 0; i < 3; i++) {
      pair.change(pair.a, (now, connection) => {
        const stream = connection.openStream(now, { priority: 'control' })
        connection.write(now, stream, Uint8Array.of(i))
      })
    }
    pair.inject(pair.b, addressA, Buffer.concat([...held, fromHex('ffff')]))

    assert.equal(pair.b.events.filter((event) => event.kind === 'stream-readable').length, 3)
  })
})
