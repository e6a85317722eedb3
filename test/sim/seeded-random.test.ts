import assert from 'node:assert/strict'
import { uniform } from '../../src/core/random.ts'
import { SeededRandom } from './seeded-random.ts'

function draw(random: SeededRandom, count: number): number[] {
  return Array.from({ length: count }, () => uniform(random))
}

describe('SeededRandom', () => {
  it('gives the same bytes for the same seed, others for the next', () => {
    assert.deepEqual(new SeededRandom(7).bytes(9), new SeededRandom(7).bytes(9))
    assert.notDeepEqual(new SeededRandom(7).bytes(9), new SeededRandom(8).bytes(9))
  })

  it('is spread evenly', () => {
    const values = draw(new SeededRandom(1), 20_000)

    for (let bucket = 0; bucket < 10; bucket++) {
      const count = values.filter((value) => Math.floor(value * 10) === bucket).length
      assert.ok(Math.abs(count - 2000) < 200, `bucket ${bucket}: ${count}`)
    }
  })

  it('forks streams that do not depend on what was drawn before', () => {
    const fresh = new SeededRandom(1)
    const used = new SeededRandom(1)
    draw(used, 100)

    assert.deepEqual(draw(fresh.fork('nat'), 5), draw(used.fork('nat'), 5))
    assert.notDeepEqual(draw(fresh.fork('nat'), 5), draw(fresh.fork('host'), 5))
  })
})
