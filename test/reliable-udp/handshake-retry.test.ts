import { strict as assert } from 'node:assert'
import { instant } from '../../src/core/instant.ts'
import {
  decodeHandshakePacket,
  decodeRetry,
  encodeHandshakePacket,
  encodeRetry,
} from '../../src/reliable-udp/handshake-packet.ts'
import { HandshakeThrottle } from '../../src/reliable-udp/handshake-throttle.ts'
import { RETRY_TOKEN_BYTES, RetryTokens } from '../../src/reliable-udp/retry-token.ts'
import { SeededRandom } from '../sim/seeded-random.ts'
import { addressA, addressB, Pair, type Side } from './pair.ts'

const stranger = { family: 4, address: '203.0.113.66', port: 666 } as const
const ID = new Uint8Array(8).fill(3)

function kindOf(bytes: Uint8Array): 'handshake' | 'retry' | 'data' {
  const kind = ((bytes[0] ?? 0) >> 4) & 3
  return kind === 0 ? 'handshake' : kind === 2 ? 'retry' : 'data'
}

/** Strangers' initials, each with another ephemeral key. */
function flood(pair: Pair, to: Side, count: number): void {
  const random = new SeededRandom(99)
  for (let i = 0; i < count; i++) {
    const initial = encodeHandshakePacket(
      {
        step: 'initial',
        pattern: 'XX',
        version: 1,
        destination: new Uint8Array(8).fill(7),
        source: random.bytes(8),
        token: new Uint8Array(0),
        message: random.bytes(32),
      },
      1200,
    )
    pair.inject(to, stranger, initial)
  }
}

describe('RetryTokens', () => {
  const at = instant(100_000)
  const later = (ms: number): ReturnType<typeof instant> => instant(100_000 + ms)

  it('know their own, for the address, the handshake and the time they were issued for', () => {
    const tokens = new RetryTokens(new SeededRandom(1))
    const token = tokens.issue(at, addressA, ID)

    assert.equal(token.length, RETRY_TOKEN_BYTES)
    assert.ok(tokens.isValid(at, addressA, ID, token))
    assert.ok(tokens.isValid(later(14_000), addressA, ID, token))
    assert.ok(!tokens.isValid(later(17_000), addressA, ID, token))
    assert.ok(!tokens.isValid(at, { ...addressA, port: 1 }, ID, token))
    assert.ok(!tokens.isValid(at, addressB, ID, token))
    assert.ok(!tokens.isValid(at, addressA, new Uint8Array(8), token))
    assert.ok(!new RetryTokens(new SeededRandom(2)).isValid(at, addressA, ID, token))
  })

  it('are refused when a bit is another', () => {
    const tokens = new RetryTokens(new SeededRandom(1))
    const token = tokens.issue(at, addressA, ID)
    for (let bit = 0; bit < 8 * token.length; bit++) {
      const forged = Uint8Array.from(token)
      forged[bit >> 3] = (forged[bit >> 3] ?? 0) ^ (1 << (bit & 7))
      assert.ok(!tokens.isValid(later(1000), addressA, ID, forged))
    }
  })

  it('outlive one change of the secret, and no second one', () => {
    const tokens = new RetryTokens(new SeededRandom(1))
    tokens.issue(at, addressA, ID)
    const token = tokens.issue(later(59_000), addressA, ID)

    assert.ok(tokens.isValid(later(61_000), addressA, ID, token))
    tokens.issue(later(130_000), addressA, ID)
    assert.ok(!tokens.isValid(later(70_000), addressA, ID, token))
  })
})

describe('HandshakeThrottle', () => {
  it('asks for proof when there are too many, and drops even the proven when there are far too many', () => {
    const limits = {
      unproven: { burst: 2, perSecond: 1 },
      proven: { burst: 1, perSecond: 1 },
    } as const
    const throttle = new HandshakeThrottle(limits)
    const at = (ms: number, isProven = false): string => throttle.admit(instant(ms), isProven)

    assert.deepEqual([at(0), at(0), at(0)], ['admitted', 'admitted', 'retry'])
    assert.deepEqual([at(0, true), at(0, true)], ['admitted', 'dropped'])
    assert.deepEqual([at(1000), at(1000)], ['admitted', 'retry'])
  })
})

