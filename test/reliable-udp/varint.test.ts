import { strict as assert } from 'node:assert'
import fc from 'fast-check'
import { fromHex, toHex } from '../../src/core/bytes.ts'
import { ByteReader, ByteWriter, MAX_VARINT, varintLength } from '../../src/reliable-udp/varint.ts'

function encode(value: number): Uint8Array {
  const writer = new ByteWriter(new Uint8Array(8))
  writer.varint(value)
  return writer.bytes.subarray(0, writer.at)
}

describe('ByteReader.varint()', () => {
  it('reads the samples of RFC 9000 §A.1', () => {
    for (const [hex, value] of [
      ['9d7f3e7d', 494_878_333],
      ['7bbd', 15_293],
      ['25', 37],
      ['4025', 37],
    ] as const) {
      assert.equal(new ByteReader(fromHex(hex)).varint(), value)
    }
  })

  it('takes what JavaScript cannot count for broken', () => {
    const reader = new ByteReader(fromHex('c2197c5eff14e88c'))

    reader.varint()

    assert.equal(reader.isBroken, true)
  })

  it('is broken for good after reading past the end, and yields zeros', () => {
    const reader = new ByteReader(fromHex('40'))

    assert.equal(reader.varint(), 0)
    assert.equal(reader.isBroken, true)
    assert.equal(reader.unsigned(1), 0)
    assert.equal(reader.take(3).length, 0)
    assert.equal(reader.remaining, 0)
  })

  it('never throws on any bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 40 }), (bytes) => {
        const reader = new ByteReader(bytes)
        while (reader.remaining > 0) {
          reader.varint()
          reader.skip(reader.unsigned(2))
        }
      }),
    )
  })
})

describe('ByteWriter.varint()', () => {
  it('writes the shortest form of RFC 9000 §A.1', () => {
    assert.equal(toHex(encode(494_878_333)), '9d7f3e7d')
    assert.equal(toHex(encode(15_293)), '7bbd')
    assert.equal(toHex(encode(37)), '25')
  })

  it('writes what the reader reads, in the length announced', () => {
    const numbers = fc.oneof(
      fc.nat({ max: MAX_VARINT }),
      fc.constantFrom(0, 63, 64, 16_383, 16_384, 2 ** 30 - 1, 2 ** 30, MAX_VARINT),
    )
    fc.assert(
      fc.property(numbers, (value) => {
        const bytes = encode(value)
        assert.equal(bytes.length, varintLength(value))
        assert.equal(new ByteReader(bytes).varint(), value)
      }),
    )
  })

  it('writes plain numbers of up to six bytes', () => {
    const writer = new ByteWriter(new Uint8Array(9))
    writer.unsigned(0x010203040506, 6)
    writer.unsigned(0xfffe, 2)
    writer.unsigned(7, 1)

    const reader = new ByteReader(writer.bytes)
    assert.deepEqual(
      [reader.unsigned(6), reader.unsigned(2), reader.unsigned(1)],
      [0x010203040506, 0xfffe, 7],
    )
  })
})
