import { strict as assert } from 'node:assert'
import { instant } from '../../src/core/instant.ts'
import type { AckSample } from '../../src/reliable-udp/congestion/controller.ts'
import { NewReno } from '../../src/reliable-udp/congestion/new-reno.ts'
import { AckRanges } from '../../src/reliable-udp/frame.ts'
import { LossRecovery } from '../../src/reliable-udp/loss-recovery.ts'
import { MAX_PTO_MS } from '../../src/reliable-udp/probe-timeout.ts'
import { RttEstimator } from '../../src/reliable-udp/rtt.ts'
import { sentFlags } from '../../src/reliable-udp/sent-packets.ts'

const ELICITING = sentFlags.ackEliciting | sentFlags.inFlight

/** A sender of packets of 1,200 bytes, each with one stream frame whose offset is the packet number. */
class Sender {
  readonly lost: number[] = []
  readonly acked: number[] = []
  readonly rtt = new RttEstimator()
  readonly controller: NewReno
  readonly recovery: LossRecovery

  constructor(controller = new NewReno(1200)) {
    this.controller = controller
    this.recovery = new LossRecovery({
      controller,
      rtt: this.rtt,
      peerMaxAckDelayMs: 25,
      datagramBytes: 1200,
      fate: {
        handleFrameAcked: (_kind, _stream, offset) => void this.acked.push(offset),
        handleFrameLost: (_kind, _stream, offset) => void this.lost.push(offset),
        handlePacketAcked: () => undefined,
        handlePacketLost: () => undefined,
      },
    })
  }

  send(at: number, count = 1, flags: number = ELICITING): void {
    for (let i = 0; i < count; i++) {
      this.recovery.sent.addFrame('stream', 4, this.recovery.sent.next, 10)
      this.recovery.handleSent(instant(at), 1200, flags)
    }
  }

  ack(
    at: number,
    ...ranges: readonly (readonly [first: number, last: number])[]
  ): string | undefined {
    const frame = new AckRanges()
    for (const [first, last] of ranges) frame.push(first, last + 1)
    return this.recovery.handleAck(instant(at), frame, 0)?.text
  }

  /** What the timer does when it is due. */
  wake(at: number): void {
    const { deadline } = this.recovery
    assert.ok(deadline !== undefined && deadline <= at, `not due at ${at}: ${deadline}`)
    this.recovery.handleTimeout(instant(at))
  }
}

