import assert from 'node:assert/strict'
import { after, type Instant, instant } from '../../src/core/instant.ts'
import type { Random } from '../../src/core/random.ts'
import { Introductions } from '../../src/daemon/introductions.ts'

/** Always the middle of every range: jitter is none. */
const middle: Random = { bytes: (count) => new Uint8Array(count).fill(0x80) }
const START = instant(1000)
const everybody = (): boolean => true

function at(ms: number): Instant {
  return after(START, ms)
}

/** Fails every attempt, and returns when each was made, in seconds. */
function failuresOf(introductions: Introductions, count: number, isWanted: boolean): number[] {
  const times: number[] = []
  let now = START
  while (times.length < count) {
    if (introductions.take(now, everybody).length > 0) {
      times.push(Math.round((now - START) / 1000))
      introductions.closed(now, 1, isWanted)
    }
    const next = introductions.nextDue(now)
    if (next === undefined) return times
    now = next
  }
  return times
}

describe('Introductions', () => {
  it('asks at once for whom something waits, and once', () => {
    const introductions = new Introductions(middle)
    introductions.want(START, 1)
    introductions.want(START, 1)

    assert.deepEqual(introductions.take(START, everybody), [1])
    assert.deepEqual(introductions.take(START, everybody), [])
  })

  it('asks for nobody who cannot be reached, and asks when they can', () => {
    const introductions = new Introductions(middle)
    introductions.want(START, 1)

    assert.deepEqual(
      introductions.take(START, () => false),
      [],
    )
    assert.deepEqual(introductions.take(at(1), everybody), [1])
  })

  it('repeats what fails ever more slowly: 1, 2, 4 … 64 s', () => {
    const introductions = new Introductions(middle)
    introductions.want(START, 1)

    assert.deepEqual(failuresOf(introductions, 9, true), [0, 1, 3, 7, 15, 31, 63, 127, 191])
  })

  it('gives up a greeting after four failures', () => {
    const introductions = new Introductions(middle)
    introductions.greet(START, 1, 0)

    assert.deepEqual(failuresOf(introductions, 9, false), [0, 1, 3, 7])
  })

  it('greets after the delay, unless the other side was faster', () => {
    const introductions = new Introductions(middle)
    introductions.greet(START, 1, 1000)
    introductions.greet(START, 2, 1000)
    introductions.connected(at(500), 2)

    assert.deepEqual(introductions.take(at(999), everybody), [])
    assert.deepEqual(introductions.nextDue(at(999)), at(1000))
    assert.deepEqual(introductions.take(at(1000), everybody), [1])
  })

  it('does not wait with a greeting when something waits to be sent', () => {
    const introductions = new Introductions(middle)
    introductions.want(START, 1)
    introductions.take(START, everybody)
    introductions.closed(START, 1, true)

    introductions.greet(at(10), 1, 1000)

    assert.deepEqual(introductions.take(at(10), everybody), [1])
  })

  it('runs eight attempts at once, the urgent ones first', () => {
    const introductions = new Introductions(middle)
    for (let peer = 1; peer <= 10; peer++) introductions.greet(START, peer, 0)
    introductions.want(START, 10)

    const first = introductions.take(START, everybody)
    introductions.connected(START, 10)
    introductions.closed(START, 1, false)

    assert.equal(first.length, 8)
    assert.equal(first[0], 10)
    assert.equal(introductions.take(START, everybody).length, 2)
  })

  it('begins again at once when a good session ends and something waits', () => {
    const introductions = new Introductions(middle)
    introductions.connected(START, 1)
    introductions.closed(at(60_000), 1, true)

    assert.deepEqual(introductions.take(at(60_000), everybody), [1])
  })

  it('backs off from sessions that end as soon as they stand', () => {
    const introductions = new Introductions(middle)
    const times: number[] = []
    let now = START
    introductions.want(now, 1)
    while (times.length < 5) {
      if (introductions.take(now, everybody).length > 0) {
        times.push((now - START) / 1000)
        introductions.connected(now, 1)
        introductions.closed(now, 1, true)
      }
      now = introductions.nextDue(now) ?? now
    }

    assert.deepEqual(times.map(Math.round), [0, 1, 3, 7, 15])
  })

  it('asks for nobody after a session with nothing left to send', () => {
    const introductions = new Introductions(middle)
    introductions.connected(START, 1)
    introductions.closed(at(60_000), 1, false)

    assert.equal(introductions.nextDue(at(60_000)), undefined)
    assert.deepEqual(introductions.take(at(1e9), everybody), [])
  })

  it('forgets a greeting when the buddy goes, but not what waits to be sent', () => {
    const introductions = new Introductions(middle)
    introductions.greet(START, 1, 1000)
    introductions.want(START, 2)
    introductions.wentOffline(1)
    introductions.wentOffline(2)

    assert.deepEqual(introductions.take(at(5000), everybody), [2])
  })

  it('waits for nobody any longer when everything may be different', () => {
    const introductions = new Introductions(middle)
    introductions.want(START, 1)
    for (let failures = 0; failures < 6; failures++) {
      introductions.take(introductions.nextDue(START) ?? START, everybody)
      introductions.closed(START, 1, true)
    }

    introductions.retryAll(at(1))

    assert.deepEqual(introductions.take(at(1), everybody), [1])
  })
})
