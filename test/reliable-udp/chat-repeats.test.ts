import { strict as assert } from 'node:assert'
import { instant } from '../../src/core/instant.ts'
import { ChatRepeats } from '../../src/reliable-udp/chat-repeats.ts'
import {
  streamIdOf,
  streamKind,
  type StreamPriority,
} from '../../src/reliable-udp/streams/stream-id.ts'

function piece(
  length: number,
  priority: StreamPriority = 'chat',
  fresh = length,
): Parameters<ChatRepeats['handleSent']>[1] {
  const stream = streamIdOf('initiator', streamKind(priority, 'bidirectional'), 0)
  return { stream, offset: 0, length, isLast: false, fresh }
}

describe('ChatRepeats', () => {
  it('is due 12 and 30 ms after a small chat frame', () => {
    const repeats = new ChatRepeats()
    repeats.handleSent(instant(100), piece(300))
    assert.equal(repeats.deadline, 112)
    assert.equal(repeats.isDue(instant(111)), false)
    assert.equal(repeats.isDue(instant(112)), true)

    repeats.settle(instant(112), () => true, 200)
    assert.equal(repeats.deadline, 130)
    repeats.settle(instant(130), () => true, 200)
    assert.equal(repeats.deadline, undefined)
  })

  it('leaves larger frames, other classes and what is sent again to loss recovery', () => {
    const repeats = new ChatRepeats()
    repeats.handleSent(instant(0), piece(301))
    repeats.handleSent(instant(0), piece(100, 'bulk'))
    repeats.handleSent(instant(0), piece(100, 'chat', 0))

    assert.equal(repeats.entries.length, 0)
  })

  it('forgets what was acknowledged', () => {
    const repeats = new ChatRepeats()
    repeats.handleSent(instant(0), piece(100))
    repeats.settle(instant(5), () => false, 200)

    assert.equal(repeats.entries.length, 0)
    assert.equal(repeats.deadline, undefined)
  })

  it('rides along for half a round trip, five times at most', () => {
    const repeats = new ChatRepeats()
    repeats.handleSent(instant(0), piece(100))
    const entry = repeats.entries[0]
    assert.ok(entry !== undefined)

    assert.equal(
      repeats.mayRideAlong(instant(0), entry, 200),
      false,
      'not in the packet it was first sent in',
    )
    assert.equal(repeats.mayRideAlong(instant(100), entry, 200), true)
    assert.equal(repeats.mayRideAlong(instant(101), entry, 200), false)
    entry.copies = 5
    assert.equal(repeats.mayRideAlong(instant(50), entry, 200), false)
  })

  it('stops where loss is far above normal, and begins again when it is not', () => {
    const repeats = new ChatRepeats()
    for (let i = 0; i < 100; i++) repeats.handleFate(i % 3 === 0)
    repeats.handleSent(instant(0), piece(100))
    assert.equal(repeats.entries.length, 0)

    for (let i = 0; i < 100; i++) repeats.handleFate(i % 20 === 0)
    repeats.handleSent(instant(0), piece(100))
    assert.equal(repeats.entries.length, 1)
  })

  it('keeps the newest sixteen of a flood', () => {
    const repeats = new ChatRepeats()
    for (let at = 0; at < 100; at++) repeats.handleSent(instant(at), piece(10))

    assert.equal(repeats.entries.length, 16)
    assert.equal(repeats.deadline, 84 + 12)
  })
})
