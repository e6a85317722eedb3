import assert from 'node:assert/strict'
import { instant } from '../../src/core/instant.ts'
import { idleIntervalMs, NetworkSilences } from '../../src/traversal/idle-interval.ts'
import { SilenceWatch } from '../../src/traversal/silence.ts'

describe('idleIntervalMs()', () => {
  it('is 15 s while nothing is known', () => {
    assert.equal(idleIntervalMs({}), 15_000)
  })

  it('is six tenths of what was survived once, between 10 s and 25 s', () => {
    assert.equal(idleIntervalMs({ survivedMs: 30_000, tests: 1 }), 18_000)
    assert.equal(idleIntervalMs({ survivedMs: 0, tests: 1 }), 10_000)
    assert.equal(idleIntervalMs({ survivedMs: 300_000, tests: 1 }), 25_000)
  })

  it('rises to 120 s at most where it was survived twice', () => {
    assert.equal(idleIntervalMs({ survivedMs: 30_000, tests: 2 }), 18_000)
    assert.equal(idleIntervalMs({ survivedMs: 120_000, tests: 2 }), 72_000)
    assert.equal(idleIntervalMs({ survivedMs: 300_000, tests: 2 }), 120_000)
  })

  it('stays below what a path died of', () => {
    assert.equal(idleIntervalMs({ diedMs: 90_000 }), 15_000)
    assert.equal(idleIntervalMs({ survivedMs: 300_000, tests: 2, diedMs: 60_000 }), 36_000)
    assert.equal(idleIntervalMs({ survivedMs: 300_000, tests: 2, diedMs: 12_000 }), 10_000)
  })
})

describe('NetworkSilences', () => {
  it('believes a death when another one confirms it', () => {
    const silences = new NetworkSilences({ survivedMs: 300_000, tests: 2 })

    silences.noteDeath(120_000)
    assert.ok(!silences.takeNews())
    assert.equal(silences.intervalMs, 120_000)

    silences.noteDeath(110_000)
    assert.ok(silences.takeNews())
    assert.ok(!silences.takeNews())
    assert.deepEqual(silences.known, { survivedMs: 300_000, tests: 2, diedMs: 110_000 })

    silences.noteDeath(115_000)
    assert.ok(!silences.takeNews())
  })

  it('suspects nothing in another network of what happened in the last one', () => {
    const silences = new NetworkSilences()
    silences.noteDeath(20_000)
    silences.set({ survivedMs: 60_000, tests: 2 })

    silences.noteDeath(36_000)

    assert.equal(silences.intervalMs, 36_000)
  })
})

describe('SilenceWatch', () => {
  const at = (seconds: number): ReturnType<typeof instant> => instant(seconds * 1000)

  function watch(): { readonly silences: NetworkSilences; readonly watched: SilenceWatch } {
    const silences = new NetworkSilences({ survivedMs: 60_000, tests: 2 })
    const watched = new SilenceWatch(silences)
    watched.follow(at(0), true)
    return { silences, watched }
  }

  /** Two deaths in a row, each confirmed by the peer after so long. */
  function die(watched: SilenceWatch, heardAfter: number): void {
    for (const since of [0, 100]) {
      watched.traffic(at(since))
      watched.asked(at(since + 36), 50)
      watched.asked(at(since + 37), 50)
      watched.handleTimeout(at(since + 40))
      watched.confirm(at(since + 40 + heardAfter))
    }
  }

  it('shortens the silences of a path at once where nothing answers for 4 s', () => {
    const { silences, watched } = watch()
    watched.asked(at(36), 50)

    assert.equal(watched.deadline, at(40))
    assert.ok(!watched.handleTimeout(at(39)))
    assert.equal(watched.intervalMs, 36_000)
    assert.ok(watched.handleTimeout(at(40)))

    assert.equal(watched.intervalMs, 21_600)
    assert.equal(silences.intervalMs, 36_000)
  })

  it('blames no silence where the path was in use, where it was answered, and where the peer asked', () => {
    const { watched } = watch()
    watched.asked(at(8), 50)
    assert.equal(watched.deadline, undefined)

    watched.asked(at(30), 50)
    watched.heard(at(31))
    assert.equal(watched.deadline, undefined)
  })

  it('gives an answer four round trips where these take longer', () => {
    const { watched } = watch()
    watched.asked(at(36), 2000)
    assert.equal(watched.deadline, at(44))
  })

  it('teaches the network what was confirmed twice', () => {
    const { silences, watched } = watch()
    die(watched, 1)
    assert.equal(silences.known.diedMs, 36_000)
  })

  it('teaches the network nothing where the peer was away, and where no NAT of ours was on the path', () => {
    const away = watch()
    die(away.watched, 20)
    assert.equal(away.silences.known.diedMs, undefined)

    const lan = watch()
    lan.watched.follow(at(0), false)
    die(lan.watched, 1)
    assert.equal(lan.silences.known.diedMs, undefined)
  })

  it('begins anew in another network', () => {
    const { watched } = watch()
    watched.asked(at(36), 50)
    assert.ok(watched.handleTimeout(at(40)))

    watched.forget()

    assert.equal(watched.intervalMs, 36_000)
  })
})
