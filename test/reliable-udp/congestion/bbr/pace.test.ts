import { strict as assert } from 'node:assert'
import { instant } from '../../../../src/core/instant.ts'
import { Pace } from '../../../../src/reliable-udp/congestion/bbr/pace.ts'
import { PathModel } from '../../../../src/reliable-udp/congestion/bbr/path-model.ts'
import { ackOf } from '../samples.ts'

const PATH_MS = 50

/** A path of 50 ms and 2,500 bytes a ms, whose last round trips took this long. */
function modelAt(rttMs: number): PathModel {
  const model = new PathModel(1200)
  model.updateMinRtt(instant(1), PATH_MS)
  for (let round = 1; round <= 3; round++) {
    const delivered = round * 125_000
    const sample = ackOf(125_000, round * rttMs, {
      rttMs,
      delivered,
      priorDelivered: delivered - 125_000,
      deliveryRate: 2500,
    })
    model.handleAck(sample, 125_000, false)
  }
  return model
}

function cruisingAt(rttMs: number): number {
  const pace = new Pace(modelAt(rttMs))
  pace.update('cruise', true, 125_000, rttMs)
  return (pace.rate ?? 0) / 2500
}

describe('Pace', () => {
  it('cruises a hundredth below the bandwidth while no queue stands', () => {
    assert.ok(Math.abs(cruisingAt(PATH_MS) - 0.99) < 1e-9)
    assert.ok(Math.abs(cruisingAt(PATH_MS + 2) - 0.99) < 1e-9)
  })

  it('cruises the slower the longer the queue was for a whole round, by at most 4 %', () => {
    assert.ok(cruisingAt(PATH_MS + 5) < 0.99 && cruisingAt(PATH_MS + 5) > 0.95)
    assert.ok(cruisingAt(PATH_MS + 7) < cruisingAt(PATH_MS + 5))
    assert.ok(Math.abs(cruisingAt(PATH_MS + 200) - 0.99 * 0.96) < 1e-9)
  })

  it('probes as fast whatever queue there is', () => {
    const pace = new Pace(modelAt(PATH_MS + 20))
    pace.update('up', true, 125_000, PATH_MS + 20)

    assert.ok(Math.abs((pace.rate ?? 0) - 1.25 * 0.99 * 2500) < 1e-6)
  })

  it('only grows until the pipe has been full', () => {
    const pace = new Pace(modelAt(PATH_MS))
    pace.update('startup', false, 125_000, PATH_MS)
    const before = pace.rate
    pace.update('cruise', false, 125_000, PATH_MS)

    assert.equal(pace.rate, before)
  })
})
