import { strict as assert } from 'node:assert'
import { concatBytes, utf8 } from '../../src/core/bytes.ts'
import { staticKeyFromSeed } from '../../src/crypto/static-key.ts'
import type { ConnectionEvent } from '../../src/reliable-udp/connection-event.ts'
import {
  decodeHandshakePacket,
  encodeHandshakePacket,
  encodeVersionNegotiation,
} from '../../src/reliable-udp/handshake-packet.ts'
import {
  addressA,
  addressB,
  INITIAL_ID,
  Pair,
  type PairOptions,
  type Side,
  staticA,
  staticB,
} from './pair.ts'

const stranger = { family: 4, address: '203.0.113.66', port: 666 } as const

function sizes(side: Side): number[] {
  return side.sent.map((bytes) => bytes.length)
}

function eventsOf(side: Side, kind: ConnectionEvent['kind']): readonly ConnectionEvent[] {
  return side.events.filter((event) => event.kind === kind)
}

function stepOf(bytes: Uint8Array): string {
  const packet = decodeHandshakePacket(bytes)
  return ((bytes[0] ?? 0) & 0x30) === 0 && packet.ok ? packet.value.step : 'data'
}

/** Loses the first `count` datagrams that are such handshake packets. */
function lose(pair: Pair, step: string, count: number): void {
  let left = count
  pair.tamper = (_from, bytes) => {
    if (stepOf(bytes) !== step || left === 0) return bytes
    left -= 1
    return undefined
  }
}

const patterns = ['IK', 'XX'] as const

