import assert from 'node:assert/strict'
import fc from 'fast-check'
import { describe, it } from 'mocha'
import { fromHex, toHex } from '../../../src/core/bytes.ts'
import { datagramKind } from '../../../src/core/datagram-kind.ts'
import {
  BIND_BYTES,
  channelOf,
  DATA_HEADER_BYTES,
  dataChannel,
  dataPayload,
  decodeRelayFrame,
  encodeData,
  encodeRelayFrame,
  readdressData,
  refusalReasons,
  type RelayFrame,
} from '../../../src/protocol/relay/frames.ts'
import { bytes, plainRecord } from '../support/arbitrary-messages.ts'

const channels = bytes(8).map(channelOf)
const channel = channelOf(fromHex('0102030405060708'))
const nonce = Uint8Array.from(fromHex('a1a2a3a4a5a6a7a8'))
const cookie = new Uint8Array(16).fill(0xc0)
const ticket = new Uint8Array(169).fill(0x7c)
const signature = new Uint8Array(64).fill(0x51)

const frames = fc.oneof<fc.Arbitrary<RelayFrame>[]>(
  plainRecord({ kind: fc.constant('data'), channel: channels, payload: fc.uint8Array() }),
  plainRecord({
    kind: fc.constant('bind'),
    nonce: bytes(8),
    cookie: bytes(16),
    ticket: bytes(169),
    signature: bytes(64),
  }),
  plainRecord({ kind: fc.constant('cookie'), nonce: bytes(8), cookie: bytes(16) }),
  plainRecord({
    kind: fc.constant('bound'),
    nonce: bytes(8),
    channel: channels,
    lifetimeSeconds: fc.nat(2 ** 32 - 1),
  }),
  plainRecord({
    kind: fc.constant('refused'),
    nonce: bytes(8),
    reason: fc.constantFrom(...refusalReasons),
  }),
  plainRecord({ kind: fc.constantFrom('ping', 'pong'), channel: channels, nonce: bytes(8) }),
  plainRecord({ kind: fc.constant('unknown-channel'), channel: channels }),
)

describe('encodeRelayFrame() and decodeRelayFrame()', () => {
  it('give every frame back', () => {
    fc.assert(
      fc.property(frames, (frame) => {
        const encoded = Uint8Array.from(encodeRelayFrame(frame))

        assert.deepEqual(structuredClone(decodeRelayFrame(encoded)), { ok: true, value: frame })
        assert.equal(datagramKind(encoded), 'relay')
      }),
    )
  })

  it('never throw on any bytes', () => {
    fc.assert(
      fc.property(fc.nat(15), fc.uint8Array({ maxLength: 300 }), (type, rest) => {
        decodeRelayFrame(rest)
        decodeRelayFrame(Uint8Array.of(0x80 | type, ...rest))
      }),
    )
  })
})

