import assert from 'node:assert/strict'
import { Link, type LinkConditions } from './link.ts'
import { SeededRandom } from './seeded-random.ts'

interface Run {
  readonly arrivals: readonly number[]
  readonly lost: Readonly<Record<string, number>>
}

/** `count` packets of 1000 bytes, one a millisecond. */
function run(conditions: LinkConditions, count = 10_000): Run {
  const link = new Link(conditions, new SeededRandom(1))
  const arrivals: number[] = []
  const lost: Record<string, number> = {}
  for (let now = 0; now < count; now++) {
    const transit = link.transit(now, 1000)
    if (transit.kind === 'arrives') arrivals.push(...transit.at)
    else lost[transit.why] = (lost[transit.why] ?? 0) + 1
  }
  return { arrivals, lost }
}

function inversions(arrivals: readonly number[]): number {
  return arrivals.filter((at, index) => at < (arrivals[index - 1] ?? 0)).length
}

describe('Link', () => {
  it('is perfect when nothing is said', () => {
    assert.deepEqual(run({}, 3), { arrivals: [0, 1, 2], lost: {} })
  })

  it('delays by its latency, and by jitter without reordering', () => {
    const { arrivals } = run({ latencyMs: 50, jitterMs: 20 })

    assert.equal(inversions(arrivals), 0)
    const delays = arrivals.map((at, sentAt) => at - sentAt)
    assert.ok(Math.min(...delays) >= 50 && Math.max(...delays) <= 71)
  })

  it('loses at random as often as asked', () => {
    const { lost } = run({ loss: 0.05 })

    assert.ok(Math.abs((lost['loss'] ?? 0) / 10_000 - 0.05) < 0.01)
  })

  it('loses in bursts', () => {
    const { arrivals, lost } = run({ burst: { enter: 0.005, leave: 0.1 } })
    const bursts = arrivals.filter((at, index) => at - (arrivals[index - 1] ?? at) > 1).length

    assert.ok(Math.abs((lost['loss'] ?? 0) / 10_000 - 0.048) < 0.02)
    assert.ok((lost['loss'] ?? 0) / bursts > 5, 'the mean burst has ten packets')
  })

  it('has outages in time', () => {
    const { arrivals, lost } = run({ outages: { everyMs: 900, lastMs: 100 } })
    const outages = arrivals.filter((at, index) => at - (arrivals[index - 1] ?? at) > 1).length

    assert.ok(Math.abs((lost['loss'] ?? 0) / 10_000 - 0.1) < 0.05)
    assert.ok(outages >= 4 && outages <= 25, `${outages}`)
  })

  it('duplicates and reorders', () => {
    assert.ok(Math.abs(run({ duplicate: 0.1 }).arrivals.length - 11_000) < 200)
    const reordered = inversions(run({ reorder: { chance: 0.1, delayMs: 3 } }).arrivals)
    assert.ok(Math.abs(reordered - 900) < 200)
  })

  it('serves at its rate and drops what its queue cannot hold', () => {
    const { arrivals, lost } = run({ rateBytesPerSecond: 500_000, queueBytes: 10_000 }, 1000)

    assert.deepEqual(arrivals.slice(0, 3), [2, 4, 6])
    assert.ok(Math.abs((lost['queue-full'] ?? 0) - 500) < 15)
    assert.ok((arrivals.at(-1) ?? 0) <= 1000 + 22 + 2, 'the queue holds 20 ms')
  })

  it('swallows what is too big', () => {
    assert.deepEqual(run({ mtuBytes: 999 }, 5).lost, { 'too-big': 5 })
    assert.deepEqual(run({ mtuBytes: 1000 }, 5).lost, {})
  })
})
