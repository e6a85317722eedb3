import assert from 'node:assert/strict'
import fc from 'fast-check'
import { describe, it } from 'mocha'
import protobuf from 'protobufjs'
import { HollerError } from '../../../src/core/holler-error.ts'
import type { Decoded } from '../../../src/core/decoded.ts'
import {
  decodePeerMessage,
  encodePeerMessage,
  MAX_PEER_MESSAGE_BYTES,
} from '../../../src/protocol/peer/codec.ts'
import { messageIdOf, newMessageId, parseMessageId } from '../../../src/protocol/peer/message-id.ts'
import type { MessageId, PeerMessage } from '../../../src/protocol/peer/peer-message.ts'
import { bytes, plainRecord } from '../support/arbitrary-messages.ts'

const { Writer } = protobuf

const id = messageIdOf(new Uint8Array(16).fill(0x11))
const otherId = messageIdOf(new Uint8Array(16).fill(0x22))
const text = { kind: 'text', id, sequence: 1, sentAtMs: 1_795_000_000_000, text: 'hi' } as const

const ids = bytes(16).map(messageIdOf)
const wellFormed = fc
  .string({ unit: 'binary', maxLength: 2000 })
  .map((drawn) => drawn.replace(/\p{Surrogate}/gu, '.'))

const messages = fc.oneof<fc.Arbitrary<PeerMessage>[]>(
  plainRecord(
    {
      kind: fc.constant('text'),
      id: ids,
      sequence: fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER }),
      sentAtMs: fc.integer({ min: 0, max: 8.64e15 }),
      text: wellFormed,
      replyTo: ids,
    },
    { requiredKeys: ['kind', 'id', 'sequence', 'sentAtMs', 'text'] },
  ),
  plainRecord({
    kind: fc.constant('receipt'),
    state: fc.constantFrom('delivered', 'read'),
    ids: fc.array(ids, { minLength: 1, maxLength: 256 }),
  }),
)

/** A `Text` (field 1 of `PeerMessage`) of raw fields. */
function textOf(write: (writer: protobuf.Writer) => protobuf.Writer): Uint8Array {
  return write(Writer.create().uint32(10).fork()).ldelim().finish()
}

function receiptOf(write: (writer: protobuf.Writer) => protobuf.Writer): Uint8Array {
  return write(Writer.create().uint32(18).fork()).ldelim().finish()
}

function whyOf(result: Decoded<PeerMessage>): string {
  assert.ok(!result.ok)
  return result.why
}

describe('encodePeerMessage() and decodePeerMessage()', () => {
  it('give every message back', () => {
    fc.assert(
      fc.property(messages, (message) => {
        assert.deepEqual(decodePeerMessage(encodePeerMessage(message)), {
          ok: true,
          value: message,
        })
      }),
    )
  })

  it('carry any Unicode text unchanged, and lone surrogates as U+FFFD', () => {
    const carried = '\ufeff\0\u001b\r\n\ufffe中文\u{1F600}'
    const result = decodePeerMessage(encodePeerMessage({ ...text, text: `${carried}\ud800x` }))

    assert.deepEqual(result, { ok: true, value: { ...text, text: `${carried}\ufffdx` } })
  })

  it('carry the longest text and refuse a longer one', () => {
    const longest = 'é'.repeat(32_767) + 'x'
    const encoded = encodePeerMessage({ ...text, text: longest, replyTo: otherId })

    assert.ok(encoded.length <= MAX_PEER_MESSAGE_BYTES)
    assert.ok(decodePeerMessage(encoded).ok)
    assert.throws(
      () => encodePeerMessage({ ...text, text: `${longest}x` }),
      (error) => error instanceof HollerError && error.code === 'TOO_LARGE',
    )
  })
})

describe('encodePeerMessage()', () => {
  it('refuses numbers that protobuf would silently change', () => {
    for (const sequence of [0, -1, 1.5, Number.NaN, 2 ** 53, Number.POSITIVE_INFINITY]) {
      assert.throws(() => encodePeerMessage({ ...text, sequence }), RangeError)
    }
    assert.throws(() => encodePeerMessage({ ...text, sequence: 7n as unknown as number }))
    assert.throws(() => encodePeerMessage({ ...text, sentAtMs: 8.64e15 + 2 }), RangeError)
  })

  it('refuses receipts for nothing, for too many, and for what is no id', () => {
    const tooMany = Array.from({ length: 257 }, () => id)
    for (const refused of [[], tooMany, ['11' as MessageId], ['zz'.repeat(16) as MessageId]]) {
      assert.throws(
        () => encodePeerMessage({ kind: 'receipt', state: 'read', ids: refused }),
        RangeError,
      )
    }
  })
})