describe('LossRecovery', () => {
  it('counts what is in flight', () => {
    const sender = new Sender()
    sender.send(0, 3)
    sender.send(1, 1, 0)
    assert.equal(sender.recovery.inFlightBytes, 3600)

    sender.ack(50, [0, 1])

    assert.equal(sender.recovery.inFlightBytes, 1200)
    assert.deepEqual(sender.acked, [0, 1])
    assert.equal(sender.rtt.smoothedMs, 50)
  })

  it('refuses an acknowledgement of what was never sent', () => {
    const sender = new Sender()
    sender.send(0, 3)

    assert.equal(sender.ack(50, [0, 3]), 'acknowledges a packet that was never sent')
    assert.equal(sender.ack(50, [0, 2]), undefined)
  })

  it('takes the same acknowledgement twice without harm', () => {
    const sender = new Sender()
    sender.send(0, 3)
    sender.ack(50, [0, 1])
    sender.ack(60, [0, 1])

    assert.equal(sender.recovery.inFlightBytes, 1200)
    assert.equal(sender.rtt.smoothedMs, 50, 'and without another sample')
  })

  it('gives a packet up a quarter of the round trip after it should have been acknowledged', () => {
    const sender = new Sender()
    sender.send(0)
    sender.ack(40, [0, 0])
    sender.send(100, 2)
    sender.ack(140, [2, 2])

    assert.deepEqual(sender.lost, [])
    assert.equal(sender.recovery.deadline, 150, '100 + 40 + 40/4')
    sender.wake(150)
    assert.deepEqual(sender.lost, [1])
    assert.equal(sender.recovery.inFlightBytes, 0)
  })

  it('takes reordering by many packets for what it is', () => {
    const sender = new Sender()
    sender.send(0)
    sender.ack(40, [0, 0])
    sender.send(100, 20)
    sender.ack(140, [2, 20])
    sender.ack(149, [1, 20])

    assert.deepEqual(sender.lost, [])
    assert.equal(sender.recovery.packetsLost, 0)
  })

  it('widens the reordering window by a quarter when a loss proves false, and undoes the reduction', () => {
    const sender = new Sender()
    sender.send(0)
    sender.ack(40, [0, 0])
    const window = sender.controller.windowBytes
    sender.send(100, 2)
    sender.ack(140, [2, 2])
    sender.wake(150)
    assert.equal(sender.controller.windowBytes, window / 2)

    sender.ack(155, [1, 2])

    assert.equal(sender.recovery.packetsSpurious, 1)
    assert.ok(sender.controller.windowBytes >= window)
    assert.equal(sender.recovery.lossDelayMs, sender.rtt.latestMs + sender.rtt.minMs / 2)
  })

  it('does not undo while another packet of the episode stays lost', () => {
    const sender = new Sender()
    sender.send(0)
    sender.ack(40, [0, 0])
    const window = sender.controller.windowBytes
    sender.send(100, 3)
    sender.ack(140, [3, 3])
    sender.wake(150)

    sender.ack(155, [1, 1])

    assert.equal(sender.recovery.packetsSpurious, 1)
    assert.ok(sender.controller.windowBytes < window)
  })

  it('reduces the window once for all losses of a round trip', () => {
    const sender = new Sender()
    sender.send(0)
    sender.ack(40, [0, 0])
    sender.send(100, 4)
    sender.send(110, 4)
    const window = sender.controller.windowBytes
    sender.ack(150, [8, 8])
    assert.deepEqual(sender.lost, [1, 2, 3, 4])
    sender.wake(160)

    assert.deepEqual(sender.lost, [1, 2, 3, 4, 5, 6, 7])
    assert.equal(sender.controller.windowBytes, window / 2)
  })

  it('probes after smoothed + 4 · variation + the peer’s delay, then twice as long', () => {
    const sender = new Sender()
    sender.send(0)
    sender.ack(40, [0, 0]) // smoothed 40, variation 20
    sender.send(100)

    assert.equal(sender.recovery.deadline, 100 + 40 + 80 + 25)
    sender.wake(245)
    assert.equal(sender.recovery.probesWanted, 2)
    assert.deepEqual(sender.lost, [1], 'its frames are handed back')
    assert.equal(sender.recovery.packetsLost, 0, 'but nothing is called lost')
    assert.equal(sender.recovery.inFlightBytes, 1200)

    sender.send(245, 2)
    assert.equal(sender.recovery.probesWanted, 0)
    assert.equal(sender.recovery.deadline, 245 + 2 * 145)
  })

  it('hands the probes’ own frames back when they are not answered either', () => {
    const sender = new Sender()
    sender.send(0)
    sender.ack(40, [0, 0])
    sender.send(100)
    sender.wake(245)
    sender.send(245, 2)
    sender.wake(535)

    assert.deepEqual(sender.lost, [1, 2, 3])
  })

  it('never waits longer than 3 s to ask again', () => {
    const sender = new Sender()
    sender.send(0)
    sender.ack(40, [0, 0])
    sender.send(100)
    let last = 100
    for (let i = 0; i < 12; i++) {
      const { deadline } = sender.recovery
      assert.ok(deadline !== undefined)
      assert.ok(deadline - last <= MAX_PTO_MS)
      last = deadline
      sender.wake(deadline)
      sender.send(deadline, 2)
    }
    assert.equal((sender.recovery.deadline ?? 0) - last, MAX_PTO_MS)
  })

  it('wants no waking when nothing is outstanding', () => {
    const sender = new Sender()
    assert.equal(sender.recovery.deadline, undefined)
    sender.send(0, 1, 0)
    assert.equal(sender.recovery.deadline, undefined, 'acknowledgements alone are not waited for')
    sender.send(0)
    sender.ack(40, [0, 1])
    assert.equal(sender.recovery.deadline, undefined)
  })

  it('collapses the window after persistent congestion, and takes a new least round trip', () => {
    const sender = new Sender()
    sender.send(0)
    sender.ack(40, [0, 0])
    sender.send(100)
    sender.send(1000)
    sender.send(1001)
    sender.ack(1041, [3, 3])
    assert.deepEqual(sender.lost, [1])
    assert.ok(sender.controller.windowBytes > 2400, 'one lost packet is no duration')

    const congested = new Sender()
    congested.send(0)
    congested.ack(40, [0, 0])
    congested.send(100)
    congested.send(600)
    congested.send(700)
    congested.ack(740, [3, 3])

    assert.deepEqual(congested.lost, [1, 2])
    assert.equal(congested.controller.windowBytes, 2400)
  })

  it('a packet acknowledged in between disproves persistent congestion', () => {
    const sender = new Sender()
    sender.send(0)
    sender.ack(40, [0, 0])
    sender.send(100)
    sender.send(300)
    sender.send(600)
    sender.send(700)
    sender.ack(740, [4, 4], [2, 2])

    assert.deepEqual(sender.lost, [1, 3])
    assert.ok(sender.controller.windowBytes > 2400)
  })

  it('does not take an absence for a round trip', () => {
    const sender = new Sender()
    sender.send(0)
    sender.ack(40, [0, 0])
    sender.send(100)
    for (let i = 0; i < 3; i++) {
      const at = sender.recovery.deadline ?? 0
      sender.wake(at)
      sender.send(at, 2)
    }

    sender.ack(12_000, [1, 7])

    assert.equal(sender.rtt.latestMs, 40)
    sender.send(12_000)
    sender.ack(12_045, [1, 8])
    assert.equal(sender.rtt.latestMs, 45)
  })

  it('believes a long round trip when what was sent after the silence says so', () => {
    const sender = new Sender()
    sender.send(0)
    sender.ack(40, [0, 0])
    sender.send(100)
    for (let i = 0; i < 4; i++) {
      const at = sender.recovery.deadline ?? 0
      sender.wake(at)
      sender.send(at, 2)
    }
    sender.ack(4000, [1, 1])
    sender.send(4001)

    sender.ack(8001, [1, 10])

    assert.equal(sender.rtt.latestMs, 4000)
  })

  it('MTU probes neither fill the window nor shrink it', () => {
    const sender = new Sender()
    sender.send(0)
    sender.ack(40, [0, 0])
    const window = sender.controller.windowBytes
    sender.send(100, 1, sentFlags.ackEliciting | sentFlags.mtuProbe)
    assert.equal(sender.recovery.inFlightBytes, 0)
    sender.send(101)
    sender.ack(141, [2, 2])
    sender.wake(150)

    assert.deepEqual(sender.lost, [1])
    assert.ok(sender.controller.windowBytes >= window)
  })

  it('after a change of path the old packets weigh nothing, and are waited for as long as before', () => {
    const sender = new Sender()
    sender.send(0)
    sender.ack(100, [0, 0])
    sender.send(200, 2)
    const fresh = new NewReno(1200)
    const rtt = new RttEstimator()
    sender.recovery.changePath(fresh, rtt)
    assert.equal(sender.recovery.inFlightBytes, 0)

    sender.send(210)
    sender.ack(220, [3, 3])
    assert.equal(rtt.smoothedMs, 10)
    assert.deepEqual(sender.lost, [])
    assert.equal(sender.recovery.deadline, 200 + 125, 'the old path’s 5/4 of 100 ms')

    sender.ack(300, [1, 3])
    assert.equal(rtt.smoothedMs, 10, 'the old path gives no samples')
    assert.equal(fresh.windowBytes, 12_000)
  })

  it('measures the rate of delivery', () => {
    const rates: number[] = []
    const watched = new (class extends NewReno {
      override handleAck(sample: Readonly<AckSample>): void {
        rates.push(sample.deliveryRate)
        super.handleAck(sample)
      }
    })(1200)
    const sender = new Sender(watched)
    for (let i = 0; i < 60; i++) {
      sender.send(i * 10)
      if (i >= 10) sender.ack(i * 10, [0, i - 10])
    }

    assert.equal(rates.at(-1), 120, '1,200 bytes each 10 ms')
  })

  it('forgets settled packets, also when a lost one was at the front', () => {
    const sender = new Sender()
    sender.send(0)
    sender.ack(40, [0, 0])
    for (let i = 0; i < 1000; i++) {
      const at = 100 + i * 5
      sender.send(at)
      const lastLost = i < 2 ? 0 : 1
      if (i > 10) sender.ack(at, [2, sender.recovery.sent.next - 10 - lastLost])
    }
    assert.deepEqual(sender.lost, [1])
    assert.ok(sender.recovery.sent.size < 100, `${sender.recovery.sent.size} packets kept`)
  })
})
