import assert from 'node:assert/strict'
import { after, instant } from '../../src/core/instant.ts'
import { TokenBuckets } from '../../src/server/token-buckets.ts'

const start = instant(0)

describe('TokenBuckets', () => {
  it('lets a burst through, then one after each interval', () => {
    const buckets = new TokenBuckets({ burst: 3, everyMs: 100 })
    const take = (ms: number): boolean => buckets.take(after(start, ms), 'a')

    assert.deepEqual([take(0), take(0), take(0), take(0)], [true, true, true, false])
    assert.equal(buckets.waitMs(start, 'a'), 100)
    assert.deepEqual([take(99), take(100), take(100)], [false, true, false])
    assert.deepEqual([take(10_000), take(10_000), take(10_000)], [true, true, true])
    assert.equal(take(10_000), false)
  })

  it('keeps keys apart', () => {
    const buckets = new TokenBuckets({ burst: 1, everyMs: 100 })

    assert.equal(buckets.take(start, 'a'), true)
    assert.equal(buckets.take(start, 'b'), true)
    assert.equal(buckets.take(start, 'a'), false)
    assert.equal(buckets.waitMs(start, 'nobody'), 0)
  })

  it('forgets full buckets, and the longest unused of too many', () => {
    const buckets = new TokenBuckets({ burst: 1, everyMs: 1_000 })
    for (let key = 0; key < 100; key++) buckets.take(start, String(key))
    for (let round = 0; round < 60; round++) buckets.take(after(start, 1_001 + round), 'busy')
    assert.equal(buckets.size, 1)

    for (let key = 0; key < 70_000; key++) buckets.take(after(start, 3_000), `flood ${key}`)

    assert.equal(buckets.size, 65_536)
  })
})