for (const pattern of patterns) {
  describe(`Handshake ${pattern}`, () => {
    const newPair = (more: PairOptions = {}): Pair => new Pair({ pattern, ...more })

    it('tells each side who the other is and what it says', () => {
      const pair = newPair().connect()

      assert.deepEqual(eventsOf(pair.a, 'connected'), [
        {
          kind: 'connected',
          remoteStatic: staticB.publicKey,
          payload: Uint8Array.from(utf8('I am b')),
        },
      ])
      assert.deepEqual(eventsOf(pair.b, 'connected'), [
        {
          kind: 'connected',
          remoteStatic: staticA.publicKey,
          payload: Uint8Array.from(utf8('I am a')),
        },
      ])
    })

    it('takes one round trip for the initiator, half of one more for the responder', () => {
      const pair = newPair()
      const begin = pair.now
      const connectedAt = new Map<string, number>()
      for (const side of [pair.a, pair.b]) {
        side.onEvent = (event) => {
          if (event.kind === 'connected') connectedAt.set(side.name, pair.now - begin)
        }
      }
      pair.connect()

      assert.deepEqual([connectedAt.get('a'), connectedAt.get('b')], [50, 75])
      assert.equal(pair.a.connection.stats.smoothedRttMs, 50)
      assert.equal(pair.b.connection.stats.smoothedRttMs, 50)
    })

    it('sends no packet more than it needs on a calm link', () => {
      const pair = newPair().connect()
      pair.run(10_000)

      // First and second are the padded handshake packets; then each side's two spare ids and their acknowledgement.
      const wanted = pattern === 'IK' ? 2 : 3
      assert.deepEqual(
        pair.a.sent.slice(0, wanted).map(stepOf),
        pattern === 'IK' ? ['initial', 'data'] : ['initial', 'final', 'data'],
      )
      assert.deepEqual(sizes(pair.a)[0], 1200)
      assert.deepEqual(sizes(pair.b)[0], 1200)
      assert.equal(pair.a.sent.length + pair.b.sent.length, pattern === 'IK' ? 5 : 7)
    })

    for (const step of pattern === 'IK'
      ? ['initial', 'response']
      : ['initial', 'response', 'final']) {
      it(`survives the loss of three ${step} packets`, () => {
        const pair = newPair()
        lose(pair, step, 3)
        pair.connect(5000)
        pair.run(2000)

        assert.equal(eventsOf(pair.a, 'connected').length, 1)
        assert.equal(eventsOf(pair.b, 'connected').length, 1)
        assert.equal(pair.a.connection.state, 'connected')
      })
    }

    it('the responder repeats its answer by itself', () => {
      const pair = newPair()
      let dropped = 0
      pair.tamper = (from, bytes) => {
        if (from === pair.b && dropped++ < 1) return undefined
        return from === pair.a && stepOf(bytes) === 'initial' && pair.a.sent.length > 1
          ? undefined
          : bytes
      }

      pair.connect(2000)
    })

    it('gives up after 15 s without an answer, and says so', () => {
      const pair = newPair()
      pair.tamper = () => undefined
      pair.start()
      const begin = pair.now
      pair.run(60_000)

      assert.deepEqual(eventsOf(pair.a, 'closed'), [
        { kind: 'closed', reason: 'handshake-failed', code: 0, text: 'no answer' },
      ])
      assert.equal(pair.a.connection.state, 'closed')
      assert.equal(pair.a.sent.length, 17, '0, 0.3, 0.9, 1.9 … 14.9 s')
      assert.ok(pair.now - begin >= 15_000)
      assert.equal(pair.timeoutOf(pair.a), undefined)
    })

    it('is not harmed by damaged copies that arrive first', () => {
      const pair = newPair()
      let isInjecting = false
      pair.tamper = (from, bytes) => {
        if (isInjecting || stepOf(bytes) === 'data') return bytes
        isInjecting = true
        for (let at = 0; at < 400; at += 13) {
          const damaged = Uint8Array.from(bytes)
          damaged[at] = (damaged[at] ?? 0) ^ 0x10
          pair.inject(pair.other(from), from.addresses[0] ?? stranger, damaged)
        }
        isInjecting = false
        return bytes
      }
      pair.connect(3000)
      pair.run(1000)

      assert.equal(pair.a.connection.state, 'connected')
      assert.equal(eventsOf(pair.b, 'connected').length, 1)
    })

    it('is not harmed by duplicates and replays of every packet, at any time', () => {
      const pair = newPair({ weather: { latencyMs: 25, duplicate: 1 } }).connect()
      const recorded = [...pair.a.sent]
      for (const bytes of recorded) pair.inject(pair.b, addressA, bytes)
      pair.run(1000)
      for (const bytes of recorded) pair.inject(pair.b, stranger, bytes)
      for (const bytes of [...pair.b.sent]) pair.inject(pair.a, addressB, bytes)
      pair.run(1000)

      assert.equal(eventsOf(pair.b, 'connected').length, 1)
      assert.equal(pair.a.connection.state, 'connected')
      assert.deepEqual(pair.b.connection.path, { to: addressA })
    })

    it('fails for another prologue', () => {
      const pair = newPair({ b: { prologue: utf8('another') } })
      pair.start()
      pair.run(20_000)

      assert.equal(eventsOf(pair.b, 'connected').length, 0)
      assert.equal(eventsOf(pair.a, 'closed').length, 1)
    })

    it('answers an address that proved nothing with three times its bytes at most', () => {
      const pair = newPair()
      pair.tamper = () => undefined // what b sends is for a stranger who never answers
      pair.start()
      const initial = pair.a.sent[0]
      assert.ok(initial !== undefined)
      pair.inject(pair.b, stranger, initial)
      pair.run(14_000)

      assert.equal(pair.b.sent.length, 3)
      assert.ok(sizes(pair.b).reduce((sum, size) => sum + size, 0) <= 3 * initial.length)
    })

    it('does not answer an initial in a datagram of less than 1,200 bytes', () => {
      const pair = newPair()
      pair.start()
      const initial = decodeHandshakePacket(pair.a.sent[0] ?? new Uint8Array(0))
      assert.ok(initial.ok)
      pair.inject(pair.b, stranger, encodeHandshakePacket(initial.value, 1199))

      assert.equal(pair.b.sent.length, 0)
    })

    it('pays a datagram full of initials back three times at most', () => {
      const pair = newPair()
      pair.tamper = () => undefined
      pair.start()
      const initial = decodeHandshakePacket(pair.a.sent[0] ?? new Uint8Array(0))
      assert.ok(initial.ok)
      const short = encodeHandshakePacket(initial.value, 0)
      const datagram = concatBytes(...Array.from({ length: 30 }, () => short))
      assert.ok(datagram.length >= 1200)
      pair.inject(pair.b, stranger, datagram)
      pair.run(14_000)

      assert.ok(sizes(pair.b).reduce((sum, size) => sum + size, 0) <= 3 * datagram.length)
    })

    it('an answer to another version names the ones spoken, and changes nothing', () => {
      const pair = newPair()
      pair.start()
      const initial = decodeHandshakePacket(pair.a.sent[0] ?? new Uint8Array(0))
      assert.ok(initial.ok)
      pair.inject(pair.b, addressA, encodeHandshakePacket({ ...initial.value, version: 9 }, 1200))

      assert.equal(
        Buffer.from(pair.b.sent[0] ?? [])
          .toString('hex')
          .slice(-16),
        '00000001' + '1a2a3a4a',
      )
      assert.ok(pair.runUntil(() => pair.b.connection.state === 'connected', 2000))
    })

    it('follows the initiator to another path while it lasts', () => {
      const pair = newPair()
      const moved = { family: 4, address: '198.51.100.77', port: 7 } as const
      pair.b.addresses = [moved]
      pair.start()
      pair.run(100)
      pair.change(pair.a, (now, connection) => connection.migrate(now, { to: moved }))
      assert.equal(pair.a.sent.length, 2, 'the initial goes again at once')

      assert.ok(pair.runUntil(() => pair.b.connection.state === 'connected', 200))
    })

    it('refuses whom the application refuses, and goes on waiting for the right one', () => {
      const pair = newPair({ b: { accept: (key) => Buffer.compare(key, staticA.publicKey) === 0 } })
      const impostor = new Pair({
        pattern,
        seed: 9,
        a: { staticKey: staticKeyFromSeed(new Uint8Array(32).fill(66)) },
      })
      impostor.start()
      pair.inject(pair.b, stranger, impostor.a.sent[0] ?? new Uint8Array(0))
      const answer = pair.b.sent[0]
      if (answer !== undefined) {
        impostor.inject(impostor.a, addressB, answer)
        for (const bytes of impostor.a.sent.slice(1)) pair.inject(pair.b, stranger, bytes)
      }
      assert.equal(eventsOf(pair.b, 'connected').length, 0)

      pair.connect(2000)
      const [connected] = eventsOf(pair.b, 'connected')
      assert.deepEqual(connected?.kind === 'connected' && connected.remoteStatic, staticA.publicKey)
    })

    it('ends at once when it is closed', () => {
      const pair = newPair()
      pair.start()
      pair.change(pair.a, (now, connection) => connection.close(now, 3, 'changed my mind'))
      pair.run(100)

      assert.deepEqual(eventsOf(pair.a, 'closed'), [
        { kind: 'closed', reason: 'local', code: 3, text: 'changed my mind' },
      ])
      assert.equal(pair.timeoutOf(pair.a), undefined)
    })
  })
}

