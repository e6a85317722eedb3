import { strict as assert } from 'node:assert'
import fc from 'fast-check'
import { fromHex, toHex } from '../../src/core/bytes.ts'
import {
  decodeHandshakePacket,
  decodeVersionNegotiation,
  encodeHandshakePacket,
  encodeVersionNegotiation,
  handshakeSteps,
} from '../../src/reliable-udp/handshake-packet.ts'
import { PacketReader } from '../../src/reliable-udp/packet.ts'

const destination = fromHex('0102030405060708')
const source = fromHex('1112131415161718')

describe('encodeHandshakePacket()', () => {
  it('lays out the fields', () => {
    const message = fromHex('aabbcc')
    const bytes = encodeHandshakePacket({
      step: 'response',
      pattern: 'XX',
      version: 1,
      destination,
      source,
      token: new Uint8Array(0),
      message,
    })

    assert.equal(
      toHex(bytes),
      '45' +
        '0102030405060708' +
        '001d' +
        '00000001' +
        '1112131415161718' +
        '00' +
        '0003' +
        'aabbcc',
    )
  })

  it('pads with zeros and counts them in the length', () => {
    const bytes = encodeHandshakePacket(
      {
        step: 'initial',
        pattern: 'IK',
        version: 1,
        destination,
        source,
        token: new Uint8Array(0),
        message: fromHex('aa'),
      },
      1200,
    )
    const packet = new PacketReader()

    assert.equal(bytes.length, 1200)
    assert.equal(packet.read(bytes, 0), true)
    assert.deepEqual([packet.kind, packet.end], ['handshake', 1200])
  })
})

describe('decodeHandshakePacket()', () => {
  it('reads what was written', () => {
    fc.assert(
      fc.property(
        fc.constantFrom(...handshakeSteps),
        fc.constantFrom('IK' as const, 'XX' as const),
        fc.nat({ max: 2 ** 32 - 1 }),
        fc.uint8Array({ maxLength: 900 }),
        (step, pattern, version, message) => {
          const token = message.subarray(0, 20)
          const packet = { step, pattern, version, destination, source, token, message }
          const read = decodeHandshakePacket(encodeHandshakePacket(packet, 1200))
          assert.ok(read.ok)
          const { value } = read
          assert.deepEqual([value.step, value.pattern, value.version], [step, pattern, version])
          assert.deepEqual(
            [value.destination, value.source, value.token, value.message].map(toHex),
            [destination, source, token, message].map(toHex),
          )
        },
      ),
    )
  })

  it('reads a token', () => {
    const bytes = fromHex(
      '40' +
        '0102030405060708' +
        '0020' +
        '00000001' +
        '1112131415161718' +
        '02ffff' +
        '0001' +
        'aa',
    )

    const read = decodeHandshakePacket(bytes)

    assert.ok(read.ok)
    assert.equal(toHex(read.value.token), 'ffff')
    assert.equal(toHex(read.value.message), 'aa')
  })

  it('refuses unknown steps and patterns, and what is too short', () => {
    const good = encodeHandshakePacket({
      step: 'final',
      pattern: 'XX',
      version: 1,
      destination,
      source,
      token: new Uint8Array(0),
      message: fromHex('aabb'),
    })
    for (const first of [0x4c, 0x42, 0x43]) {
      assert.equal(
        decodeHandshakePacket(Buffer.concat([Uint8Array.of(first), good.subarray(1)])).ok,
        false,
      )
    }
    assert.equal(decodeHandshakePacket(good.subarray(0, -1)).ok, false)
  })

  it('never throws on any bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 60 }), (bytes) => {
        decodeHandshakePacket(bytes)
        decodeVersionNegotiation(bytes)
      }),
    )
  })
})

describe('decodeVersionNegotiation()', () => {
  it('reads what was written', () => {
    const packet = { destination, source, versions: [1, 0x1a2a3a4a] }

    const read = decodeVersionNegotiation(encodeVersionNegotiation(packet))

    assert.ok(read.ok)
    assert.deepEqual(read.value.versions, packet.versions)
    assert.equal(toHex(read.value.source), toHex(source))
  })

  it('reads no more than sixteen versions', () => {
    const versions = Array.from({ length: 100 }, (_, index) => index)

    const read = decodeVersionNegotiation(
      encodeVersionNegotiation({ destination, source, versions }),
    )

    assert.ok(read.ok)
    assert.equal(read.value.versions.length, 16)
  })
})
