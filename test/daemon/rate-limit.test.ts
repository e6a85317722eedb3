import assert from 'node:assert/strict'
import { after, instant } from '../../src/core/instant.ts'
import { RateLimit } from '../../src/daemon/rate-limit.ts'

describe('RateLimit', () => {
  it('lets a second’s worth through at once, and says how long to wait then', () => {
    const start = instant(0)
    const limit = new RateLimit(10, start)

    const waits = Array.from({ length: 11 }, () => limit.take(start))

    assert.deepEqual(waits, [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 100])
    assert.equal(limit.take(after(start, 100)), 0)
    assert.equal(limit.take(after(start, 100)), 100)
  })

  it('saves up no more than a second', () => {
    const start = instant(0)
    const limit = new RateLimit(2, start)
    const later = after(start, 60_000)

    assert.deepEqual([limit.take(later), limit.take(later), limit.take(later)], [0, 0, 500])
  })
})
