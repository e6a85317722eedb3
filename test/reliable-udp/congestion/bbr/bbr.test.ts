import { strict as assert } from 'node:assert'
import { Bbr } from '../../../../src/reliable-udp/congestion/bbr/bbr.ts'
import type { BbrState } from '../../../../src/reliable-udp/congestion/bbr/state.ts'
import { initialWindow } from '../../../../src/reliable-udp/congestion/controller.ts'
import { SeededRandom } from '../../../sim/seeded-random.ts'
import { ackOf, lossAt } from '../samples.ts'
import { type Circumstances, Path } from './path.ts'

const BDP = 2500 * 50

/** How each state is reached from a path of 20 Mbit/s and 50 ms, what changes, and what then follows. */
const transitions: readonly {
  readonly from: BbrState
  readonly when: string
  readonly change: Partial<Circumstances>
  readonly to: BbrState
  readonly rounds: readonly [least: number, most: number]
}[] = [
  { from: 'startup', when: 'a queue shows', change: {}, to: 'drain', rounds: [1, 10] },
  {
    from: 'startup',
    when: 'the bandwidth no longer grows and packets are lost',
    change: { loss: 0.2, bandwidth: 500 },
    to: 'drain',
    rounds: [1, 8],
  },
  { from: 'drain', when: 'the queue is gone', change: {}, to: 'refill', rounds: [1, 3] },
  { from: 'refill', when: 'the pipe is full', change: {}, to: 'up', rounds: [1, 1] },
  { from: 'up', when: 'a queue shows', change: {}, to: 'down', rounds: [1, 4] },
  { from: 'up', when: 'much is lost', change: { loss: 0.1 }, to: 'down', rounds: [1, 2] },
  { from: 'down', when: 'room is made', change: {}, to: 'cruise', rounds: [1, 3] },
  { from: 'cruise', when: 'time has come', change: {}, to: 'refill', rounds: [40, 63] },
  {
    from: 'cruise',
    when: 'others fill the queue',
    change: { foreignQueueMs: 45 },
    to: 'compete',
    rounds: [3, 8],
  },
  {
    from: 'compete',
    when: 'they are gone',
    change: { foreignQueueMs: 0 },
    to: 'cruise',
    rounds: [12, 130],
  },
  {
    from: 'cruise',
    when: 'the least round trip was not seen for 10 s',
    change: { rttMs: 60 },
    to: 'probe-rtt',
    rounds: [100, 180],
  },
]

function pathIn(state: BbrState): Path {
  const path = new Path()
  if (state === 'compete') {
    path.roundsUntil('up')
    path.roundsUntil('cruise')
    path.circumstances.foreignQueueMs = 45
  }
  if (state === 'down' || state === 'cruise') path.roundsUntil('up')
  path.roundsUntil(state)
  return path
}

