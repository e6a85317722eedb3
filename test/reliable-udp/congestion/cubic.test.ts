import { strict as assert } from 'node:assert'
import { Cubic } from '../../../src/reliable-udp/congestion/cubic.ts'
import { ackOf, lossAt } from './samples.ts'

const PACKET = 1200

/** A window of that many packets, reached without HyStart's say, and then a loss at 0. */
function afterLoss(packets: number): Cubic {
  const cubic = new Cubic(PACKET)
  cubic.handleAck(ackOf((packets - 10) * PACKET, 0, { rttMs: 0 }))
  cubic.handleLoss(lossAt(0))
  return cubic
}

/** A whole window acknowledged each round trip. */
function runRounds(cubic: Cubic, fromMs: number, toMs: number, rttMs: number): void {
  for (let at = fromMs; at < toMs; at += rttMs) {
    for (let i = 0; i < 10; i++) {
      cubic.handleAck(
        ackOf(cubic.windowBytes / 10, at + (i * rttMs) / 10, { smoothedRttMs: rttMs }),
      )
    }
  }
}

describe('Cubic', () => {
  it('keeps seven tenths after a loss (RFC 9438 §4.6)', () => {
    assert.equal(afterLoss(100).windowBytes, 70 * PACKET)
  })

  it('is back at the old window after K, and flat there (§4.2)', () => {
    const cubic = afterLoss(1000)
    const k = Math.cbrt(300 / 0.4) * 1000

    runRounds(cubic, 0, k, 100)
    const atK = cubic.windowBytes / PACKET
    runRounds(cubic, k, k + 1000, 100)
    const later = cubic.windowBytes / PACKET

    assert.ok(Math.abs(atK - 1000) < 5, `${atK} packets at K`)
    assert.ok(later - atK < 5, 'hardly more a second later')
    runRounds(cubic, k + 1000, k + 6000, 100)
    assert.ok(cubic.windowBytes / PACKET > 1080, 'and steep after six')
  })

  it('is never slower than Reno where windows are small (§4.3)', () => {
    const cubic = afterLoss(10)

    runRounds(cubic, 0, 1000, 10)

    // 100 round trips of at least 0.53 packets each, where the curve alone would stand near 10.
    assert.ok(cubic.windowBytes / PACKET > 50, `${cubic.windowBytes / PACKET}`)
  })

  it('makes room when a second loss comes below the first one’s window (§4.7)', () => {
    const cubic = afterLoss(1000)
    cubic.handleLoss(lossAt(10))
    assert.equal(Math.round(cubic.windowBytes / PACKET), 490)

    const wasMax = 700 * 0.85
    runRounds(cubic, 10, 10 + Math.cbrt((wasMax - 490) / 0.4) * 1000, 50)

    assert.ok(Math.abs(cubic.windowBytes / PACKET - wasMax) < 10)
  })

  it('time without data does not move the curve (§5.8)', () => {
    const [idle, never] = [afterLoss(100), afterLoss(100)]
    runRounds(idle, 0, 1000, 50)
    runRounds(never, 0, 1000, 50)

    for (let at = 1000; at < 60_000; at += 50) {
      idle.handleAck(ackOf(PACKET, at, { isWindowLimited: false }))
    }
    runRounds(idle, 60_000, 60_500, 50)
    runRounds(never, 1000, 1500, 50)

    assert.ok(Math.abs(idle.windowBytes - never.windowBytes) < 2 * PACKET)
  })

  it('takes back a reduction that was a mistake', () => {
    const cubic = afterLoss(100)

    cubic.handleSpuriousLoss()

    assert.equal(cubic.windowBytes, 100 * PACKET)
    assert.equal(cubic.isInSlowStart, true)
  })

  it('ends slow start when round trips lengthen (RFC 9406)', () => {
    const cubic = new Cubic(PACKET)
    let number = 0
    for (let round = 0; round < 12 && cubic.isInSlowStart; round++) {
      const rttMs = round < 3 ? 50 : 70
      const end = number + 20
      for (; number < end; number++) {
        cubic.handleAck(ackOf(PACKET, round * 50, { rttMs, largestAcked: number, nextNumber: end }))
      }
    }

    assert.equal(cubic.isInSlowStart, false)
  })
})
