import { strict as assert } from 'node:assert'
import { instant } from '../../src/core/instant.ts'
import { NewReno } from '../../src/reliable-udp/congestion/new-reno.ts'
import { Pacer } from '../../src/reliable-udp/pacing.ts'
import { RttEstimator } from '../../src/reliable-udp/rtt.ts'
import { lossAt } from './congestion/samples.ts'

function rttOf(ms: number): RttEstimator {
  const rtt = new RttEstimator()
  rtt.update(ms, 0)
  return rtt
}

/** What goes out in `ms`, when the pacer is asked at the times it names, each `lateMs` late. */
function sentIn(ms: number, rttMs: number, lateMs: number, packets = 10): number {
  const pacer = new Pacer(1200)
  const controller = new NewReno(1200)
  for (let i = 10; i > packets; i -= i / 2) controller.handleLoss(lossAt(i))
  const rtt = rttOf(rttMs)
  let [now, sent] = [0, 0]
  while (now < ms) {
    pacer.update(instant(now), controller, rtt)
    sent += burstOf(pacer) * 1200
    now = pacer.nextAt + lateMs
  }
  return sent
}

/** How many packets go now. */
function burstOf(pacer: Pacer): number {
  let packets = 0
  while (pacer.mayGo) {
    pacer.handleSent(1200)
    packets += 1
  }
  return packets
}

describe('Pacer', () => {
  it('lets everything go before a round trip is known', () => {
    const pacer = new Pacer(1200)
    pacer.update(instant(0), new NewReno(1200), new RttEstimator())

    for (let i = 0; i < 10; i++) pacer.handleSent(1200)

    assert.equal(pacer.mayGo, true)
  })

  it('spreads twice the window over a round trip in slow start', () => {
    const sent = sentIn(1000, 50, 0)

    assert.ok(Math.abs(sent - 2 * 12_000 * 20) < 5 * 1200, `${sent}`)
  })

  it('spreads 1.25 windows afterwards', () => {
    const pacer = new Pacer(1200)
    const reno = new NewReno(1200)
    reno.handleLoss(lossAt(0))

    pacer.update(instant(0), reno, rttOf(50))

    assert.equal(pacer.rate, (1.25 * 6000) / 50)
  })

  it('loses nothing to timers that come a millisecond late', () => {
    assert.ok(sentIn(1000, 50, 1) > 0.97 * sentIn(1000, 50, 0))
  })

  it('a long absence is not made good by a burst', () => {
    const pacer = new Pacer(1200)
    const reno = new NewReno(1200)
    pacer.update(instant(0), reno, rttOf(50))
    pacer.update(instant(10_000), reno, rttOf(50))

    assert.equal(burstOf(pacer), 2)
  })

  it('wakes once a millisecond at most, with what that millisecond carries', () => {
    const pacer = new Pacer(1200)
    const reno = new NewReno(1200)
    pacer.update(instant(0), reno, rttOf(1)) // 24 bytes a µs
    burstOf(pacer)

    assert.ok(pacer.nextAt >= 1)
    pacer.update(pacer.nextAt, reno, rttOf(1))
    assert.equal(burstOf(pacer), 20)
  })

  it('a debt made by chat is paid within a burst', () => {
    const pacer = new Pacer(1200)
    const reno = new NewReno(1200)
    pacer.update(instant(0), reno, rttOf(50))
    for (let i = 0; i < 100; i++) pacer.handleSent(1200)

    assert.equal(pacer.mayGo, false)
    assert.ok(pacer.nextAt <= (2400 + 1200) / pacer.rate)
  })
})