describe('encodeRelayFrame()', () => {
  // docs/protocol/relay.md draws these.
  const drawn: readonly (readonly [RelayFrame, string])[] = [
    [{ kind: 'data', channel, payload: fromHex('ff') }, '80' + '0102030405060708' + 'ff'],
    [
      { kind: 'bind', nonce, cookie, ticket, signature },
      '81' + toHex(nonce) + toHex(cookie) + toHex(ticket) + toHex(signature),
    ],
    [{ kind: 'cookie', nonce, cookie }, '82' + toHex(nonce) + toHex(cookie)],
    [
      { kind: 'bound', nonce, channel, lifetimeSeconds: 30 },
      '83' + toHex(nonce) + '0102030405060708' + '0000001e',
    ],
    [{ kind: 'refused', nonce, reason: 'ticket-expired' }, '84' + toHex(nonce) + '03'],
    [{ kind: 'ping', channel, nonce }, '85' + '0102030405060708' + toHex(nonce)],
    [{ kind: 'pong', channel, nonce }, '86' + '0102030405060708' + toHex(nonce)],
    [{ kind: 'unknown-channel', channel }, '87' + '0102030405060708'],
  ]

  for (const [frame, hex] of drawn) {
    it(`writes ${frame.kind} byte by byte`, () => {
      assert.equal(toHex(encodeRelayFrame(frame)), hex)
    })
  }

  it('makes no answer longer than what it answers', () => {
    const lengthOf = (frame: RelayFrame): number => encodeRelayFrame(frame).length
    const bind = lengthOf({ kind: 'bind', nonce, cookie, ticket, signature })

    assert.equal(bind, BIND_BYTES)
    assert.ok(lengthOf({ kind: 'cookie', nonce, cookie }) <= bind)
    assert.ok(lengthOf({ kind: 'bound', nonce, channel, lifetimeSeconds: 1 }) <= bind)
    assert.ok(lengthOf({ kind: 'refused', nonce, reason: 'busy' }) <= bind)
    assert.equal(
      lengthOf({ kind: 'pong', channel, nonce }),
      lengthOf({ kind: 'ping', channel, nonce }),
    )
    assert.ok(
      lengthOf({ kind: 'unknown-channel', channel }) <=
        encodeData(channel, new Uint8Array()).length,
    )
  })

  it('refuses fields of another length', () => {
    assert.throws(() => encodeRelayFrame({ kind: 'cookie', nonce, cookie: nonce }), RangeError)
    assert.throws(
      () => encodeRelayFrame({ kind: 'bound', nonce, channel, lifetimeSeconds: -1 }),
      RangeError,
    )
    assert.throws(() => channelOf(new Uint8Array(7)), RangeError)
  })
})

describe('decodeRelayFrame()', () => {
  it('refuses what is too short, at every length, and ignores what is too long', () => {
    for (const frame of fc.sample(frames, 50)) {
      const encoded = Uint8Array.from(encodeRelayFrame(frame))
      const needed = frame.kind === 'data' ? DATA_HEADER_BYTES : encoded.length
      for (let length = 0; length < needed; length++) {
        assert.equal(decodeRelayFrame(encoded.subarray(0, length)).ok, false)
      }
      if (frame.kind === 'data') continue
      const longer = Uint8Array.of(...encoded, 1, 2, 3)
      assert.deepEqual(structuredClone(decodeRelayFrame(longer)), { ok: true, value: frame })
    }
  })

  it('refuses other versions, unknown types and other protocols of the port', () => {
    for (const first of [0x00, 0x40, 0x90, 0xa0, 0xb0, 0xc0, 0x88, 0x8f]) {
      assert.equal(decodeRelayFrame(Uint8Array.of(first, ...new Uint8Array(300))).ok, false)
    }
  })

  it('reads a reason that it does not know as unspecified', () => {
    assert.deepEqual(decodeRelayFrame(Uint8Array.of(0x84, ...nonce, 200)), {
      ok: true,
      value: { kind: 'refused', nonce, reason: 'unspecified' },
    })
  })

  it('keeps nothing of the bytes it was lent, but the payload of data', () => {
    const lent = Uint8Array.from(encodeRelayFrame({ kind: 'cookie', nonce, cookie }))
    const result = decodeRelayFrame(lent)

    lent.fill(0)

    assert.deepEqual(result, { ok: true, value: { kind: 'cookie', nonce, cookie } })
  })
})

describe('dataChannel(), dataPayload() and readdressData()', () => {
  it('pass a datagram on without a copy', () => {
    const datagram = encodeData(channel, fromHex('c0ffee'))
    const other = channelOf(fromHex('1112131415161718'))

    assert.equal(dataChannel(datagram), channel)
    assert.equal(toHex(dataPayload(datagram)), 'c0ffee')
    readdressData(datagram, other)

    assert.equal(dataChannel(datagram), other)
    assert.equal(toHex(datagram), '80' + '1112131415161718' + 'c0ffee')
    assert.equal(dataPayload(datagram).buffer, datagram.buffer)
  })

  it('see no channel in what is not data', () => {
    assert.equal(dataChannel(new Uint8Array()), undefined)
    assert.equal(dataChannel(encodeData(channel, new Uint8Array()).subarray(0, 8)), undefined)
    assert.equal(dataChannel(encodeRelayFrame({ kind: 'ping', channel, nonce })), undefined)
  })
})
