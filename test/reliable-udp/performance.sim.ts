/**
 * How much of a link is used, and how late messages are, in virtual time: the figures of the protocol itself, without
 * the machine's speed. `SIM_TABLE=1` prints the whole table, on links of 100 Mbit/s (some minutes; `SIM_RUNS=n` seeds).
 */
import { strict as assert } from 'node:assert'
import { Cubic } from '../../src/reliable-udp/congestion/cubic.ts'
import type { ControllerFactory } from '../../src/reliable-udp/congestion/controller.ts'
import type { LinkConditions } from '../sim/link.ts'
import { seeds } from '../sim/simulate.ts'
import { FirstBbr } from './congestion/tcp-like.ts'
import {
  bottleneckOf,
  queueDelays,
  fileRate,
  messageDelays,
  pathOf,
  percentile,
  shareBeside,
} from './scenario.ts'
import { SharedBottleneck } from './shared-bottleneck.ts'

/** The most of a link that a file can have: packets of 1,500 bytes carry 1,433 of it. */
const PAYLOAD_SHARE = 0.955

const newCubic: ControllerFactory = (_now, datagramBytes) => new Cubic(datagramBytes)
const newFirstBbr: ControllerFactory = (_now, datagramBytes) => new FirstBbr(datagramBytes)

/** Two bandwidth-delay products, as on the bench where real TCP is the neighbour. */
const SHARED: LinkConditions = pathOf(20, { queueBytes: 250_000 })

describe('A file', function () {
  this.timeout(120_000)

  const links: readonly [what: string, more: LinkConditions, share: number][] = [
    ['a calm link, start-up included', {}, 0.9],
    ['0.1 % loss', { loss: 0.001 }, 0.88],
    ['1 % loss', { loss: 0.01 }, 0.84],
    ['5 % loss', { loss: 0.05 }, 0.72],
    ['packets that overtake one another by 6 ms', { scatterMs: 6 }, 0.86],
    ['jitter of 10 ms', { jitterMs: 10 }, 0.8],
    ['loss in bursts of five, 2 % in all', { burst: { enter: 0.004, leave: 0.2 } }, 0.75],
    ['a queue of 30 kB', { queueBytes: 30_000 }, 0.85],
    ['a queue of two packets, less than the pacer sends at once', { queueBytes: 3000 }, 0.55],
    ['a queue of two seconds', { queueBytes: 5_000_000 }, 0.9],
    [
      'a policer at half the rate',
      { policer: { rateBytesPerSecond: 1_250_000, burstBytes: 30_000 } },
      0.36,
    ],
  ]
  for (const [what, more, least] of links) {
    it(`at 20 Mbit/s and 50 ms, with ${what}, gets ${least} of the link`, () => {
      const used = fileRate(pathOf(20, more), 6000) / 2_500_000
      assert.ok(used > least, `${used}`)
    })
  }

  it('starts up again where a moment without any packet looked like a full queue', () => {
    const bottleneck = bottleneckOf(pathOf(100), 1)
    const flow = bottleneck.join()
    stall(bottleneck, { afterMs: 100, forMs: 26 })
    bottleneck.startFile(flow)
    const used = (bottleneck.measure(3000)[0] ?? 0) / 12_500_000
    assert.ok(used > 0.7, `${used}`)
  })

  it('uses a long fat path: 100 Mbit/s and 150 ms', () => {
    const used = fileRate(pathOf(100, { latencyMs: 75, queueBytes: 1_875_000 }), 5000) / 12_500_000
    assert.ok(used > 0.7, `${used}`)
  })

  it('uses a slow path without flooding it: 256 kbit/s and 300 ms', () => {
    const conditions = { latencyMs: 150, rateBytesPerSecond: 32_000, queueBytes: 64_000 }
    const bottleneck = bottleneckOf(conditions, 1)
    const flow = bottleneck.join()
    bottleneck.startFile(flow)
    bottleneck.run(10_000)
    const queued = queueDelays(bottleneck, 20_000)
    const used = (bottleneck.measure(20_000)[0] ?? 0) / 32_000

    assert.ok(used > 0.8, `${used} used`)
    assert.ok(percentile(queued, 0.5) < 200, `median queue ${percentile(queued, 0.5)} ms`)
    assert.ok(percentile(queued, 0.99) < 400, `p99 queue ${percentile(queued, 0.99)} ms`)
  })

  it('keeps the queue of a bloated buffer within 20 ms while it does not probe', () => {
    const bottleneck = bottleneckOf(pathOf(20, { queueBytes: 5_000_000 }), 1)
    const flow = bottleneck.join()
    bottleneck.startFile(flow)
    bottleneck.run(2000)
    const queued = queueDelays(bottleneck, 8000)

    assert.ok(percentile(queued, 0.5) < 5, `median ${percentile(queued, 0.5)} ms`)
    assert.ok(percentile(queued, 0.9) < 20, `p90 ${percentile(queued, 0.9)} ms`)
    assert.ok(percentile(queued, 1) < 60, `most ${percentile(queued, 1)} ms`)
  })

  it('follows a bandwidth that falls to a quarter, and one that rises fourfold', () => {
    const bottleneck = bottleneckOf(pathOf(20, { queueBytes: 500_000 }), 1)
    const flow = bottleneck.join()
    bottleneck.startFile(flow)
    bottleneck.run(3000)
    const { conditions } = bottleneck.there

    bottleneck.there.conditions = { ...conditions, rateBytesPerSecond: 625_000 }
    bottleneck.run(1500)
    const queued = queueDelays(bottleneck, 1500)
    assert.ok(percentile(queued, 0.5) < 20, `${percentile(queued, 0.5)} ms of queue`)
    const [slow = 0] = bottleneck.measure(3000)
    assert.ok(slow > 0.85 * 625_000, `${slow} of 625,000`)

    bottleneck.there.conditions = conditions
    bottleneck.run(5000)
    const [fast = 0] = bottleneck.measure(2000)
    assert.ok(fast > 0.8 * 2_500_000, `${fast} of 2,500,000`)
  })

  it('does not mind that half of its acknowledgements are lost', () => {
    const bottleneck = new SharedBottleneck(pathOf(20), 1, { latencyMs: 25, loss: 0.5 })
    const flow = bottleneck.join()
    bottleneck.startFile(flow)
    const used = (bottleneck.measure(6000)[0] ?? 0) / 2_500_000
    assert.ok(used > 0.7, `${used}`)
  })

  it('recovers from an outage of two seconds', () => {
    const bottleneck = bottleneckOf(pathOf(20), 1)
    const flow = bottleneck.join()
    bottleneck.startFile(flow)
    bottleneck.run(2000)
    const { conditions } = bottleneck.there
    bottleneck.there.conditions = { ...conditions, loss: 1 }
    bottleneck.run(2000)
    bottleneck.there.conditions = conditions
    bottleneck.run(3500)
    const [after = 0] = bottleneck.measure(1000)

    assert.ok(after > 0.8 * 2_500_000, `${after} bytes in a second`)
  })
})

