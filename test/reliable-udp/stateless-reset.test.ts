import { strict as assert } from 'node:assert'
import {
  encodeReset,
  RESET_BYTES,
  resetTokenIn,
  resetTokenOf,
} from '../../src/reliable-udp/stateless-reset.ts'
import { SeededRandom } from '../sim/seeded-random.ts'
import { addressA, addressB, Pair } from './pair.ts'

const resetKey = new Uint8Array(32).fill(0x11)
const random = new SeededRandom(1)

/** a's next packet, as it arrives where nobody knows the connection any more. */
function strayPacket(pair: Pair): Uint8Array {
  pair.tamper = (from, bytes) => (from === pair.a ? undefined : bytes)
  pair.change(pair.a, (now, connection) => connection.sendDatagram(now, new Uint8Array(1)))
  return pair.a.sent.at(-1) ?? new Uint8Array(0)
}

describe('encodeReset()', () => {
  it('is a data packet without frames: shorter than every other, so never answered itself', () => {
    const pair = new Pair({ b: { resetKey } }).connect()
    const reset = encodeReset(resetKey, random, strayPacket(pair))

    assert.ok(reset !== undefined)
    assert.equal(reset.length, RESET_BYTES)
    assert.equal(encodeReset(resetKey, random, reset), undefined)
  })

  it('answers nothing but data packets that are longer than itself', () => {
    for (const first of [0x40, 0x60, 0x70, 0x00, 0x80, 0xc0]) {
      const packet = new Uint8Array(1200)
      packet[0] = first
      assert.equal(encodeReset(resetKey, random, packet), undefined)
    }
    for (let length = 0; length <= RESET_BYTES; length++) {
      const packet = new Uint8Array(length).fill(0x50)
      assert.equal(encodeReset(resetKey, random, packet), undefined)
    }
  })

  it('carries the token of the id it was asked about', () => {
    const packet = new Uint8Array(40).fill(0x50)
    const reset = encodeReset(resetKey, random, packet) ?? new Uint8Array(0)

    assert.deepEqual(resetTokenIn(reset), resetTokenOf(resetKey, packet.subarray(1, 9)))
  })
})

describe('Connection, whose peer has lost its memory', () => {
  for (const pattern of ['IK', 'XX'] as const) {
    it(`${pattern}: ends at once, and says why`, () => {
      const pair = new Pair({ pattern, b: { resetKey } }).connect()
      pair.run(500)
      const reset = encodeReset(resetKey, random, strayPacket(pair)) ?? new Uint8Array(0)
      const sent = pair.a.sent.length
      pair.inject(pair.a, addressB, reset)

      assert.equal(pair.a.connection.state, 'closed')
      assert.deepEqual(pair.a.events.at(-1), {
        kind: 'closed',
        reason: 'reset',
        code: 0,
        text: 'the peer has lost the connection',
      })
      assert.equal(pair.a.sent.length, sent, 'nobody is there to be told')
    })
  }

  it('knows the token of whichever id it uses by then', () => {
    const pair = new Pair({ b: { resetKey } }).connect()
    pair.run(500)
    const elsewhere = { ...addressB, port: 9 }
    pair.b.addresses.push(elsewhere)
    pair.change(pair.a, (now, connection) => connection.migrate(now, { to: elsewhere }))
    pair.run(500)
    const old = pair.a.sent.find((bytes) => ((bytes[0] ?? 0) & 0xf0) === 0x50) ?? new Uint8Array(0)
    pair.inject(pair.a, addressB, encodeReset(resetKey, random, old) ?? new Uint8Array(0))
    assert.equal(pair.a.connection.state, 'connected')

    const reset = encodeReset(resetKey, random, strayPacket(pair)) ?? new Uint8Array(0)
    pair.inject(pair.a, elsewhere, reset)
    assert.equal(pair.a.connection.state, 'closed')
  })

  it('is not ended by strangers, who do not know the token', () => {
    const pair = new Pair({ a: { resetKey }, b: { resetKey } }).connect()
    pair.run(500)
    const packet = strayPacket(pair)
    const wrong = encodeReset(new Uint8Array(32), random, packet) ?? new Uint8Array(0)
    for (let i = 0; i < 100; i++) {
      const guess = Uint8Array.from(wrong)
      guess.set(random.bytes(16), 15)
      pair.inject(pair.a, addressB, guess)
      pair.inject(pair.b, addressA, guess)
    }

    assert.equal(pair.a.connection.state, 'connected')
    assert.equal(pair.b.connection.state, 'connected')
  })

  it('without a reset key there is no token to know', () => {
    const pair = new Pair().connect()

    assert.equal(pair.a.connection.peerResetToken, undefined)
  })
})
