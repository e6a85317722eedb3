import { strict as assert } from 'node:assert'
import { utf8 } from '../../src/core/bytes.ts'
import { Pair, type PairOptions } from './pair.ts'

function connected(options: PairOptions = {}): Pair {
  const pair = new Pair(options).connect()
  pair.run(1000)
  for (const side of [pair.a, pair.b]) {
    side.sent.length = 0
    side.events.length = 0
  }
  return pair
}

const bye = { code: 17, text: 'good night' }
const local = { kind: 'closed', reason: 'local', ...bye }
const byPeer = { kind: 'closed', reason: 'peer', ...bye }

function close(pair: Pair): void {
  pair.change(pair.a, (now, connection) => connection.close(now, bye.code, bye.text))
}

describe('Connection.close()', () => {
  it('tells the peer why, and ends when it has answered', () => {
    const pair = connected()
    close(pair)
    assert.equal(pair.a.connection.state, 'closing')
    pair.run(51)

    assert.deepEqual([pair.a.events, pair.b.events], [[local], [byPeer]])
    assert.equal(pair.a.connection.state, 'closed')
    assert.equal(pair.b.connection.state, 'draining')
    pair.run(10_000)
    assert.equal(pair.b.connection.state, 'closed')
    assert.deepEqual([pair.a.sent.length, pair.b.sent.length], [1, 1])
    assert.equal(pair.isQuiet, true)
  })

  it('reaches the peer although three copies are lost', () => {
    const pair = connected()
    let dropped = 0
    pair.tamper = (from, bytes) => (from === pair.a && dropped++ < 3 ? undefined : bytes)
    close(pair)
    pair.run(5000)

    assert.deepEqual([pair.a.events, pair.b.events], [[local], [byPeer]])
  })

  it('is said again when the peer goes on talking', () => {
    const pair = connected()
    let isDeaf = true
    pair.tamper = (from, bytes) => (from === pair.a && isDeaf ? undefined : bytes)
    close(pair)
    isDeaf = false
    pair.change(pair.b, (now, connection) => {
      connection.write(now, connection.openStream(now, { priority: 'control' }), utf8('hello?'))
    })
    pair.run(60)

    assert.deepEqual(pair.b.events, [byPeer])
  })

  it('ends also where nobody listens', () => {
    const pair = connected()
    pair.tamper = () => undefined
    close(pair)
    pair.run(5000)

    assert.deepEqual(pair.a.events, [local])
    assert.equal(pair.a.sent.length, 4)
  })

  it('by both at once ends both with their own word', () => {
    const pair = connected()
    close(pair)
    pair.change(pair.b, (now, connection) => connection.close(now, 1, 'me too'))
    pair.run(100)

    assert.deepEqual(pair.a.events, [local])
    assert.deepEqual(pair.b.events, [{ kind: 'closed', reason: 'local', code: 1, text: 'me too' }])
  })

  it('given twice is given once', () => {
    const pair = connected()
    close(pair)
    close(pair)
    pair.run(5000)
    close(pair)

    assert.deepEqual(pair.a.events, [local])
  })

  it('afterwards commands do nothing and packets are not answered', () => {
    const pair = connected()
    const stream = pair.change(pair.a, (now, connection) =>
      connection.openStream(now, { priority: 'chat' }),
    )
    const [old] = new Array<Uint8Array>(Uint8Array.from(pair.b.sent.at(-1) ?? []))
    close(pair)
    pair.run(5000)
    pair.a.sent.length = 0

    assert.throws(() => pair.a.connection.openStream(pair.instant, { priority: 'chat' }), {
      code: 'BUSY',
    })
    pair.change(pair.a, (now, connection) => {
      assert.equal(connection.write(now, stream, utf8('x')), 0)
      assert.equal(connection.read(now, stream), undefined)
      connection.finish(now, stream)
      connection.resetStream(now, stream, 0)
      connection.migrate(now, connection.path)
    })
    for (let i = 0; i < 100; i++)
      pair.inject(pair.a, { family: 4, address: '192.0.2.9', port: 9 }, old ?? new Uint8Array(40))

    assert.equal(pair.a.sent.length, 0)
    assert.equal(pair.isQuiet, true)
  })

  it('answers a peer that missed its answer, with ever fewer words', () => {
    const pair = connected()
    let answers = 0
    pair.tamper = (from, bytes) => (from === pair.b && answers++ < 2 ? undefined : bytes)
    close(pair)
    pair.run(2000)

    assert.deepEqual([pair.a.events, pair.b.events], [[local], [byPeer]])
    assert.equal(pair.a.connection.state, 'closed')
  })
})
