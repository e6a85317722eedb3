import { strict as assert } from 'node:assert'
import { utf8 } from '../../src/core/bytes.ts'
import type { ConnectionEvent } from '../../src/reliable-udp/connection-event.ts'
import { NewReno } from '../../src/reliable-udp/congestion/new-reno.ts'
import type { StreamId, StreamPriority } from '../../src/reliable-udp/streams/stream-id.ts'
import { Pair, type PairOptions, type Side } from './pair.ts'
import { contents, Traffic } from './traffic.ts'

function connected(options: PairOptions = {}): Pair {
  const pair = new Pair(options).connect()
  pair.run(1000) // ids exchanged and acknowledged
  for (const side of [pair.a, pair.b]) {
    side.sent.length = 0
    side.events.length = 0
  }
  return pair
}

function say(pair: Pair, side: Side, priority: StreamPriority, bytes: Uint8Array): StreamId {
  return pair.change(side, (now, connection) => {
    const stream = connection.openStream(now, { priority })
    assert.equal(connection.write(now, stream, bytes), bytes.length)
    return stream
  })
}

function read(pair: Pair, side: Side, stream: StreamId, maxBytes?: number): string | undefined {
  const bytes = pair.change(side, (now, connection) => connection.read(now, stream, maxBytes))
  return bytes === undefined ? undefined : Buffer.from(bytes).toString()
}

function kinds(side: Side): ConnectionEvent['kind'][] {
  return side.events.map((event) => event.kind)
}

describe('Connection on a calm link', () => {
  it('carries a chat message in half a round trip, in three copies, each acknowledged', () => {
    const pair = connected()
    const begin = pair.now
    let arrivedAt = 0
    pair.b.onEvent = (event) => {
      if (event.kind === 'stream-readable') arrivedAt = pair.now - begin
    }
    const stream = say(pair, pair.a, 'chat', utf8('hello'))
    pair.run(5000)

    assert.equal(arrivedAt, 25)
    assert.equal(read(pair, pair.b, stream), 'hello')
    assert.deepEqual([pair.a.sent.length, pair.b.sent.length], [3, 3])
    assert.deepEqual(kinds(pair.b), ['stream-opened', 'stream-readable'])
  })

  it('does not repeat chat where the answer comes within 12 ms', () => {
    const pair = connected({ weather: { latencyMs: 5 } })
    say(pair, pair.a, 'chat', utf8('hello'))
    pair.run(5000)

    assert.deepEqual([pair.a.sent.length, pair.b.sent.length], [1, 1])
  })

  it('answers chat in one packet, the acknowledgement in it', () => {
    const pair = connected({ weather: { latencyMs: 5 } })
    pair.b.onEvent = (event) => {
      if (event.kind !== 'stream-readable') return
      const { connection } = pair.b
      connection.read(pair.instant, event.stream)
      connection.write(pair.instant, event.stream, utf8('and to you'))
    }
    const stream = say(pair, pair.a, 'chat', utf8('hello'))
    pair.runUntil(() => kinds(pair.a).includes('stream-readable'), 1000)
    assert.deepEqual([pair.a.sent.length, pair.b.sent.length], [1, 1])

    pair.run(5000)
    assert.equal(read(pair, pair.a, stream), 'and to you')
    assert.deepEqual([pair.a.sent.length, pair.b.sent.length], [2, 1]) // a acknowledges the answer
  })

  it('carries a control message in one packet, acknowledged at once', () => {
    const pair = connected()
    const begin = pair.now
    say(pair, pair.a, 'control', utf8('hello'))
    pair.runUntil(() => pair.a.connection.stats.bytesInFlight === 0, 1000)

    assert.equal(pair.now - begin, 50)
    assert.deepEqual([pair.a.sent.length, pair.b.sent.length], [1, 1])
  })

  it('acknowledges a file’s packets eight at a time, and a hundred of them in pairs', () => {
    const pair = connected({ weather: { latencyMs: 1 } })
    new Traffic(pair, pair.b)
    const sender = new Traffic(pair, pair.a)
    sender.send('bulk', 2_000_000)
    pair.run(20_000)

    const data = pair.a.sent.filter((bytes) => bytes.length >= 1200).length
    const acks = pair.b.sent.length
    assert.ok(data < 1450, `${data} packets`)
    assert.ok(
      acks > 50 + data / 9 && acks < 120 + data / 6,
      `${acks} acknowledgements for ${data} packets`,
    )
    assert.equal(pair.a.connection.stats.packetsLost, 0)
  })

  it('finds out that larger packets pass', () => {
    const pair = connected({ weather: { latencyMs: 5, mtuBytes: 1430 } })
    new Traffic(pair, pair.b)
    new Traffic(pair, pair.a).send('bulk', 500_000)
    pair.run(10_000)

    assert.equal(pair.a.connection.stats.datagramBytes, 1400)
    assert.equal(pair.a.connection.stats.packetsLost, 0, 'a probe is no loss')
    assert.ok(pair.b.events.some((event) => event.kind === 'stream-finished'))
  })

  it('survives a path that stops carrying large packets', () => {
    const pair = connected({ weather: { latencyMs: 5 } })
    const receiver = new Traffic(pair, pair.b)
    const sender = new Traffic(pair, pair.a)
    sender.send('bulk', 500_000)
    pair.run(10_000)
    assert.equal(pair.a.connection.stats.datagramBytes, 1472)

    pair.linkAB.conditions = { latencyMs: 5, mtuBytes: 1250 }
    sender.send('bulk', 500_000)
    assert.ok(pair.runUntil(() => receiver.finishedCount === 2, 10_000))
    assert.equal(pair.a.connection.stats.datagramBytes, 1200)
  })

  it('says nothing when there is nothing to say', () => {
    const pair = connected({ a: { idleTimeoutMs: 0 }, b: { idleTimeoutMs: 0 } })

    assert.equal(pair.isQuiet, true)
  })

  it('fills packets: what is written during one change travels together', () => {
    const pair = connected()
    pair.change(pair.a, (now, connection) => {
      for (let i = 0; i < 10; i++) {
        connection.write(
          now,
          connection.openStream(now, { priority: 'control' }),
          contents(1, 0, 50),
        )
      }
    })

    assert.equal(pair.a.sent.length, 1)
  })

  it('works with another controller', () => {
    const newController = (_now: number, bytes: number): NewReno => new NewReno(bytes)
    const pair = connected({ a: { newController }, weather: { latencyMs: 10, loss: 0.02 } })
    const receiver = new Traffic(pair, pair.b)
    new Traffic(pair, pair.a).send('bulk', 300_000)

    assert.ok(pair.runUntil(() => receiver.finishedCount === 1, 20_000))
  })
})

