import { strict as assert } from 'node:assert'
import { instant } from '../../../../src/core/instant.ts'
import { RecentRtt } from '../../../../src/reliable-udp/congestion/bbr/recent-rtt.ts'

const PATH_MS = 50

function after(samples: readonly (readonly [at: number, rttMs: number])[]): number {
  const recent = new RecentRtt()
  for (const [at, rttMs] of samples) recent.add(instant(at), rttMs, PATH_MS)
  return recent.leastMs
}

/** One each `everyMs`, from `from` on. */
function steady(count: number, everyMs: number, rttMs: number, from = 0): [number, number][] {
  return Array.from({ length: count }, (_, i) => [from + i * everyMs, rttMs])
}

describe('RecentRtt', () => {
  it('knows nothing before the first half is full', () => {
    assert.equal(after(steady(3, 5, 60)), 0)
    assert.equal(after(steady(4, 5, 60)), 60)
  })

  it('rises when all round trips of a quarter of the path did', () => {
    assert.equal(after([...steady(10, 5, 50), ...steady(3, 5, 70, 50)]), 50)
    assert.equal(after([...steady(10, 5, 50), ...steady(8, 5, 70, 50)]), 70)
  })

  it('does not take one late moment for a queue, though ten ACKs come in it', () => {
    assert.equal(after([...steady(40, 1, 50), ...steady(10, 0.1, 65, 55)]), 50)
  })

  it('falls with the first short one', () => {
    assert.equal(after([...steady(20, 5, 70), [101, 52]]), 52)
  })
})
