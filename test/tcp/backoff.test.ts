import assert from 'node:assert/strict'
import { describe, it } from 'mocha'
import type { Random } from '../../src/core/random.ts'
import { Backoff } from '../../src/tcp/backoff.ts'
import { SeededRandom } from '../sim/seeded-random.ts'

const almostOne: Random = { bytes: (count) => new Uint8Array(count).fill(0xff) }
const zero: Random = { bytes: (count) => new Uint8Array(count) }

describe('Backoff', () => {
  it('doubles its ceiling from half a second to a minute', () => {
    const backoff = new Backoff(almostOne)

    const waits = Array.from({ length: 9 }, () => Math.round(backoff.next(0)))

    assert.deepEqual(waits, [500, 1000, 2000, 4000, 8000, 16000, 32000, 60000, 60000])
  })

  it('waits anything from nothing on: full jitter', () => {
    assert.equal(new Backoff(zero).next(0), 0)
    const waits = Array.from({ length: 1000 }, (_, seed) =>
      new Backoff(new SeededRandom(seed)).next(0),
    )

    assert.ok(waits.every((wait) => wait >= 0 && wait < 500))
    const below = (limit: number): number => waits.filter((wait) => wait < limit).length
    assert.ok(below(125) > 180 && below(250) > 400 && below(375) > 650 && below(475) < 990)
  })

  it('starts anew after a session of a minute, and not after a shorter one', () => {
    const backoff = new Backoff(almostOne)
    backoff.next(0)
    backoff.next(0)

    backoff.sessionEnded(59_999)
    assert.equal(Math.round(backoff.next(0)), 2000)
    backoff.sessionEnded(60_000)
    assert.equal(Math.round(backoff.next(0)), 500)
  })

  it('waits as long as it was asked to, and up to as long again', () => {
    assert.equal(new Backoff(zero).next(10_000), 10_000)
    assert.equal(Math.round(new Backoff(almostOne).next(10_000)), 20_000)
  })

  it('comes back within the time that the server wants its clients spread over', () => {
    assert.equal(new Backoff(zero).next(1_000, 30_000), 1_000)
    assert.equal(Math.round(new Backoff(almostOne).next(1_000, 30_000)), 31_000)
    assert.equal(Math.round(new Backoff(almostOne).next(1_000, 0)), 1_000)
  })

  it('does not wait for days because a server says so', () => {
    assert.ok(new Backoff(almostOne).next(86_400_000) <= 2 * 60 * 60 * 1000)
  })
})