describe('Handshake under load', () => {
  for (const pattern of ['IK', 'XX'] as const) {
    it(`${pattern}: costs one round trip more, and nothing else`, () => {
      const pair = new Pair({ pattern })
      flood(pair, pair.b, 100)
      pair.b.sent.length = 0
      pair.connect(2000)

      assert.deepEqual(pair.b.sent.map(kindOf).slice(0, 2), ['retry', 'handshake'])
      assert.equal(pair.a.connection.stats.smoothedRttMs, 50)
      assert.equal(pair.a.events.filter(({ kind }) => kind === 'connected').length, 1)
    })

    it(`${pattern}: ends well although packets are lost and come twice`, () => {
      for (let seed = 1; seed <= 20; seed++) {
        const weather = { latencyMs: 30, loss: 0.2, duplicate: 0.2, jitterMs: 30 }
        const pair = new Pair({ pattern, seed, weather })
        flood(pair, pair.b, 100)
        pair.connect(15_000)
      }
    })
  }

  it('a flood costs few handshakes, and is answered with a twentieth of its bytes', () => {
    const pair = new Pair({ pattern: 'XX' })
    flood(pair, pair.b, 1000)
    const kinds = pair.b.sent.map(kindOf)
    const retries = pair.b.sent.filter((bytes) => kindOf(bytes) === 'retry')

    assert.equal(kinds.filter((kind) => kind === 'handshake').length, 8)
    assert.equal(retries.length, 992)
    assert.ok(retries.every(({ length }) => length <= 1200 / 20))
  })

  it('a token of another address is worth nothing', () => {
    const pair = new Pair({ pattern: 'XX' })
    flood(pair, pair.b, 20)
    pair.start()
    pair.runUntil(() => pair.b.sent.some((bytes) => kindOf(bytes) === 'retry'), 10)
    pair.run(200)
    const initial = pair.a.sent.findLast((bytes) => {
      const packet = decodeHandshakePacket(bytes)
      return packet.ok && packet.value.step === 'initial' && packet.value.token.length > 0
    })
    assert.ok(initial !== undefined)
    const other = new Pair({ pattern: 'XX' })
    flood(other, other.b, 100)
    other.b.sent.length = 0
    other.inject(other.b, stranger, initial)

    assert.deepEqual(other.b.sent.map(kindOf), ['retry'])
  })

  it('forged retries are not followed, and true-looking ones no more than three times', () => {
    const pair = new Pair({ pattern: 'IK' })
    pair.tamper = (from, bytes) => (from === pair.b ? undefined : bytes)
    pair.start()
    const initial = decodeHandshakePacket(pair.a.sent[0] ?? new Uint8Array(0))
    assert.ok(initial.ok)
    const { source, destination } = initial.value
    const retry = (to: Uint8Array, from: Uint8Array, value: number): void => {
      const token = new Uint8Array(20).fill(value)
      pair.inject(pair.a, addressB, encodeRetry({ destination: to, source: from, token }))
    }
    retry(ID, destination, 1)
    retry(source, ID, 1)
    assert.equal(pair.a.sent.length, 1)
    for (let value = 1; value <= 50; value++) retry(source, destination, value)
    assert.equal(pair.a.sent.length, 4)
  })

  it('a retry after the answer changes nothing', () => {
    const pair = new Pair().connect()
    const sent = pair.a.sent.length
    const initial = decodeHandshakePacket(pair.a.sent[0] ?? new Uint8Array(0))
    assert.ok(initial.ok)
    const { source, destination } = initial.value
    const token = new Uint8Array(20)
    pair.inject(pair.a, addressB, encodeRetry({ destination: source, source: destination, token }))

    assert.equal(pair.a.sent.length, sent)
    assert.ok(decodeRetry(encodeRetry({ destination: source, source: destination, token })).ok)
  })
})
