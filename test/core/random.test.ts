import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { integerBetween, shuffled, uniform } from '../../src/core/random.ts'

const random = { bytes: (count: number) => randomBytes(count) }

describe('uniform()', () => {
  it('stays in [0, 1) at both ends of the bytes', () => {
    assert.equal(uniform({ bytes: (count) => new Uint8Array(count) }), 0)
    assert.ok(uniform({ bytes: (count) => new Uint8Array(count).fill(255) }) < 1)
  })
})

describe('integerBetween()', () => {
  it('reaches both ends and nothing beyond', () => {
    const seen = new Set(Array.from({ length: 1000 }, () => integerBetween(random, 3, 6)))

    assert.deepEqual([...seen].sort(), [3, 4, 5, 6])
  })
})

describe('shuffled()', () => {
  it('keeps every item once and leaves the original alone', () => {
    const items = Array.from({ length: 100 }, (_, n) => n)

    const result = shuffled(random, items)

    assert.notDeepEqual(result, items)
    assert.deepEqual(
      result.sort((a, b) => a - b),
      items,
    )
  })
})
