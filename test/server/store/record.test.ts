import assert from 'node:assert/strict'
import { isIntact, putBytes, readBytes } from '../../../src/server/store/record.ts'
import { SeededRandom } from '../../sim/seeded-random.ts'

const KEY = 'mail/ö/7'

describe('records', () => {
  const random = new SeededRandom(7)

  for (const length of [0, 1, 100, 65_535, 65_536, 200_000]) {
    it(`of ${length} bytes are read as they were put, under their key alone`, () => {
      const bytes = random.bytes(length)
      const { value } = putBytes(KEY, bytes)

      assert.deepEqual(Buffer.from(readBytes(KEY, value)), Buffer.from(bytes))
      assert.equal(isIntact('mail/ö/8', value), false)
    })

    it(`of ${length} bytes are damaged by one bit, wherever it is`, () => {
      const { value } = putBytes(KEY, random.bytes(length))
      for (const at of [0, 7, Math.floor(value.length / 2), value.length - 1]) {
        const damaged = Uint8Array.from(value)
        damaged[at] = (damaged[at] ?? 0) ^ 1
        assert.equal(isIntact(KEY, damaged), false, `byte ${at}`)
      }
    })
  }
})