describe('Messages of 100 bytes', function () {
  this.timeout(60_000)

  const kinds: readonly [loss: number, everyMs: number, count: number, p99Ms: number][] = [
    [0.01, 10, 1000, 45],
    [0.05, 10, 1000, 45],
    [0.05, 200, 600, 60],
  ]
  for (const [loss, everyMs, count, p99Ms] of kinds) {
    it(`each ${everyMs} ms at ${loss * 100} % loss: p99 within ${p99Ms} ms of way and waiting`, () => {
      const { delays } = messageDelays({ latencyMs: 25, loss }, everyMs, count, { seed: 3 })

      assert.equal(delays.length, count)
      assert.ok(percentile(delays, 0.5) < 26, `p50 ${percentile(delays, 0.5)} ms`)
      assert.ok(percentile(delays, 0.99) <= p99Ms, `p99 ${percentile(delays, 0.99)} ms`)
    })
  }

  it('beside a file at 20 Mbit/s with 200 ms of queue: p50 within 35 ms, p99 within 60 ms', () => {
    const conditions = pathOf(20, { queueBytes: 500_000 })
    const { delays, fileBytesPerSecond } = messageDelays(conditions, 20, 500, { withFile: true })

    assert.ok(percentile(delays, 0.5) <= 35, `p50 ${percentile(delays, 0.5)} ms`)
    assert.ok(percentile(delays, 0.99) <= 60, `p99 ${percentile(delays, 0.99)} ms`)
    const share = fileBytesPerSecond / 2_500_000 / PAYLOAD_SHARE
    assert.ok(share >= 0.92, `file ${share} of what the link can carry`)
  })
})

describe('Two flows at 20 Mbit/s and 50 ms', function () {
  this.timeout(120_000)

  const neighbours: readonly [who: string, other: ControllerFactory | undefined][] = [
    ['CUBIC', newCubic],
    ['the first BBR', newFirstBbr],
    ['our own', undefined],
  ]
  for (const [who, other] of neighbours) {
    it(`beside ${who}: neither starves, and the link is used`, () => {
      const { ours, used } = shareBeside(other, SHARED)

      assert.ok(ours > 0.25 && ours < 0.75, `our share ${ours}`)
      assert.ok(used > 0.94 * PAYLOAD_SHARE, `${used} of the link`)
    })
  }
})

