import { strict as assert } from 'node:assert'
import { FrameWriter } from '../../../src/reliable-udp/frame-writer.ts'
import { SendStream } from '../../../src/reliable-udp/streams/send-stream.ts'
import type { StreamId } from '../../../src/reliable-udp/streams/stream-id.ts'
import { collectFrames } from '../frame-collector.ts'
import { contents } from '../traffic.ts'

const id = 8 as StreamId

function streamWith(bytes: number, limit = 1_000_000): SendStream {
  const stream = new SendStream(id, limit)
  stream.write(contents(id, 0, bytes), bytes)
  return stream
}

/** One frame as `[offset, length, isLast]`, checked for its bytes. */
function frame(
  stream: SendStream,
  room = 1000,
  credit = 1_000_000,
): readonly unknown[] | undefined {
  const writer = new FrameWriter(new Uint8Array(room))
  const piece = stream.writeFrame(writer, credit)
  if (piece === undefined) return undefined
  const { frames } = collectFrames(writer.bytes.subarray(0, writer.at))
  const hex = Buffer.from(contents(id, piece.offset, piece.length)).toString('hex')
  assert.deepEqual(frames[0], ['stream', id, piece.offset, hex, piece.isLast])
  return [piece.offset, piece.length, piece.isLast]
}

describe('SendStream', () => {
  it('sends in order, as much as fits', () => {
    const stream = streamWith(250)

    assert.deepEqual(frame(stream, 102), [0, 100, false])
    assert.deepEqual(frame(stream, 102), [100, 98, false])
    assert.deepEqual(frame(stream, 102), [198, 52, false])
    assert.equal(stream.hasWork(100), false)
  })

  it('stops at the peer’s limit, and at the connection’s credit', () => {
    const stream = streamWith(250, 100)

    assert.deepEqual(frame(stream, 1000, 60), [0, 60, false])
    assert.deepEqual(frame(stream), [60, 40, false])
    assert.equal(stream.hasWork(1000), false)
    stream.raiseLimit(250)
    assert.equal(stream.hasWork(0), false)
    assert.equal(stream.hasWork(1), true)
    stream.raiseLimit(120)
    assert.deepEqual(frame(stream), [100, 150, false], 'a limit never shrinks')
  })

  it('says where it ends, with the last bytes or alone', () => {
    const stream = streamWith(10)
    stream.finish()
    assert.deepEqual(frame(stream), [0, 10, true])

    const late = streamWith(10)
    assert.deepEqual(frame(late), [0, 10, false])
    late.finish()
    assert.deepEqual(frame(late), [10, 0, true])
    assert.equal(late.hasWork(100), false)

    const empty = new SendStream(id, 0)
    empty.finish()
    assert.deepEqual(frame(empty), [0, 0, true])
  })

  it('sends what was lost before what is new, without credit', () => {
    const stream = streamWith(300)
    frame(stream, 102)
    frame(stream, 102)
    stream.handleLost(0, 100, false)

    assert.equal(stream.hasWork(0), true)
    assert.deepEqual(frame(stream, 52, 0), [0, 50, false])
    assert.deepEqual(frame(stream), [50, 50, false])
    assert.deepEqual(frame(stream), [198, 102, false])
  })

  it('does not send again what arrived meanwhile', () => {
    const stream = streamWith(300)
    frame(stream)
    stream.handleAcked(100, 50, false)
    stream.handleLost(0, 300, false)

    assert.deepEqual(frame(stream), [0, 100, false])
    stream.handleAcked(150, 100, false)
    assert.deepEqual(frame(stream), [250, 50, false])
    assert.equal(stream.hasWork(100), false)
  })

  it('frees memory from the front as it is acknowledged', () => {
    const stream = streamWith(300)
    frame(stream)
    stream.handleAcked(100, 100, false)
    assert.equal(stream.bufferedBytes, 300)
    stream.handleAcked(0, 100, false)
    assert.equal(stream.bufferedBytes, 100)
  })

  it('is settled when its end was acknowledged and everything before it', () => {
    const stream = streamWith(100)
    stream.finish()
    frame(stream, 52)
    frame(stream)
    stream.handleAcked(49, 51, true)
    assert.equal(stream.isSettled, false)
    stream.handleAcked(0, 49, false)
    assert.equal(stream.isSettled, true)
  })

  it('sends a lost end again, also when it stood alone', () => {
    const stream = streamWith(10)
    frame(stream)
    stream.finish()
    frame(stream)
    stream.handleAcked(0, 10, false)
    stream.handleLost(10, 0, true)

    assert.deepEqual(frame(stream), [10, 0, true])
    stream.handleAcked(10, 0, true)
    assert.equal(stream.isSettled, true)
  })

  it('after a reset sends nothing, and tells the size that was sent', () => {
    const stream = streamWith(300)
    frame(stream, 102)
    stream.reset(7)
    const writer = new FrameWriter(new Uint8Array(100))
    stream.writeResetFrame(writer)

    assert.deepEqual(collectFrames(writer.bytes.subarray(0, writer.at)).frames, [
      ['reset-stream', id, 7, 100],
    ])
    assert.equal(stream.hasWork(1000), false)
    assert.equal(stream.bufferedBytes, 0)
    stream.handleLost(0, 100, false)
    assert.equal(stream.hasWork(1000), false)
    stream.handleResetAcked()
    assert.equal(stream.isSettled, true)
  })

  it('repeats bytes that were sent, whole and unacknowledged or not at all', () => {
    const stream = streamWith(100)
    frame(stream)
    const writer = new FrameWriter(new Uint8Array(104))

    assert.equal(stream.repeatFrame(new FrameWriter(new Uint8Array(101)), 0, 100, false), false)
    assert.equal(stream.repeatFrame(writer, 0, 100, false), true)
    stream.handleAcked(0, 100, false)
    assert.equal(stream.repeatFrame(new FrameWriter(new Uint8Array(200)), 0, 100, false), false)
  })

  it('fits every room exactly or leaves it, and never writes past it', () => {
    for (let room = 0; room < 140; room++) {
      for (const size of [1, 60, 63, 64, 65, 100, 200]) {
        const stream = streamWith(size)
        const piece = frame(stream, room)
        assert.equal(piece === undefined, room < 3, `room ${room}, ${size} bytes`)
      }
    }
  })
})
