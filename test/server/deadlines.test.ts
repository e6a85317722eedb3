import assert from 'node:assert/strict'
import fc from 'fast-check'
import { instant } from '../../src/core/instant.ts'
import { Deadlines } from '../../src/server/deadlines.ts'

describe('Deadlines', () => {
  it('gives keys in the order of their deadlines, once each', () => {
    const deadlines = new Deadlines<string>()

    deadlines.set('late', instant(30))
    deadlines.set('early', instant(10))
    deadlines.set('middle', instant(20))

    assert.equal(deadlines.earliest, 10)
    assert.equal(deadlines.takeDue(instant(9)), undefined)
    assert.equal(deadlines.takeDue(instant(25)), 'early')
    assert.equal(deadlines.takeDue(instant(25)), 'middle')
    assert.equal(deadlines.takeDue(instant(25)), undefined)
    assert.equal(deadlines.earliest, 30)
  })

  it('behaves like a map from keys to instants, whatever moves', () => {
    const step = fc.record({
      key: fc.integer({ min: 0, max: 9 }),
      at: fc.option(fc.integer({ min: 0, max: 100 })),
    })
    fc.assert(
      fc.property(fc.array(step, { maxLength: 200 }), fc.integer({ max: 120 }), (steps, now) => {
        const deadlines = new Deadlines<number>()
        const model = new Map<number, number>()
        for (const { key, at } of steps) {
          if (at === null) {
            deadlines.delete(key)
            model.delete(key)
          } else {
            deadlines.set(key, instant(at))
            model.set(key, at)
          }
          const least = model.size === 0 ? undefined : Math.min(...model.values())
          assert.equal(deadlines.earliest, least)
        }
        const taken: number[] = []
        for (let key = deadlines.takeDue(instant(now)); key !== undefined;) {
          taken.push(key)
          key = deadlines.takeDue(instant(now))
        }
        const times = taken.map((key) => model.get(key) ?? Number.NaN)
        assert.deepEqual(
          times,
          [...times].sort((a, b) => a - b),
        )
        assert.deepEqual(
          new Set(taken),
          new Set([...model].filter(([, at]) => at <= now).map(([key]) => key)),
        )
        assert.equal(taken.length, new Set(taken).size)
      }),
    )
  })
})