describe('A file that starts 0.3 s after another one, when the queue is full', function () {
  this.timeout(120_000)

  const neighbours: readonly [who: string, other: ControllerFactory, least: number][] = [
    ['CUBIC', newCubic, 0.25], // by CUBIC's own rules the smaller flow takes longer than this to catch up
    ['the first BBR', newFirstBbr, 0.4],
  ]
  for (const [who, other, least] of neighbours) {
    it(`has its share from the 5th second on, beside ${who}`, () => {
      const { ours, used } = shareBeside(other, SHARED, { headStartMs: 300 })

      assert.ok(ours > least && ours < 0.75, `our share ${ours}`)
      assert.ok(used > 0.94 * PAYLOAD_SHARE, `${used} of the link`)
    })
  }
})

/** Printed rather than judged, and so no test: there only when `SIM_TABLE` asks for it. */
if (process.env['SIM_TABLE'] !== undefined) describe('The table', printTable)

function printTable(this: Mocha.Suite): void {
  this.timeout(3_600_000)

  const runs = seeds(3)
  const show = (what: string, values: readonly number[], digits = 2): void => {
    const sorted = [...values].sort((a, b) => a - b)
    const median = sorted[Math.floor(sorted.length / 2)] ?? NaN
    const range = `${sorted[0]?.toFixed(digits)} – ${sorted.at(-1)?.toFixed(digits)}`
    console.log(`    ${what.padEnd(52)} ${median.toFixed(digits).padStart(7)}   (${range})`)
  }

  const rows: readonly [what: string, more: LinkConditions][] = [
    ['no loss', {}],
    ['0.1 % loss', { loss: 0.001 }],
    ['1 % loss', { loss: 0.01 }],
    ['5 % loss', { loss: 0.05 }],
    ['reordering ±3 ms', { latencyMs: 22, scatterMs: 6 }],
  ]
  for (const [what, more] of rows) {
    it(`MB/s at 100 Mbit/s, 50 ms, ${what}`, () => {
      show(
        `${what}, MB/s of payload in 8 s`,
        runs.map((seed) => fileRate(pathOf(100, more), 8000, seed) / 1e6),
      )
    })
  }

  for (const [loss, everyMs] of [
    [0.01, 10],
    [0.05, 10],
    [0.05, 200],
  ] as const) {
    it(`message delays, one each ${everyMs} ms at ${loss * 100} % loss`, () => {
      const all = runs.map(
        (seed) => messageDelays({ latencyMs: 25, loss }, everyMs, 2000, { seed }).delays,
      )
      show(
        `message p99, each ${everyMs} ms, ${loss * 100} % loss, ms`,
        all.map((delays) => percentile(delays, 0.99)),
        1,
      )
    })
  }

  it('a file and chat', () => {
    const conditions = pathOf(20, { queueBytes: 500_000 })
    const all = runs.map((seed) => messageDelays(conditions, 20, 1000, { seed, withFile: true }))
    show(
      'chat beside a file, p50, ms',
      all.map(({ delays }) => percentile(delays, 0.5)),
      1,
    )
    show(
      'chat beside a file, p99, ms',
      all.map(({ delays }) => percentile(delays, 0.99)),
      1,
    )
    show(
      'the file, % of what the link can carry',
      all.map(({ fileBytesPerSecond }) => (100 * fileBytesPerSecond) / 2_500_000 / PAYLOAD_SHARE),
      1,
    )
  })

  for (const [who, other] of [
    ['CUBIC', newCubic],
    ['the first BBR', newFirstBbr],
    ['our own', undefined],
  ] as const) {
    it(`share beside ${who}`, () => {
      const all = runs.map((seed) => shareBeside(other, SHARED, { seed }))
      show(
        `share beside ${who}, %`,
        all.map(({ ours }) => 100 * ours),
        1,
      )
      show(
        '  the link, % of its payload',
        all.map(({ used }) => (100 * used) / PAYLOAD_SHARE),
        1,
      )
    })
  }
}

/** Both directions: what comes meanwhile is handled when it is over, as by a host that was busy. */
function stall(bottleneck: SharedBottleneck, when: { afterMs: number; forMs: number }): void {
  const from = bottleneck.now + when.afterMs
  const until = from + when.forMs
  for (const link of [bottleneck.there, bottleneck.back]) {
    const transit = link.transit.bind(link)
    link.transit = (now, sizeBytes) => transit(now >= from && now < until ? until : now, sizeBytes)
  }
}
