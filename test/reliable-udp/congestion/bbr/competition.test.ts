import { strict as assert } from 'node:assert'
import { instant } from '../../../../src/core/instant.ts'
import { Competition } from '../../../../src/reliable-udp/congestion/bbr/competition.ts'
import { SeededRandom } from '../../../sim/seeded-random.ts'
import { ackOf, lossAt } from '../samples.ts'

const WINDOW = 24_000

function joined(isNew: boolean): Competition {
  const competition = new Competition(1200, new SeededRandom(1))
  competition.start(instant(0), { windowBytes: WINDOW, rttMs: 100, isNew })
  return competition
}

/** A whole window is acknowledged. */
function round(competition: Competition, number: number, rttMs = 100): void {
  const bytes = competition.windowBytes
  competition.handleAck(
    ackOf(bytes, number * 100, { rttMs, growthBytes: bytes, isWindowLimited: true }),
  )
}

describe('Competition', () => {
  it('takes a quarter more each round trip when it comes from cruising, and doubles when it is new', () => {
    const [old, young] = [joined(false), joined(true)]
    for (const competition of [old, young]) round(competition, 1)

    assert.equal(old.windowBytes, 1.25 * WINDOW)
    assert.equal(young.windowBytes, 2 * WINDOW)
  })

  it("goes on by CUBIC's rules from the first loss", () => {
    const competition = joined(true)
    round(competition, 1)
    competition.handleLoss(lossAt(instant(200)))
    const reduced = competition.windowBytes
    round(competition, 3)

    assert.ok(Math.abs(reduced - 0.7 * 2 * WINDOW) < 1)
    assert.ok(competition.windowBytes < 1.1 * reduced, `${competition.windowBytes}`)
  })

  it('stops joining where nothing is lost once the queue is twice what the others made it', () => {
    const competition = joined(true)
    round(competition, 1)
    round(competition, 2, 201)
    for (let i = 3; i < 6; i++) round(competition, i, 201)

    assert.ok(competition.windowBytes < 2.5 * WINDOW, `${competition.windowBytes}`)
  })
})
