import { strict as assert } from 'node:assert'
import { SentPackets, sentFlags } from '../../src/reliable-udp/sent-packets.ts'

type Told = readonly [kind: string, a: number, b: number, c: number]

function fateOf(log: Told[]): {
  handleFrameAcked(kind: string, a: number, b: number, c: number): void
  handleFrameLost(kind: string, a: number, b: number, c: number): void
} {
  return {
    handleFrameAcked: (kind, a, b, c) => void log.push([`acked ${kind}`, a, b, c]),
    handleFrameLost: (kind, a, b, c) => void log.push([`lost ${kind}`, a, b, c]),
  }
}

describe('SentPackets', () => {
  it('remembers each packet with its frames', () => {
    const sent = new SentPackets()
    sent.addFrame('stream', 4, 100, 50)
    sent.addFrame('ack', 9)
    assert.equal(sent.commit(10, 1200, sentFlags.ackEliciting), 0)
    assert.equal(sent.commit(11, 40, 0), 1)
    sent.addFrame('max-data')
    assert.equal(sent.commit(12, 60, sentFlags.ackEliciting), 2)

    const log: Told[] = []
    sent.tellAcked(0, fateOf(log))
    sent.tellLost(1, fateOf(log))
    sent.tellLost(2, fateOf(log))

    assert.deepEqual(log, [
      ['acked stream', 4, 100, 50],
      ['acked ack', 9, 0, 0],
      ['lost max-data', 0, 0, 0],
    ])
    assert.deepEqual([sent.sentAt(2), sent.bytes(0), sent.flags(1)], [12, 1200, 0])
  })

  it('grows without losing anything, and reuses what was retired', () => {
    const sent = new SentPackets()
    let first = 0
    for (let number = 0; number < 5000; number++) {
      sent.addFrame('stream', 4, number * 10, 10)
      if (number % 3 === 0) sent.addFrame('max-streams', number % 6)
      sent.commit(number, number % 1400, number % 256)
      sent.noteDelivery(number, number * 2, number * 3, number * 4, number * 5, number * 6)
      if (number % 5 === 4) {
        sent.retireFirst()
        first += 1
      }
    }

    assert.equal(sent.first, first)
    assert.equal(sent.next, 5000)
    for (let number = first; number < 5000; number += 7) {
      const log: Told[] = []
      sent.tellAcked(number, fateOf(log))
      assert.deepEqual(log[0], ['acked stream', 4, number * 10, 10])
      assert.equal(log.length, number % 3 === 0 ? 2 : 1)
      assert.deepEqual(
        [sent.sentAt(number), sent.bytes(number), sent.flags(number)],
        [number, number % 1400, number % 256],
      )
      assert.deepEqual(
        [
          sent.deliveredBefore(number),
          sent.deliveredAtBefore(number),
          sent.firstSentAtBefore(number),
        ],
        [number * 2, number * 3, number * 4],
      )
    }
  })
})
