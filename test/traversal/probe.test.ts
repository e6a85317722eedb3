import assert from 'node:assert/strict'
import fc from 'fast-check'
import { fromHex, toHex } from '../../src/core/bytes.ts'
import { datagramKind } from '../../src/core/datagram-kind.ts'
import { endpoint } from '../../src/core/endpoint.ts'
import {
  ANSWER_BYTES,
  decodeProbe,
  encodeProbe,
  newTransaction,
  type Probe,
  probeKey,
  probeTagOf,
  QUESTION_BYTES,
} from '../../src/traversal/probe.ts'
import { SeededRandom } from '../sim/seeded-random.ts'

const key = probeKey(Uint8Array.from({ length: 32 }, (_, index) => index))

const question: Probe = {
  kind: 'request',
  from: 'initiator',
  sequence: 1,
  transaction: newTransaction({ bytes: (count) => new Uint8Array(count).fill(0x5a) }),
  sentAtMs: 1234,
  seen: { family: 4, address: '192.0.2.1', port: 5000 },
}
const answer: Probe = {
  ...question,
  kind: 'response',
  from: 'responder',
  sequence: 2,
  seen: { family: 6, address: '2001:db8::1', port: 65_535 },
}

// Computed by a few lines of Python's hmac module, from the layout alone.
const QUESTION_VECTOR =
  'c000' + // kind request, from the initiator, IPv4
  '2907fe881f1389f2' + // tag
  '00000001' +
  '5a'.repeat(12) +
  '000004d2' +
  '49d29a5a585b5a5a5a5a5a5a5a5a5a5a5a5a' + // 5000, 192.0.2.1
  '00'.repeat(32) +
  'b55cf30ffb492a33c86dfb60ebae3980'
const ANSWER_VECTOR =
  'c103' + // kind response, from the responder, IPv6
  '2907fe881f1389f2' +
  '00000002' +
  '5a'.repeat(12) +
  '000004d2' +
  'a5a57a5b57e25a5a5a5a5a5a5a5a5a5a5a5b' + // 65535, 2001:db8::1
  '1bc6c50e73a62a95335ae7384925d41e'

const probes = fc.record(
  {
    kind: fc.constantFrom('request', 'response'),
    from: fc.constantFrom('initiator', 'responder'),
    sequence: fc.integer({ min: 0, max: 2 ** 32 - 1 }),
    transaction: fc.integer().map((seed) => newTransaction(new SeededRandom(seed))),
    sentAtMs: fc.integer({ min: 0, max: 2 ** 32 - 1 }),
    seen: fc
      .tuple(fc.oneof(fc.ipV4(), fc.ipV6()), fc.integer({ min: 0, max: 65_535 }))
      .map(([address, port]) => {
        const made = endpoint(address, port)
        assert.ok(made.ok)
        return made.value
      }),
  },
  { noNullPrototype: true },
) as fc.Arbitrary<Probe>

describe('encodeProbe()', () => {
  it('writes the bytes that docs/protocol/traversal.md shows', () => {
    assert.equal(toHex(encodeProbe(key, question)), QUESTION_VECTOR)
    assert.equal(toHex(encodeProbe(key, answer)), ANSWER_VECTOR)
  })

  it('makes datagrams of a fixed size that nothing on the port mistakes for something else', () => {
    assert.equal(encodeProbe(key, question).length, QUESTION_BYTES)
    assert.equal(encodeProbe(key, answer).length, ANSWER_BYTES)
    assert.deepEqual([QUESTION_BYTES, ANSWER_BYTES], [96, 64], 'answers cannot amplify')
    assert.equal(datagramKind(encodeProbe(key, question)), 'probe')
  })

  it('hides addresses from NATs that rewrite what they recognise', () => {
    assert.ok(!toHex(encodeProbe(key, question)).includes('c0000201'))
  })
})

describe('decodeProbe()', () => {
  it('reads back what encodeProbe writes, and ignores what follows it', () => {
    fc.assert(
      fc.property(probes, fc.uint8Array({ maxLength: 20 }), (probe, tail) => {
        const bytes = Buffer.concat([encodeProbe(key, probe), tail])
        assert.deepEqual(decodeProbe(key, probe.from, bytes), { ok: true, value: probe })
      }),
    )
  })

  it('never throws on any bytes, and takes none for a probe', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 120 }), (bytes) => {
        assert.equal(decodeProbe(key, 'initiator', bytes).ok, false)
      }),
    )
  })

  it('refuses a probe with any bit changed', () => {
    for (const probe of [question, answer]) {
      const bytes = encodeProbe(key, probe)
      for (let bit = 0; bit < bytes.length * 8; bit++) {
        const forged = Uint8Array.from(bytes)
        forged[bit >> 3] = (forged[bit >> 3] ?? 0) ^ (1 << (bit & 7))
        assert.equal(decodeProbe(key, probe.from, forged).ok, false, `bit ${bit}`)
      }
    }
  })

  it('refuses a probe that is cut short, of another session, or our own thrown back', () => {
    const bytes = encodeProbe(key, question)

    assert.deepEqual(decodeProbe(key, 'initiator', bytes.subarray(0, 95)), {
      ok: false,
      why: 'probe too short',
    })
    assert.deepEqual(decodeProbe(key, 'responder', bytes), {
      ok: false,
      why: 'probe of the wrong role',
    })
    assert.deepEqual(decodeProbe(probeKey(fromHex('00'.repeat(32))), 'initiator', bytes), {
      ok: false,
      why: 'probe of another session',
    })
  })
})

describe('probeTagOf()', () => {
  it('tells which session a probe claims to be of', () => {
    assert.equal(probeTagOf(encodeProbe(key, question)), key.tag)
    assert.equal(probeTagOf(new Uint8Array(ANSWER_BYTES - 1)), undefined)
  })
})
