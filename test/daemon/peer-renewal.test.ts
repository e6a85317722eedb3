import assert from 'node:assert/strict'
import { describe, it } from 'mocha'
import { after, type Instant, instant } from '../../src/core/instant.ts'
import { PeerRenewal } from '../../src/daemon/peer-renewal.ts'
import { SeededRandom } from '../sim/seeded-random.ts'

const start = instant(0)
const minute = 60_000

function newRenewal(isInitiator = true): PeerRenewal {
  return new PeerRenewal(new SeededRandom(1), isInitiator)
}

function isAbout(at: Instant | undefined, ms: number): void {
  assert.ok(at !== undefined && Math.abs(at - ms) <= 5000, `${at} is not about ${ms}`)
}

describe('PeerRenewal', () => {
  it('renews a minute before the ticket ends, the responder half a minute later', () => {
    for (const isInitiator of [true, false]) {
      const renewal = newRenewal(isInitiator)

      renewal.answered(start, after(start, 10 * minute), false)

      isAbout(renewal.deadline, isInitiator ? 9 * minute : 9.5 * minute)
    }
  })

  it('tries for a direct path again, ever more seldom, until there is one', () => {
    const renewal = newRenewal()
    let now = start
    const gaps: number[] = []
    for (let round = 0; round < 8; round++) {
      renewal.answered(now, undefined, true)
      const next = renewal.deadline
      assert.ok(next !== undefined)
      gaps.push(next - now)
      renewal.asked(next)
      now = next
    }

    gaps.forEach((gap, round) => isAbout(instant(gap), Math.min(15_000 * 2 ** round, 10 * minute)))
    renewal.answered(now, undefined, true)
    renewal.foundDirect()
    assert.equal(renewal.deadline, undefined)
  })

  it('does not count two answers within one round of punching as two rounds', () => {
    const renewal = newRenewal()

    renewal.answered(start, undefined, true)
    renewal.answered(after(start, 2000), undefined, true)

    isAbout(renewal.deadline, 17_000)
  })

  it('asks again what nobody answers, after 30 s and then each minute', () => {
    const renewal = newRenewal()
    renewal.answered(start, undefined, false)
    renewal.wish(start)

    const asked: (number | undefined)[] = []
    while (asked.length < 4) {
      const { deadline } = renewal
      asked.push(deadline)
      assert.ok(deadline !== undefined && renewal.isDue(deadline))
      renewal.asked(deadline)
    }

    assert.deepEqual(asked, [0, 30_000, 90_000, 150_000])
  })

  it('leaves two seconds between two wishes', () => {
    const renewal = newRenewal()
    renewal.wish(start)
    renewal.asked(start)
    renewal.answered(after(start, 100), undefined, false)

    renewal.wish(after(start, 500))

    assert.equal(renewal.deadline, 2000)
    assert.equal(renewal.isDue(instant(1999)), false)
    assert.equal(renewal.isDue(instant(2000)), true)
  })
})
