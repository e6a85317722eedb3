import assert from 'node:assert/strict'
import fc from 'fast-check'
import { ReplayWindow } from '../../src/traversal/replay-window.ts'

describe('ReplayWindow', () => {
  it('takes each number once, in any order', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: 1000 })), (numbers) => {
        const window = new ReplayWindow()
        const taken = numbers.filter((number) => window.take(number))
        assert.deepEqual(taken, [...new Set(numbers)])
      }),
    )
  })

  it('refuses what is older than its window', () => {
    const window = new ReplayWindow()

    assert.ok(window.take(10_000))
    assert.ok(window.take(10_000 - 2047))
    assert.ok(!window.take(10_000 - 2048))
  })

  it('remembers a window and not more', () => {
    const window = new ReplayWindow()
    for (let number = 0; number < 100_000; number++) assert.ok(window.take(number))

    for (let number = 98_000; number < 100_000; number++) assert.ok(!window.take(number))
  })
})
