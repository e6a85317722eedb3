import assert from 'node:assert/strict'
import { instant } from '../../src/core/instant.ts'
import {
  IdleInterval,
  idleHeartbeatMs,
  NetworkSilences,
} from '../../src/traversal/idle-interval.ts'
import { SilenceWatch } from '../../src/traversal/silence.ts'

describe('idleHeartbeatMs()', () => {
  it('is 15 s while no lifetime is known', () => {
    assert.equal(idleHeartbeatMs([undefined, undefined]), 15_000)
  })

  it('is six tenths of the shorter lifetime, between 10 s and 25 s', () => {
    assert.equal(idleHeartbeatMs([30_000, undefined]), 18_000)
    assert.equal(idleHeartbeatMs([30_000, 20_000]), 12_000)
    assert.equal(idleHeartbeatMs([5_000, 120_000]), 10_000)
    assert.equal(idleHeartbeatMs([120_000, 300_000]), 25_000)
  })
})

describe('IdleInterval', () => {
  function climb(interval: IdleInterval): number[] {
    const asked: number[] = []
    for (let n = 0; n < 14; n++) {
      asked.push(interval.ms / 1000)
      interval.survived(interval.ms)
    }
    return asked
  }

  it('grows where a silence was survived twice, to 120 s and no further', () => {
    assert.deepEqual(
      climb(new IdleInterval()),
      [15, 15, 25, 25, 40, 40, 60, 60, 90, 90, 120, 120, 120, 120],
    )
  })

  it('believes after once what was survived on this network before', () => {
    assert.deepEqual(
      climb(new IdleInterval({ survivedMs: 60_000 })).slice(0, 9),
      [15, 25, 40, 60, 90, 90, 120, 120, 120],
    )
  })

  it('counts no silence that was shorter than it', () => {
    const interval = new IdleInterval()
    for (let n = 0; n < 10; n++) assert.equal(interval.survived(14_000), undefined)
    assert.equal(interval.ms, 15_000)
  })

  it('goes back at once when the path died, and never tries so long a silence again', () => {
    const interval = new IdleInterval()
    while (interval.ms < 90_000) interval.survived(interval.ms)
    interval.died(90_000)
    interval.confirmDeath(90_000)
    assert.equal(interval.ms, 60_000)
    for (let n = 0; n < 10; n++) interval.survived(interval.ms)
    assert.equal(interval.ms, 60_000)
  })

  it('goes below its first step where that kills, and stays there', () => {
    const interval = new IdleInterval()
    interval.died(15_000)
    interval.confirmDeath(15_000)
    for (let n = 0; n < 10; n++) interval.survived(interval.ms)
    assert.equal(interval.ms, 10_000)
    assert.equal(new IdleInterval({ diedMs: 15_000 }).ms, 10_000)
  })

  it('climbs again after a death that was an outage', () => {
    const interval = new IdleInterval()
    interval.died(15_000)
    for (let n = 0; n < 4; n++) interval.survived(interval.ms)
    assert.equal(interval.ms, 40_000)
  })

  it('begins anew where a silence kills that was survived before', () => {
    const interval = new IdleInterval()
    while (interval.ms < 120_000) interval.survived(interval.ms)
    interval.survived(120_000)
    interval.survived(120_000)
    interval.died(120_000)
    assert.equal(interval.ms, 15_000)
  })

  it('follows the lifetimes that were tested, and keeps what it has proven', () => {
    const interval = new IdleInterval()
    interval.setLifetimes([20_000, undefined])
    assert.equal(interval.ms, 12_000)
    interval.survived(12_000)
    interval.survived(12_000)
    interval.survived(25_000)
    interval.survived(25_000)
    interval.setLifetimes([20_000, 20_000])
    assert.equal(interval.ms, 25_000)
  })
})

describe('NetworkSilences', () => {
  it('lets the newer of two that contradict each other stand', () => {
    const silences = new NetworkSilences()
    silences.noteSurvival(60_000)
    silences.noteDeath(90_000)
    assert.deepEqual(silences.known, { survivedMs: 60_000, diedMs: 90_000 })
    silences.noteDeath(40_000)
    assert.deepEqual(silences.known, { diedMs: 40_000 })
    silences.noteSurvival(40_000)
    assert.deepEqual(silences.known, { survivedMs: 40_000 })
    assert.ok(silences.takeNews())
    assert.ok(!silences.takeNews())
  })
})

describe('SilenceWatch', () => {
  const at = (seconds: number) => instant(seconds * 1000)

  function watch(): { readonly silences: NetworkSilences; readonly watched: SilenceWatch } {
    const silences = new NetworkSilences()
    const watched = new SilenceWatch(silences)
    watched.follow(at(0), true)
    return { silences, watched }
  }

  it('learns as the one who asks, and as the one who is asked', () => {
    const { silences, watched } = watch()
    watched.asked(at(15), 50)
    watched.answered(at(15))
    watched.heard(at(30))
    assert.equal(watched.intervalMs, 25_000)
    assert.deepEqual(silences.known, { survivedMs: 15_000 })
  })

  it('learns nothing where data went meanwhile, where both asked at once, and where the answer is to a late question', () => {
    const { watched } = watch()
    for (let turn = 0; turn < 4; turn++) {
      watched.traffic(at(60 * turn + 10))
      watched.heard(at(60 * turn + 15))
      watched.asked(at(60 * turn + 30), 50)
      watched.heard(at(60 * turn + 30))
      watched.answered(at(60 * turn + 30))
      watched.asked(at(60 * turn + 50), 50)
      watched.answered(at(60 * turn + 50))
    }
    assert.equal(watched.intervalMs, 15_000)
  })

  it('tells a death when nothing answers for 4 s, and remembers it once the peer is heard', () => {
    const { silences, watched } = watch()
    watched.asked(at(15), 50)
    assert.equal(watched.deadline, at(19))
    assert.ok(!watched.handleTimeout(at(18)))
    assert.ok(watched.handleTimeout(at(19)))
    assert.equal(watched.intervalMs, 10_000)
    assert.deepEqual(silences.known, {})
    watched.peerHeard(at(20))
    assert.deepEqual(silences.known, { diedMs: 15_000 })
  })

  it('remembers no death of a path whose peer was away, nor of one that has no NAT of ours on it', () => {
    const gone = watch()
    gone.watched.asked(at(15), 50)
    gone.watched.handleTimeout(at(19))
    gone.watched.peerHeard(at(60))
    assert.deepEqual(gone.silences.known, {})

    const lan = watch()
    lan.watched.follow(at(0), false)
    lan.watched.asked(at(15), 50)
    lan.watched.handleTimeout(at(19))
    lan.watched.peerHeard(at(20))
    assert.deepEqual(lan.silences.known, {})
  })
})