describe('decodePeerMessage()', () => {
  it('keeps nothing of the bytes it was lent', () => {
    const lent = Uint8Array.from(encodePeerMessage({ ...text, replyTo: otherId }))
    const result = decodePeerMessage(lent)

    lent.fill(0)

    assert.deepEqual(result, { ok: true, value: { ...text, replyTo: otherId } })
  })

  it('ignores fields that it does not know', () => {
    const encoded = Buffer.concat([
      encodePeerMessage(text),
      Writer.create().uint32(994).string('new').finish(),
    ])

    assert.deepEqual(decodePeerMessage(encoded), { ok: true, value: text })
  })

  it('takes the last of several bodies', () => {
    const receipt: PeerMessage = { kind: 'receipt', state: 'read', ids: [id] }
    const both = Buffer.concat([encodePeerMessage(text), encodePeerMessage(receipt)])

    assert.deepEqual(decodePeerMessage(both), { ok: true, value: receipt })
  })

  it('says why it refuses', () => {
    const good = (writer: protobuf.Writer): protobuf.Writer =>
      writer.uint32(10).bytes(new Uint8Array(16)).uint32(17).fixed64(1)
    const idField = new Uint8Array(16)
    const refused: readonly (readonly [Uint8Array, string])[] = [
      [new Uint8Array(0), 'unknown peer message'],
      [Buffer.from('ffffffffff', 'hex'), 'not protobuf'],
      [new Uint8Array(MAX_PEER_MESSAGE_BYTES + 1), 'peer message too long'],
      [textOf((writer) => writer), 'text without an id'],
      [textOf((writer) => writer.uint32(10).bytes(new Uint8Array(15))), 'text without an id'],
      [textOf((writer) => writer.uint32(10).bytes(idField)), 'sequence out of range'],
      [
        textOf((writer) => good(writer).uint32(17).fixed64('18446744073709551615')),
        'sequence out of range',
      ],
      [
        textOf((writer) => good(writer).uint32(17).fixed64('9007199254740993')),
        'sequence out of range',
      ],
      [
        textOf((writer) => good(writer).uint32(25).fixed64('8640000000000001')),
        'time out of range',
      ],
      [
        textOf((writer) =>
          good(writer)
            .uint32(34)
            .bytes(Uint8Array.of(0xed, 0xa0, 0x80)),
        ),
        'not protobuf',
      ],
      [
        textOf((writer) => good(writer).uint32(34).bytes(Uint8Array.of(0xc0, 0x80))),
        'not protobuf',
      ],
      [textOf((writer) => good(writer).uint32(34).string('x'.repeat(65_536))), 'text too long'],
      [
        textOf((writer) => good(writer).uint32(42).bytes(new Uint8Array(8))),
        'reply to a malformed id',
      ],
      [receiptOf((writer) => writer), 'unknown receipt state'],
      [receiptOf((writer) => writer.uint32(8).int32(3)), 'unknown receipt state'],
      [receiptOf((writer) => writer.uint32(8).int32(-1)), 'unknown receipt state'],
      [receiptOf((writer) => writer.uint32(8).int32(1)), 'no ids or too many'],
      [
        receiptOf((writer) => writer.uint32(8).int32(1).uint32(18).bytes(new Uint8Array(1))),
        'a malformed id',
      ],
      [
        receiptOf((writer) => {
          writer.uint32(8).int32(1)
          for (let count = 0; count < 257; count++) writer.uint32(18).bytes(idField)
          return writer
        }),
        'no ids or too many',
      ],
    ]
    for (const [encoded, why] of refused) assert.equal(whyOf(decodePeerMessage(encoded)), why)
  })

  it('never throws on any bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (drawn) => {
        decodePeerMessage(drawn)
      }),
    )
  })

  it('never throws on a damaged message', () => {
    fc.assert(
      fc.property(messages, fc.nat(), fc.nat(255), (message, at, byte) => {
        const encoded = Uint8Array.from(encodePeerMessage(message))
        encoded[at % encoded.length] = byte
        decodePeerMessage(encoded)
        decodePeerMessage(encoded.subarray(0, at % encoded.length))
      }),
      { numRuns: 1000 },
    )
  })
})

describe('newMessageId()', () => {
  it('makes ids that sort by time', () => {
    const random = { bytes: (count: number) => new Uint8Array(count).fill(0xab) }

    assert.equal(newMessageId(1_795_000_000_000, random), '01a1ee565e00' + 'ab'.repeat(10))
    assert.ok(newMessageId(1_795_000_000_000, random) < newMessageId(1_795_000_000_001, random))
  })
})

describe('parseMessageId()', () => {
  it('reads 32 lower-case hex digits and nothing else', () => {
    assert.equal(parseMessageId('11'.repeat(16)), id)
    for (const text of [
      '',
      '11',
      'AA'.repeat(16),
      'zz'.repeat(16),
      '11'.repeat(17),
      ' '.repeat(32),
    ]) {
      assert.equal(parseMessageId(text), undefined)
    }
  })
})
