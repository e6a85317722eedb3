import { strict as assert } from 'node:assert'
import { RttEstimator } from '../../src/reliable-udp/rtt.ts'

describe('RttEstimator', () => {
  it('begins with 333 ms, and so a probe after about a second (RFC 9002 §6.2.2)', () => {
    const rtt = new RttEstimator()

    assert.equal(rtt.smoothedMs, 333)
    assert.equal(rtt.ptoMs(0), 999)
    assert.equal(rtt.hasSample, false)
  })

  it('takes the first sample as it is', () => {
    const rtt = new RttEstimator()
    rtt.update(100, 0)

    assert.deepEqual(
      [rtt.minMs, rtt.smoothedMs, rtt.variationMs, rtt.latestMs],
      [100, 100, 50, 100],
    )
  })

  it('smooths as RFC 9002 §5.3 does, without the delay that the peer reports', () => {
    const rtt = new RttEstimator()
    rtt.update(100, 0)
    rtt.update(140, 20)

    // adjusted 120; rttvar = 3/4 · 50 + 1/4 · |100 − 120|; smoothed = 7/8 · 100 + 1/8 · 120
    assert.equal(rtt.variationMs, 42.5)
    assert.equal(rtt.smoothedMs, 102.5)
    assert.equal(rtt.latestMs, 140)
    assert.equal(rtt.ptoMs(25), 102.5 + 170 + 25)
  })

  it('does not believe a delay that would take the sample below the least ever seen', () => {
    const rtt = new RttEstimator()
    rtt.update(100, 0)
    rtt.update(110, 20)

    assert.equal(rtt.smoothedMs, (7 * 100 + 110) / 8)
  })

  it('keeps the least sample, floored at 0.1 ms', () => {
    const rtt = new RttEstimator()
    rtt.update(0, 0)
    rtt.update(30, 0)

    assert.equal(rtt.minMs, 0.1)
    rtt.forgetMin()
    rtt.update(20, 0)
    assert.equal(rtt.minMs, 20)
  })
})