describe('Bbr', () => {
  for (const { from, when, change, to, rounds } of transitions) {
    it(`goes from ${from} to ${to} when ${when}`, () => {
      const path = pathIn(from)
      Object.assign(path.circumstances, change)

      const taken = path.roundsUntil(to)

      assert.ok(taken >= rounds[0] && taken <= rounds[1], `${taken} rounds`)
    })
  }

  it('doubles its rate each round in start-up, from the initial window', () => {
    const path = new Path()
    Object.assign(path.circumstances, { bandwidth: 1e6 })
    assert.equal(path.bbr.windowBytes, initialWindow(1200))
    path.round()
    const first = path.bbr.pacingRate ?? 0
    for (let i = 0; i < 8; i++) path.round()

    assert.equal(path.bbr.state, 'startup')
    assert.ok((path.bbr.pacingRate ?? 0) > first * 2 ** 3, `${path.bbr.pacingRate}`)
  })

  it('leaves start-up on the plateau where no queue shows it', () => {
    const bbr = new Bbr(1200, new SeededRandom(1))
    let delivered = 0
    let rounds = 0
    while (bbr.state === 'startup') {
      const before = delivered
      delivered += 50_000
      rounds += 1
      assert.ok(rounds < 10)
      bbr.handleAck(
        ackOf(50_000, rounds * 50, {
          delivered,
          priorDelivered: before,
          deliveryRate: 1000,
          inFlightBytes: 50_000,
        }),
      )
    }

    assert.equal(rounds, 4) // the first one sets the mark, three do not pass it
  })

  it('gets to a batch under way on the same machine, though its hosts take turns 10 ms late', () => {
    const bbr = new Bbr(1200, new SeededRandom(1))
    let delivered = 0
    let rounds = 0
    while (bbr.windowBytes < 65_536) {
      const bytes = 4 * 1200
      const before = delivered
      delivered += bytes
      rounds += 1
      assert.ok(rounds < 100, `${bbr.windowBytes} bytes`)
      bbr.handleAck(
        ackOf(bytes, rounds * 10, {
          rttMs: rounds === 1 ? 0.8 : 10,
          smoothedRttMs: 10,
          delivered,
          priorDelivered: before,
          deliveryRate: bytes / 10,
          inFlightBytes: bytes,
          sentInFlightBytes: bytes,
        }),
      )
    }

    assert.ok((bbr.pacingRate ?? 0) >= 65_536 / 10, `${bbr.pacingRate} bytes a ms`)
  })

  it('stays in start-up while the application has too little to send', () => {
    const path = new Path()
    Object.assign(path.circumstances, { isAppLimited: true, bandwidth: 1e6 })
    for (let i = 0; i < 30; i++) path.round()

    assert.equal(path.bbr.state, 'startup')
  })

  it('keeps to the pipe and 20 ms while it cruises, and to 1.25 times the bandwidth while it probes', () => {
    const path = pathIn('cruise')
    for (let i = 0; i < 300; i++) {
      const state = path.round()
      assert.ok((path.bbr.pacingRate ?? 0) <= 1.25 * 2500 + 1e-6)
      if (state === 'cruise') assert.ok(path.bbr.windowBytes <= BDP + 20 * 2500 + 1)
    }
  })

  it('sends as fast as the path delivers, though it loses 5 %', () => {
    const path = new Path()
    path.circumstances.loss = 0.05
    for (let i = 0; i < 300; i++) path.round()

    assert.ok((path.bbr.pacingRate ?? 0) > 0.85 * 0.95 * 2500, `${path.bbr.pacingRate}`)
  })

  it('follows a bandwidth that falls to a quarter within ten round trips', () => {
    const path = pathIn('cruise')
    for (let i = 0; i < 10; i++) path.round()
    const changedAt = path.now
    path.circumstances.bandwidth = 625
    while (path.rttMs > 75 || path.now === changedAt) path.round()

    assert.ok(path.now - changedAt < 10 * 200, `${path.now - changedAt} ms`)
    assert.notEqual(path.bbr.state, 'compete')
    path.roundsUntil('cruise')
    assert.ok((path.bbr.pacingRate ?? 0) < 1.05 * 625)
  })

  it('finds four times the bandwidth in the next probe', () => {
    const path = pathIn('cruise')
    path.circumstances.bandwidth = 10_000
    path.roundsUntil('up')
    const taken = path.roundsUntil('down')

    assert.ok(taken < 20, `${taken} rounds`)
    assert.ok((path.bbr.pacingRate ?? 0) > 0.8 * 10_000, `${path.bbr.pacingRate}`)
  })

  it('competes at once where others filled the queue while it started, doubling as a new flow does', () => {
    const path = new Path()
    path.round()
    path.circumstances.foreignQueueMs = 80
    const taken = path.roundsUntil('compete')
    const before = path.bbr.windowBytes
    path.round()
    path.round()

    assert.ok(taken < 12, `${taken} rounds`)
    assert.ok(path.bbr.windowBytes > 1.6 * before, `${before} → ${path.bbr.windowBytes} bytes`)
  })

  it('repeats a probe at once while it finds more', () => {
    const path = pathIn('cruise')
    path.circumstances.bandwidth = 2500 * 1.2
    path.roundsUntil('up')
    path.roundsUntil('down')

    const taken = path.roundsUntil('refill')
    assert.ok(taken <= 3, `${taken} rounds`)
    path.roundsUntil('up')
    path.roundsUntil('cruise')
    assert.ok(path.roundsUntil('refill') > 20, 'there is no more')
  })

  it('takes a queue for its own when nearly all of it goes in a look, though some is left', () => {
    const path = pathIn('cruise')
    path.circumstances.bandwidth = 625
    path.roundsUntil('probe-rtt')
    path.circumstances.rttMs = 70 // packets take longer now
    while (path.bbr.state === 'probe-rtt') path.round()

    assert.equal(path.bbr.state, 'cruise')
  })

  it('sets a limit where a probe lost too much, and leaves room below it', () => {
    const path = pathIn('up')
    path.circumstances.loss = 0.1
    path.roundsUntil('down')
    path.circumstances.loss = 0
    path.roundsUntil('cruise')
    path.round()

    assert.ok(path.bbr.windowBytes <= 0.86 * 1.5 * BDP, `${path.bbr.windowBytes}`)
    assert.ok(path.bbr.windowBytes >= 0.7 * 0.85 * BDP, `${path.bbr.windowBytes}`)
  })

  it('returns to the probe when the loss that ended it never was', () => {
    const path = pathIn('up')
    path.circumstances.loss = 0.1
    path.roundsUntil('down')
    path.circumstances.loss = 0
    path.bbr.handleSpuriousLoss()

    assert.equal(path.bbr.state, 'refill')
  })

  it('begins anew after persistent congestion, with four packets', () => {
    const path = pathIn('cruise')
    path.bbr.handlePersistentCongestion(path.now)

    assert.equal(path.bbr.state, 'startup')
    assert.equal(path.bbr.windowBytes, 4 * 1200)
    assert.equal(path.bbr.pacingRate, undefined)
  })

  it('answers loss while it cruises only when it exceeds what the path usually loses', () => {
    const path = pathIn('cruise')
    for (let i = 0; i < 5; i++) path.round()
    const before = path.bbr.pacingRate
    path.bbr.handleLoss({ ...lossAt(path.now), lostBytes: 1200 })
    path.round()
    assert.equal(path.bbr.pacingRate, before)

    path.circumstances.loss = 0.3
    path.round()
    path.circumstances.loss = 0
    path.round()
    assert.ok((path.bbr.pacingRate ?? Infinity) < (before ?? 0))
  })

  it('restarts from idleness at the bandwidth itself', () => {
    const path = pathIn('up')
    assert.ok((path.bbr.pacingRate ?? 0) > 2500)
    path.bbr.handleSent(path.now, 1200, 1200, true)

    assert.ok((path.bbr.pacingRate ?? 0) <= 2500)
  })

  it('lets chat go while the queue of a file drains', () => {
    const path = pathIn('drain')

    assert.ok(path.bbr.urgentWindowBytes > path.bbr.windowBytes + BDP / 2)
  })

  it('never has a window below four packets', () => {
    const path = pathIn('cruise')
    path.circumstances.bandwidth = 1
    path.circumstances.loss = 0.5
    for (let i = 0; i < 100; i++) {
      path.round()
      assert.ok(path.bbr.windowBytes >= 4 * 1200)
    }
  })
})