describe('Connection’s streams', () => {
  it('go both ways and end each for itself', () => {
    const pair = connected()
    const stream = say(pair, pair.a, 'chat', utf8('ping'))
    pair.run(100)
    assert.equal(read(pair, pair.b, stream), 'ping')
    pair.change(pair.b, (now, connection) => connection.write(now, stream, utf8('pong')))
    pair.change(pair.b, (now, connection) => connection.finish(now, stream))
    pair.run(200)
    assert.equal(read(pair, pair.a, stream), 'pong')
    assert.equal(kinds(pair.a).at(-1), 'stream-finished')

    pair.change(pair.a, (now, connection) => connection.write(now, stream, utf8(' again')))
    pair.change(pair.a, (now, connection) => connection.finish(now, stream))
    pair.run(200)
    assert.equal(read(pair, pair.b, stream), ' again')
    assert.equal(pair.a.connection.stats.openStreams + pair.b.connection.stats.openStreams, 0)
  })

  it('give as much as is asked for', () => {
    const pair = connected()
    const stream = say(pair, pair.a, 'chat', utf8('hello'))
    pair.run(100)

    assert.deepEqual(
      [read(pair, pair.b, stream, 2), read(pair, pair.b, stream, 100), read(pair, pair.b, stream)],
      ['he', 'llo', undefined],
    )
  })

  it('hold the writer back when the reader does not read, and go on when it does', () => {
    const pair = connected({ weather: { latencyMs: 5, rateBytesPerSecond: 1_000_000 } })
    const stream = pair.change(pair.a, (now, connection) =>
      connection.openStream(now, { priority: 'bulk' }),
    )
    let written = 0
    const pump = (): void => {
      pair.change(pair.a, (now, connection) => {
        for (;;) {
          const taken = connection.write(now, stream, contents(stream, written, 10_000))
          written += taken
          if (taken < 10_000) return
        }
      })
    }
    pair.a.onEvent = (event) => {
      if (event.kind === 'stream-writable' && written < 4_000_000) pump()
    }
    pump()
    pair.run(10_000)
    const stuckAt = written
    assert.ok(stuckAt < 1_500_000, `${stuckAt} bytes for a window of 1 MiB`)
    assert.equal(pair.a.connection.stats.bytesInFlight, 0)

    let at = 0
    const drain = (): void => {
      for (;;) {
        const bytes = pair.change(pair.b, (now, connection) => connection.read(now, stream))
        if (bytes === undefined) return
        assert.equal(Buffer.compare(bytes, contents(stream, at, bytes.length)), 0)
        at += bytes.length
      }
    }
    pair.b.onEvent = (event) => {
      if (event.kind === 'stream-readable') drain()
    }
    drain()
    pair.run(20_000)
    assert.equal(at, written)
    assert.ok(written >= 4_000_000)
  })

  it('a reset is told with its code, a stop as well', () => {
    const pair = connected()
    const first = say(pair, pair.a, 'chat', utf8('one'))
    const second = say(pair, pair.a, 'chat', utf8('two'))
    pair.run(100)
    pair.change(pair.a, (now, connection) => connection.resetStream(now, first, 7))
    pair.change(pair.b, (now, connection) => connection.stopReading(now, second, 8))
    pair.run(200)

    assert.ok(
      pair.b.events.some((e) => e.kind === 'stream-reset' && e.stream === first && e.code === 7),
    )
    assert.ok(
      pair.a.events.some((e) => e.kind === 'stream-stopped' && e.stream === second && e.code === 8),
    )
    assert.equal(
      pair.change(pair.a, (now, connection) => connection.write(now, second, utf8('x'))),
      0,
    )
  })

  it('chat does not wait behind a file', () => {
    const pair = connected({
      weather: { latencyMs: 25, rateBytesPerSecond: 250_000, queueBytes: 12_500 },
    })
    const receiver = new Traffic(pair, pair.b)
    const sender = new Traffic(pair, pair.a)
    sender.send('bulk', 4_000_000)
    pair.run(3000)
    const delays: number[] = []
    for (let i = 0; i < 50; i++) {
      const begin = pair.now
      const finished = receiver.finishedCount
      sender.send('chat', 100)
      assert.ok(pair.runUntil(() => receiver.finishedCount > finished, 1000))
      delays.push(pair.now - begin)
      pair.run(100)
    }
    delays.sort((a, b) => a - b)

    // 25 ms of way, 50 ms of the link's full queue at worst.
    assert.ok((delays[25] ?? Infinity) <= 90, `${delays[25]} ms`)
    assert.ok((delays[47] ?? Infinity) <= 110, `${delays[47]} ms`)
  })

  it('cannot be opened before the connection stands', () => {
    const pair = new Pair()

    assert.throws(() => pair.a.connection.openStream(pair.instant, { priority: 'chat' }), {
      code: 'BUSY',
    })
  })

  it('datagrams go along, and are lost when they are lost', () => {
    const pair = connected()
    pair.change(pair.a, (now, connection) => {
      assert.equal(connection.sendDatagram(now, utf8('one')), true)
      assert.equal(connection.sendDatagram(now, new Uint8Array(1024)), true)
      assert.equal(connection.sendDatagram(now, new Uint8Array(1025)), false)
    })
    pair.tamper = () => undefined
    pair.change(pair.a, (now, connection) => connection.sendDatagram(now, utf8('lost')))
    pair.tamper = (_from, bytes) => bytes
    pair.run(5000)

    const got = pair.b.events.flatMap((event) =>
      event.kind === 'datagram' ? [event.bytes.length] : [],
    )
    assert.deepEqual(got, [3, 1024])
  })

  it('waiting datagrams are bounded', () => {
    const pair = connected()
    const accepted = Array.from({ length: 40 }, () =>
      pair.a.connection.sendDatagram(pair.instant, utf8('x')),
    ).filter((isTaken) => isTaken)

    assert.equal(accepted.length, 32)
  })
})