describe('Handshake', () => {
  it('IK’s responder is not connected by a replayed initial', () => {
    const pair = new Pair({ pattern: 'IK' })
    pair.start()
    pair.tamper = (from) => (from === pair.b ? undefined : Uint8Array.of())
    pair.inject(pair.b, stranger, pair.a.sent[0] ?? new Uint8Array(0))
    pair.run(1000)

    assert.equal(eventsOf(pair.b, 'connected').length, 0)
    assert.equal(pair.b.connection.state, 'idle')
  })

  it('XX accepts data that overtook the last handshake message', () => {
    const pair = new Pair({ pattern: 'XX' })
    const heldBack: Uint8Array[] = []
    pair.tamper = (_from, bytes) => {
      if (stepOf(bytes) !== 'final') return bytes
      heldBack.push(bytes)
      return undefined
    }
    pair.start()
    pair.runUntil(() => pair.a.connection.state === 'connected', 1000)
    pair.change(pair.a, (now, connection) => {
      connection.write(now, connection.openStream(now, { priority: 'chat' }), utf8('early'))
    })
    pair.run(40)
    const [final] = heldBack
    assert.ok(final !== undefined)
    pair.inject(pair.b, addressA, final)

    assert.equal(eventsOf(pair.b, 'stream-readable').length, 1)
  })

  it('XX ends quietly when it is closed before its last message has arrived', () => {
    const pair = new Pair({ pattern: 'XX' })
    pair.tamper = (from, bytes) =>
      from === pair.b || stepOf(bytes) === 'initial' ? bytes : undefined
    pair.start()
    pair.runUntil(() => pair.a.connection.state === 'connected', 1000)
    pair.change(pair.a, (now, connection) => connection.close(now, 0, ''))
    pair.run(10_000)

    assert.deepEqual(eventsOf(pair.a, 'closed').length, 1)
    assert.equal(pair.timeoutOf(pair.a), undefined)
  })

  it('says which versions a peer spoke that never answered otherwise', () => {
    const failureAfter = (versions: readonly number[]): string | undefined => {
      const pair = new Pair()
      pair.tamper = () => undefined
      pair.start()
      const initial = decodeHandshakePacket(pair.a.sent[0] ?? new Uint8Array(0))
      assert.ok(initial.ok)
      const { source, destination } = initial.value
      const answer = encodeVersionNegotiation({
        destination: source,
        source: destination,
        versions,
      })
      pair.inject(pair.a, addressB, answer)
      pair.run(20_000)
      const [closed] = eventsOf(pair.a, 'closed')
      return closed?.kind === 'closed' ? closed.text : undefined
    }

    assert.equal(failureAfter([7, 9]), 'the peer speaks only versions 7, 9')
    assert.equal(failureAfter([1, 9]), 'no answer', 'it names ours: a forgery')
  })

  it('a responder that was started gives up as well', () => {
    const pair = new Pair()
    pair.change(pair.b, (now, connection) => connection.start(now))
    pair.run(20_000)

    assert.deepEqual(eventsOf(pair.b, 'closed'), [
      { kind: 'closed', reason: 'handshake-failed', code: 0, text: 'nobody came' },
    ])
  })

  it('keeps four attempts at most, and the true one still gets through', () => {
    const pair = new Pair({ pattern: 'XX' })
    for (let seed = 2; seed < 30; seed++) {
      const other = new Pair({ pattern: 'XX', seed })
      other.start()
      pair.inject(pair.b, stranger, other.a.sent[0] ?? new Uint8Array(0))
    }
    pair.connect(1000)

    assert.equal(eventsOf(pair.b, 'connected').length, 1)
  })

  it('refuses a payload that does not fit, and an id of another length', () => {
    assert.throws(() => new Pair({ a: { payload: new Uint8Array(901) } }), RangeError)
    assert.throws(() => new Pair({ b: { initialId: INITIAL_ID.subarray(1) } }), RangeError)
  })

  it('carries the longest payload in a datagram of 1,200 bytes', () => {
    const pair = new Pair({
      a: { payload: new Uint8Array(900) },
      b: { payload: new Uint8Array(900) },
    })
    pair.connect(1000)

    assert.deepEqual([sizes(pair.a)[0], sizes(pair.b)[0]], [1200, 1200])
  })
})
