import { strict as assert } from 'node:assert'
import { HyStart } from '../../../src/reliable-udp/congestion/hystart.ts'

/** One round of ten acknowledgements, all with this round trip. */
function round(hystart: HyStart, index: number, rttMs: number): void {
  for (let i = 0; i < 10; i++) hystart.handleAck(rttMs, index * 10 + i, (index + 1) * 10)
}

describe('HyStart', () => {
  it('goes on while round trips stay the same', () => {
    const hystart = new HyStart()
    for (let i = 0; i < 20; i++) round(hystart, i, 50 + (i % 3))

    assert.equal(hystart.growthDivisor, 1)
    assert.equal(hystart.isOver, false)
  })

  it('grows a quarter as fast once they lengthen by an eighth, and ends five rounds later', () => {
    const hystart = new HyStart()
    round(hystart, 0, 50)
    round(hystart, 1, 57)
    assert.equal(hystart.growthDivisor, 4)

    for (let i = 2; i < 6; i++) round(hystart, i, 60)
    assert.equal(hystart.isOver, false)
    round(hystart, 6, 60)
    assert.equal(hystart.isOver, true)
  })

  it('resumes when the delay was a fluke', () => {
    const hystart = new HyStart()
    round(hystart, 0, 50)
    round(hystart, 1, 57)
    round(hystart, 2, 50)

    assert.equal(hystart.growthDivisor, 1)
  })

  it('wants eight samples of a round before it concludes anything', () => {
    const hystart = new HyStart()
    round(hystart, 0, 50)
    for (let i = 0; i < 7; i++) hystart.handleAck(90, 10 + i, 20)

    assert.equal(hystart.growthDivisor, 1)
  })
})