describe('Connection’s keys', () => {
  it('are renewed while data flows, at both sides, without loss', () => {
    const keyLimits = { ageMs: 120_000, packets: 50, bytes: 2 ** 30 }
    const pair = connected({
      weather: { latencyMs: 10, loss: 0.1, reorder: { chance: 0.2, delayMs: 15 } },
      a: { keyLimits },
    })
    const receiver = new Traffic(pair, pair.b)
    new Traffic(pair, pair.a).send('bulk', 400_000)

    assert.ok(pair.runUntil(() => receiver.finishedCount === 1, 60_000))
    const { keyGeneration } = pair.a.connection.stats
    assert.ok(keyGeneration >= 4, `${keyGeneration} generations`)
    pair.run(5000)
    assert.ok(
      Math.abs(pair.b.connection.stats.keyGeneration - pair.a.connection.stats.keyGeneration) <= 1,
    )
    assert.equal(pair.a.connection.state, 'connected')
  })

  it('are renewed after two minutes, by whoever speaks first', () => {
    const pair = connected({ a: { idleTimeoutMs: 0 }, b: { idleTimeoutMs: 0 } })
    pair.run(118_000)
    say(pair, pair.b, 'control', utf8('x'))
    pair.run(2000)
    assert.equal(pair.b.connection.stats.keyGeneration, 0)

    say(pair, pair.b, 'control', utf8('x'))
    pair.run(1000)

    assert.deepEqual(
      [pair.a.connection.stats.keyGeneration, pair.b.connection.stats.keyGeneration],
      [1, 1],
    )
    assert.equal(pair.isQuiet, true)
  })
})

