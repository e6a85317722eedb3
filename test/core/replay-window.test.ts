import { strict as assert } from 'node:assert'
import fc from 'fast-check'
import { REPLAY_WINDOW_PACKETS, ReplayWindow } from '../../src/core/replay-window.ts'

describe('ReplayWindow', () => {
  it('takes each number once, in any order', () => {
    const window = new ReplayWindow()
    for (const number of [5, 3, 9, 4]) window.mark(number)

    assert.deepEqual(
      [3, 4, 5, 6, 9, 10].map((number) => window.isFresh(number)),
      [false, false, false, true, false, true],
    )
  })

  it('refuses what is 2,048 numbers old: it may have been seen', () => {
    const window = new ReplayWindow()
    window.mark(10_000)

    assert.equal(window.isFresh(10_000 - REPLAY_WINDOW_PACKETS + 1), true)
    assert.equal(window.isFresh(10_000 - REPLAY_WINDOW_PACKETS), false)
  })

  it('forgets nothing and makes nothing up within its reach', () => {
    const steps = fc.array(fc.integer({ min: -3000, max: 3000 }), { maxLength: 200 })
    fc.assert(
      fc.property(steps, (moves) => {
        const window = new ReplayWindow()
        const seen = new Set<number>()
        let at = 2 ** 32 - 5000
        for (const move of moves) {
          at += move
          const isOld = at <= window.largest - REPLAY_WINDOW_PACKETS
          assert.equal(window.isFresh(at), !isOld && !seen.has(at))
          if (!window.isFresh(at)) continue
          window.mark(at)
          seen.add(at)
        }
      }),
    )
  })
})

describe('ReplayWindow.take()', () => {
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
