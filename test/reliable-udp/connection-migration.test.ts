import { strict as assert } from 'node:assert'
import type { Endpoint } from '../../src/core/endpoint.ts'
import { socketNamed } from '../../src/core/machine.ts'
import { packetConnectionId } from '../../src/reliable-udp/packet.ts'
import { addressA, addressB, Pair, type PairOptions, type Side } from './pair.ts'
import { contents, Traffic } from './traffic.ts'

const otherPort: Endpoint = { ...addressA, port: 4444 }
const otherNetwork: Endpoint = { family: 4, address: '203.0.113.5', port: 5555 }

function connected(options: PairOptions = {}): Pair {
  const pair = new Pair(options).connect()
  pair.run(1000)
  for (const side of [pair.a, pair.b]) {
    side.sent.length = 0
    side.events.length = 0
  }
  return pair
}

function say(pair: Pair, side: Side): void {
  pair.change(side, (now, connection) => {
    const stream = connection.openStream(now, { priority: 'control', direction: 'unidirectional' })
    connection.write(now, stream, contents(stream, 0, 1))
  })
}

describe('Connection, when the initiator’s address changes', () => {
  it('the responder follows another port, after a challenge, and keeps round trip and window', () => {
    const pair = connected()
    new Traffic(pair, pair.a).send('bulk', 300_000)
    new Traffic(pair, pair.b).send('bulk', 100_000)
    pair.run(2000)
    const { congestionWindowBytes, smoothedRttMs } = pair.b.connection.stats
    pair.a.addresses = [otherPort]
    say(pair, pair.a)
    pair.run(24)
    assert.deepEqual(pair.b.connection.path, { to: addressA })
    pair.run(60)

    assert.deepEqual(pair.b.connection.path, { to: otherPort })
    assert.ok(
      pair.b.events.some((event) => event.kind === 'path-changed' && event.path.to.port === 4444),
    )
    assert.equal(pair.b.connection.stats.congestionWindowBytes, congestionWindowBytes)
    assert.ok(Math.abs(pair.b.connection.stats.smoothedRttMs - smoothedRttMs) < 10)
  })

  it('the responder follows another address, and begins anew', () => {
    const pair = connected()
    new Traffic(pair, pair.a)
    new Traffic(pair, pair.b).send('bulk', 500_000)
    pair.run(3000)
    assert.ok(pair.b.connection.stats.congestionWindowBytes > 20_000)
    pair.a.addresses = [otherNetwork]
    say(pair, pair.a)
    pair.run(200)

    assert.deepEqual(pair.b.connection.path, { to: otherNetwork })
    assert.equal(pair.b.connection.stats.congestionWindowBytes, 12_000)
    assert.equal(pair.b.connection.stats.datagramBytes, 1200)
  })

  it('both use other connection ids on the new path', () => {
    const pair = connected()
    say(pair, pair.b)
    const before = packetConnectionId(pair.b.sent.at(-1) ?? new Uint8Array(0))
    pair.run(100)
    pair.a.addresses = [otherNetwork]
    say(pair, pair.a)
    pair.run(300)
    say(pair, pair.b)
    const after = packetConnectionId(pair.b.sent.at(-1) ?? new Uint8Array(0))

    assert.notEqual(after, before)
    assert.ok(after !== undefined && pair.a.connection.localIds.includes(after))
  })

  it('a copy of a packet sent on by somebody else moves nothing for long', () => {
    const pair = connected()
    let isCopying = true
    pair.tamper = (from, bytes) => {
      if (from !== pair.a || !isCopying) return bytes
      isCopying = false
      pair.inject(pair.b, otherNetwork, bytes) // it even comes first
      return bytes
    }
    say(pair, pair.a)
    pair.run(1000)

    assert.deepEqual(pair.b.connection.path, { to: addressA })
    const challenges = pair.b.sent.filter((bytes) => bytes.length >= 100)
    assert.ok(challenges.length <= 3)
    assert.ok(challenges.reduce((sum, bytes) => sum + bytes.length, 0) <= 3 * 40)
  })

  it('the initiator itself follows only another port', () => {
    const pair = connected()
    pair.b.addresses = [{ ...addressB, port: 6666 }, addressB]
    say(pair, pair.b)
    pair.run(200)
    assert.equal(pair.a.connection.path.to.port, 6666)

    pair.b.addresses = [otherNetwork, { ...addressB, port: 6666 }]
    say(pair, pair.b)
    pair.run(200)
    assert.equal(pair.a.connection.path.to.port, 6666)
  })
})

describe('Connection.migrate()', () => {
  it('sends to the new path at once, and looks whether a full packet passes', () => {
    const pair = connected()
    pair.b.addresses = [addressB, otherNetwork]
    pair.change(pair.a, (now, connection) => connection.migrate(now, { to: otherNetwork }))

    assert.deepEqual(pair.a.connection.path, { to: otherNetwork })
    assert.deepEqual(
      pair.a.sent.map((bytes) => bytes.length),
      [1200],
    )
    pair.run(50)
    assert.equal(pair.a.connection.stats.smoothedRttMs, 50)
    assert.equal(pair.a.connection.stats.bytesInFlight, 0)
  })

  it('begins with the round trip that the path’s finder measured', () => {
    const pair = connected()
    pair.change(pair.a, (now, connection) => connection.migrate(now, { to: otherNetwork }, 12))

    assert.equal(pair.a.connection.stats.smoothedRttMs, 12)
  })

  it('tells paths apart by their socket', () => {
    const pair = connected()
    const via = socketNamed('relay:00')
    const window = pair.a.connection.stats.congestionWindowBytes
    pair.change(pair.a, (now, connection) => connection.migrate(now, { to: addressB, via }))

    assert.deepEqual(pair.a.connection.path, { to: addressB, via })
    assert.ok(pair.a.connection.stats.congestionWindowBytes <= window)
    assert.equal(pair.a.connection.stats.smoothedRttMs, 333)
  })

  it('to the same path changes nothing', () => {
    const pair = connected()
    pair.change(pair.a, (now, connection) => connection.migrate(now, { to: addressB }))

    assert.equal(pair.a.sent.length, 0)
  })

  it('loses nothing of a transfer, from a slow path to a fast one and back', () => {
    const pair = connected({ weather: { latencyMs: 100 } })
    pair.b.addresses = [addressB, otherNetwork]
    const receiver = new Traffic(pair, pair.b)
    new Traffic(pair, pair.a).send('bulk', 1_000_000)
    for (const [latencyMs, to] of [
      [10, otherNetwork],
      [100, addressB],
      [5, otherNetwork],
    ] as const) {
      pair.run(400)
      pair.linkAB.conditions = { latencyMs }
      pair.linkBA.conditions = { latencyMs }
      pair.change(pair.a, (now, connection) => connection.migrate(now, { to }))
    }

    assert.ok(pair.runUntil(() => receiver.finishedCount === 1, 20_000))
    assert.ok(pair.a.connection.stats.packetsSpurious < 20)
  })

  it('resumes within two round trips when the old path was dead', () => {
    const pair = connected()
    const receiver = new Traffic(pair, pair.b)
    pair.b.addresses = []
    new Traffic(pair, pair.a).send('chat', 200)
    pair.run(3000)
    pair.b.addresses = [otherNetwork]
    const begin = pair.now
    pair.change(pair.a, (now, connection) => connection.migrate(now, { to: otherNetwork }, 50))

    assert.ok(pair.runUntil(() => receiver.finishedCount === 1, 5000))
    assert.ok(pair.now - begin <= 100, `${pair.now - begin} ms`)
  })
})
