import { strict as assert } from 'node:assert'
import fc from 'fast-check'
import { fromHex, toHex } from '../../src/core/bytes.ts'
import { datagramKind } from '../../src/core/datagram-kind.ts'
import {
  DATA_HEADER_BYTES,
  DATA_OVERHEAD_BYTES,
  expandPacketNumber,
  packetConnectionId,
  PacketReader,
  writeDataHeader,
} from '../../src/reliable-udp/packet.ts'

const destination = fromHex('0102030405060708')

function dataPacket(
  packetBytes: number,
  number: number,
  keyPhase = 0,
  asksForAck = false,
): Uint8Array {
  const bytes = new Uint8Array(packetBytes)
  writeDataHeader(bytes, 0, { destination, packetBytes, number, keyPhase, asksForAck })
  return bytes
}

describe('writeDataHeader()', () => {
  it('lays out the fifteen bytes', () => {
    const bytes = dataPacket(0x0123, 0x1_8a9b_acbd, 2, true)

    assert.equal(
      toHex(bytes.subarray(0, DATA_HEADER_BYTES)),
      '5a' + '0102030405060708' + '0123' + '8a9bacbd',
    )
  })

  it('is told from STUN, relay frames and probes by the first two bits', () => {
    for (const phase of [0, 1, 2, 3])
      assert.equal(datagramKind(dataPacket(40, 1, phase)), 'connection')
  })
})

describe('PacketReader', () => {
  it('reads what was written', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: DATA_OVERHEAD_BYTES, max: 1500 }),
        fc.nat({ max: Number.MAX_SAFE_INTEGER }),
        fc.nat({ max: 3 }),
        fc.boolean(),
        (length, number, phase, asks) => {
          const packet = new PacketReader()
          assert.equal(packet.read(dataPacket(length, number, phase, asks), 0), true)
          assert.deepEqual(
            [packet.kind, packet.start, packet.end, packet.keyPhase, packet.asksForAck],
            ['data', 0, length, phase, asks],
          )
          assert.equal(packet.truncatedNumber, number % 2 ** 32)
        },
      ),
    )
  })

  it('splits packets that the kernel put together', () => {
    const bytes = Buffer.concat([dataPacket(100, 1), dataPacket(100, 2), dataPacket(60, 3)])
    const packet = new PacketReader()

    const numbers: number[] = []
    for (let at = 0; at < bytes.length && packet.read(bytes, at); at = packet.end) {
      numbers.push(packet.truncatedNumber)
    }

    assert.deepEqual(numbers, [1, 2, 3])
    assert.equal(packet.end, 260)
  })

  it('refuses a length beyond the datagram, or too short for a tag', () => {
    const packet = new PacketReader()
    assert.equal(packet.read(dataPacket(100, 1).subarray(0, 99), 0), false)
    assert.equal(packet.read(dataPacket(DATA_OVERHEAD_BYTES, 1), 0), true)
    const short = dataPacket(DATA_OVERHEAD_BYTES, 1)
    short[10] = DATA_OVERHEAD_BYTES - 1
    assert.equal(packet.read(short, 0), false)
  })

  it('never throws on any bytes, and always moves on', () => {
    const packet = new PacketReader()
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 80 }), (bytes) => {
        for (let at = 0; at < bytes.length && packet.read(bytes, at); at = packet.end) {
          assert.ok(packet.end > at && packet.end <= bytes.length)
        }
      }),
    )
  })
})

describe('packetConnectionId()', () => {
  it('names the receiver', () => {
    assert.equal(packetConnectionId(dataPacket(40, 1)), '0102030405060708')
  })

  it('is undefined for other protocols and for less than a header', () => {
    assert.equal(packetConnectionId(fromHex('0001000000000000000000000000')), undefined)
    assert.equal(packetConnectionId(dataPacket(40, 1).subarray(0, 10)), undefined)
    assert.equal(packetConnectionId(new Uint8Array(0)), undefined)
  })
})

describe('expandPacketNumber()', () => {
  it('finds the number nearest to the expected one, as in RFC 9000 §A.3', () => {
    assert.equal(expandPacketNumber(0xffff_ffff, 0x1_0000_0002), 0xffff_ffff)
    assert.equal(expandPacketNumber(1, 0xffff_fff0), 0x1_0000_0001)
    assert.equal(expandPacketNumber(5, 0), 5)
    assert.equal(expandPacketNumber(0xffff_ffff, 3), 0xffff_ffff, 'nothing is below zero')
  })

  it('is exact within 2^31 of the expected number', () => {
    fc.assert(
      fc.property(
        fc.nat({ max: 2 ** 50 }),
        fc.integer({ min: -(2 ** 31) + 1, max: 2 ** 31 }),
        (expected, distance) => {
          const number = Math.max(0, expected + distance)
          assert.equal(expandPacketNumber(number % 2 ** 32, expected), number)
        },
      ),
    )
  })
})
