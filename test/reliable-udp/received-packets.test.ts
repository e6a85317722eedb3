import { strict as assert } from 'node:assert'
import { instant } from '../../src/core/instant.ts'
import { ReceivedPackets } from '../../src/reliable-udp/received-packets.ts'

const RTT = 40

class Receiver {
  readonly received = new ReceivedPackets()

  /** A packet that wants to be acknowledged, but not at once. */
  take(at: number, number: number, wantsAckNow = false, isEliciting = true): void {
    this.received.handleReceived(instant(at), number, isEliciting, wantsAckNow, RTT)
  }
}

describe('ReceivedPackets', () => {
  it('acknowledges every second packet at first', () => {
    const { received } = new Receiver()
    received.handleReceived(instant(0), 0, true, false, RTT)
    assert.equal(received.deadline, 10)
    received.handleReceived(instant(1), 1, true, false, RTT)
    assert.equal(received.deadline, 1)
  })

  it('acknowledges every eighth packet once a hundred have come', () => {
    const receiver = new Receiver()
    for (let number = 0; number < 100; number++) receiver.take(number, number)
    receiver.received.handleAckSent(true)

    for (let number = 100; number < 107; number++) receiver.take(number, number)
    assert.equal(receiver.received.deadline, 110)
    receiver.take(107, 107)
    assert.equal(receiver.received.deadline, 107)
  })

  it('waits for the end of the turn with what is due, but not beyond 64 packets', () => {
    const receiver = new Receiver()
    for (let number = 0; number < 63; number++) receiver.take(0, number, true)
    assert.equal(receiver.received.isDue, false)

    receiver.take(0, 63, true)
    assert.equal(receiver.received.isDue, true)
  })

  it('waits a quarter of the round trip for the second one', () => {
    const receiver = new Receiver()
    receiver.take(100, 0)

    assert.equal(receiver.received.deadline, 110)
    receiver.received.handleTimeout()
    assert.equal(receiver.received.isDue, true)
  })

  it('waits 25 ms at most and 1 ms at least', () => {
    const { received } = new Receiver()
    received.handleReceived(instant(0), 0, true, false, 800)
    assert.equal(received.deadline, 25)
    received.handleAckSent(true)
    received.handleReceived(instant(50), 1, true, false, 0.2)
    assert.equal(received.deadline, 51)
  })

  it('acknowledges at once when asked to', () => {
    const receiver = new Receiver()
    receiver.take(7, 0, true)

    assert.equal(receiver.received.deadline, 7)
  })

  it('tells a gap sooner', () => {
    const receiver = new Receiver()
    receiver.take(0, 0)
    receiver.received.handleAckSent(true)

    receiver.take(100, 2)

    assert.equal(receiver.received.deadline, 105)
  })

  it('does not acknowledge acknowledgements', () => {
    const receiver = new Receiver()
    for (let number = 0; number < 50; number++) receiver.take(number, number, false, false)

    assert.equal(receiver.received.isDue, false)
    assert.equal(receiver.received.hasNews, false)
    assert.equal(receiver.received.deadline, undefined)
  })

  it('asks for an answer after 32 bare acknowledgements, so that ranges need not be repeated for ever', () => {
    const { received } = new Receiver()
    for (let i = 0; i < 32; i++) received.handleAckSent(true)
    assert.equal(received.wantsPing, true)
    received.handleAckSent(false)
    assert.equal(received.wantsPing, false)
  })

  it('repeats ranges until they are acknowledged', () => {
    const receiver = new Receiver()
    for (const number of [0, 2, 4, 6, 8]) receiver.take(0, number)
    receiver.received.handleAckSent(true)
    assert.equal(receiver.received.ranges.count, 5)

    receiver.received.handleAckAcked(4)

    assert.deepEqual(receiver.received.ranges.toPairs(), [
      [4, 5],
      [6, 7],
      [8, 9],
    ])
    receiver.received.handleAckAcked(8)
    assert.deepEqual(receiver.received.ranges.toPairs(), [[8, 9]])
  })

  it('keeps the newest 32 ranges', () => {
    const receiver = new Receiver()
    for (let number = 0; number < 200; number += 2) receiver.take(0, number)

    assert.equal(receiver.received.ranges.count, 32)
    assert.equal(receiver.received.ranges.min, 136)
  })

  it('tells how long the largest has been here', () => {
    const receiver = new Receiver()
    receiver.take(100, 5)
    receiver.take(107, 3)

    assert.equal(receiver.received.delayMs(instant(110)), 10)
  })
})
