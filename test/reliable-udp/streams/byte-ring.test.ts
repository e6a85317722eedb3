import { strict as assert } from 'node:assert'
import fc from 'fast-check'
import { ByteRing } from '../../../src/reliable-udp/streams/byte-ring.ts'
import { contents } from '../traffic.ts'

function read(ring: ByteRing, offset: number, length: number): Uint8Array {
  const bytes = new Uint8Array(length)
  ring.read(offset, bytes, 0, length)
  return bytes
}

describe('ByteRing', () => {
  it('gives back what was written, wherever its memory wraps', () => {
    const step = fc.record({ write: fc.nat({ max: 9000 }), release: fc.nat({ max: 9000 }) })
    fc.assert(
      fc.property(fc.array(step, { maxLength: 30 }), (steps) => {
        const ring = new ByteRing()
        for (const { write, release } of steps) {
          ring.write(ring.end, contents(1, ring.end, write), 0, write)
          ring.release(Math.min(ring.start + release, ring.end))
          const kept = ring.end - ring.start
          assert.deepEqual(read(ring, ring.start, kept), contents(1, ring.start, kept))
        }
      }),
    )
  })

  it('takes parts in any order', () => {
    const ring = new ByteRing()
    for (const offset of [3000, 0, 5000, 4000, 1000, 2000]) {
      ring.write(offset, contents(1, offset, 1000), 0, 1000)
    }

    assert.deepEqual(read(ring, 0, 6000), contents(1, 0, 6000))
  })

  it('takes a part out of a larger array', () => {
    const ring = new ByteRing()
    ring.write(0, contents(1, 0, 100), 40, 60)

    assert.deepEqual(read(ring, 0, 20), contents(1, 40, 20))
  })

  it('gives large memory back when it is empty', () => {
    const ring = new ByteRing()
    ring.write(0, new Uint8Array(1_000_000), 0, 1_000_000)
    assert.equal(ring.capacity, 2 ** 20)

    ring.release(1_000_000)

    assert.equal(ring.capacity, 0)
  })
})