describe('Connection’s idle timeout', () => {
  it('ends it after 30 s of silence, without a word', () => {
    const pair = connected()
    pair.run(60_000)

    const idle = { kind: 'closed', reason: 'idle', code: 0, text: 'the peer fell silent' }
    assert.deepEqual([pair.a.events, pair.b.events], [[idle], [idle]])
    assert.equal(pair.a.sent.length + pair.b.sent.length, 0)
    assert.equal(pair.isQuiet, true)
  })

  it('is the shorter one of both sides', () => {
    const pair = connected({ b: { idleTimeoutMs: 5000 } })
    pair.run(6000)

    assert.deepEqual([pair.a.connection.state, pair.b.connection.state], ['closed', 'closed'])
  })

  it('a keep-alive of one side keeps both', () => {
    const pair = connected()
    pair.change(pair.b, (_now, connection) => connection.keepAlive(12_000))
    pair.run(300_000)

    assert.deepEqual([pair.a.connection.state, pair.b.connection.state], ['connected', 'connected'])
    assert.ok(pair.b.sent.length <= 25, `${pair.b.sent.length} PINGs in 300 s`)
    pair.change(pair.b, (_now, connection) => connection.keepAlive(undefined))
    pair.run(60_000)
    assert.equal(pair.b.connection.state, 'closed')
  })

  it('ends it although data is outstanding, when nobody answers', () => {
    const pair = connected()
    pair.tamper = () => undefined
    say(pair, pair.a, 'chat', utf8('anybody there?'))
    pair.run(40_000)

    assert.equal(kinds(pair.a).at(-1), 'closed')
    assert.ok(pair.a.sent.length < 40, `${pair.a.sent.length} packets into the void`)
  })

  it('concludes nothing from a silence that was our own', () => {
    const pair = connected()
    pair.a.asleepUntil = pair.now + 45_000
    pair.b.asleepUntil = pair.now + 45_000
    pair.run(50_000)

    assert.deepEqual([pair.a.connection.state, pair.b.connection.state], ['connected', 'connected'])
  })

  it('begins anew after an absence: a peer that is gone is asked once more', () => {
    const pair = connected()
    pair.a.asleepUntil = pair.now + 45_000
    pair.run(45_000)
    assert.equal(pair.b.connection.state, 'closed')
    pair.run(29_900)
    assert.equal(pair.a.connection.state, 'connected')
    pair.run(200)
    assert.equal(pair.a.connection.state, 'closed')
  })
})
