import { strict as assert } from 'node:assert'
import { instant } from '../../../src/core/instant.ts'
import { FrameWriter } from '../../../src/reliable-udp/frame-writer.ts'
import { SentPackets } from '../../../src/reliable-udp/sent-packets.ts'
import type { StreamEvent } from '../../../src/reliable-udp/streams/stream-event.ts'
import {
  type StreamId,
  streamIdOf,
  streamKind,
  type StreamPriority,
} from '../../../src/reliable-udp/streams/stream-id.ts'
import { MAX_PEER_STREAMS } from '../../../src/reliable-udp/streams/stream-table.ts'
import {
  INITIAL_CONNECTION_WINDOW_BYTES,
  INITIAL_STREAM_WINDOW_BYTES,
  Streams,
} from '../../../src/reliable-udp/streams/streams.ts'
import { collectFrames } from '../frame-collector.ts'

const now = instant(1000)
const RTT = 50

function newStreams(bytes = 1_000_000): {
  readonly streams: Streams
  readonly events: StreamEvent[]
} {
  const events: StreamEvent[] = []
  const streams = new Streams('initiator', { push: (event) => void events.push(event) })
  streams.setPeerLimits({ streamsPerKind: 4, bytesPerStream: 1_000_000, bytes })
  return { streams, events }
}

function peerStream(index: number, priority: StreamPriority = 'chat'): StreamId {
  return streamIdOf('responder', streamKind(priority, 'bidirectional'), index)
}

function receive(
  streams: Streams,
  id: StreamId,
  offset: number,
  length: number,
  isLast = false,
): string | undefined {
  return streams.handleData(now, id, offset, new Uint8Array(length), 0, length, isLast, RTT)?.text
}

/** What the next packet of `room` bytes would carry of data: streams, in order. */
function packet(streams: Streams, room = 1000): StreamId[] {
  const writer = new FrameWriter(new Uint8Array(room))
  const sent = new SentPackets()
  const order: StreamId[] = []
  for (const priority of ['control', 'chat', 'bulk'] as const) {
    for (;;) {
      const piece = streams.writeData(priority, writer, sent)
      if (piece === undefined) break
      order.push(piece.stream)
    }
  }
  return order
}

function controlFrames(streams: Streams): readonly unknown[] {
  const writer = new FrameWriter(new Uint8Array(1000))
  streams.writeControlFrames(writer, new SentPackets())
  return writer.at === 0 ? [] : collectFrames(writer.bytes.subarray(0, writer.at)).frames
}

function open(streams: Streams, priority: StreamPriority, bytes: number): StreamId {
  const id = streams.open(priority, 'bidirectional')
  streams.write(id, new Uint8Array(bytes))
  return id
}

describe('Streams, sending', () => {
  it('serves classes strictly, and streams of a class in turn', () => {
    const { streams } = newStreams()
    const [bulk, otherBulk] = [open(streams, 'bulk', 3000), open(streams, 'bulk', 3000)]
    const chat = open(streams, 'chat', 100)
    const control = open(streams, 'control', 10)

    assert.equal(streams.mostUrgent(), 'control')
    assert.deepEqual(packet(streams), [control, chat, bulk])
    assert.equal(streams.mostUrgent(), 'bulk')
    assert.deepEqual(packet(streams), [otherBulk])
    assert.deepEqual(packet(streams), [bulk])
    streams.write(chat, new Uint8Array(5))
    assert.deepEqual(packet(streams), [chat, otherBulk])
  })

  it('opens no more streams of a kind than the peer allows', () => {
    const { streams } = newStreams()
    for (let i = 0; i < 4; i++) streams.open('chat', 'bidirectional')

    assert.throws(() => streams.open('chat', 'bidirectional'), { code: 'BUSY' })
    streams.open('chat', 'unidirectional')
    streams.open('bulk', 'bidirectional')
    streams.handleMaxStreams(streamKind('chat', 'bidirectional'), 5)
    streams.open('chat', 'bidirectional')
  })

  it('stops at the connection’s credit, except for what was lost', () => {
    const { streams } = newStreams(1500)
    const id = open(streams, 'bulk', 3000)
    packet(streams, 1004)
    packet(streams)
    assert.equal(streams.mostUrgent(), undefined)

    streams.handleDataLost(id, 0, 100, false)
    assert.deepEqual(packet(streams), [id])
    assert.equal(streams.mostUrgent(), undefined)

    streams.handleMaxData(2000)
    assert.equal(streams.mostUrgent(), 'bulk')
    assert.deepEqual(packet(streams), [id])
    streams.handleMaxData(1600)
    assert.equal(streams.mostUrgent(), undefined, 'a limit never shrinks')
  })

  it('a stream at its own limit does not hold up the others', () => {
    const { streams } = newStreams()
    streams.setPeerLimits({ streamsPerKind: 4, bytesPerStream: 50, bytes: 10_000 })
    const [first, second] = [open(streams, 'chat', 60), open(streams, 'chat', 10)]

    assert.deepEqual(packet(streams), [first, second])
    streams.handleMaxStreamData(first, 60)
    assert.deepEqual(packet(streams), [first])
  })

  it('takes as much as it keeps, and tells when there is room again', () => {
    const { streams, events } = newStreams(10_000_000)
    const id = streams.open('bulk', 'bidirectional')
    const big = new Uint8Array(300_000)

    assert.equal(streams.write(id, big), 256 * 1024)
    assert.equal(streams.write(id, big), 0)
    for (let offset = 0; offset < 65_000; offset += 1000)
      streams.handleDataAcked(id, offset, 1000, false)
    assert.deepEqual(events, [])
    streams.handleDataAcked(id, 65_000, 1000, false)

    assert.deepEqual(events, [{ kind: 'stream-writable', stream: id }])
    assert.equal(streams.write(id, big), 66_000)
  })

  it('keeps four congestion windows of each stream', () => {
    const { streams } = newStreams()
    streams.setCongestionWindow(200_000)

    assert.equal(
      streams.write(streams.open('bulk', 'bidirectional'), new Uint8Array(2 ** 20)),
      800_000,
    )
  })

  it('takes nothing for streams that it does not know or that have ended', () => {
    const { streams } = newStreams()
    const id = open(streams, 'chat', 10)
    streams.finish(id)

    assert.equal(streams.write(id, new Uint8Array(5)), 0)
    assert.equal(streams.write(streamIdOf('initiator', 0, 99), new Uint8Array(5)), 0)
  })

  it('resets when the peer reads no more, and tells so', () => {
    const { streams, events } = newStreams()
    const id = open(streams, 'bulk', 5000)
    packet(streams, 1002)

    streams.handleStopSending(id, 9)

    assert.deepEqual(events, [{ kind: 'stream-stopped', stream: id, code: 9 }])
    assert.deepEqual(controlFrames(streams), [['reset-stream', id, 9, 1000]])
    assert.equal(streams.mostUrgent(), undefined)
    streams.handleControlLost('reset-stream', id)
    assert.deepEqual(controlFrames(streams), [['reset-stream', id, 9, 1000]])
  })
})

describe('Streams, receiving', () => {
  it('opens all streams up to the one that was named', () => {
    const { streams, events } = newStreams()

    receive(streams, peerStream(2), 0, 5)

    const opened = events
      .filter((event) => event.kind === 'stream-opened')
      .map((event) => event.stream)
    assert.deepEqual(opened, [peerStream(0), peerStream(1), peerStream(2)])
    assert.deepEqual(events.at(-1), { kind: 'stream-readable', stream: peerStream(2) })
  })

  it('refuses streams without end', () => {
    const { streams } = newStreams()

    assert.equal(receive(streams, peerStream(MAX_PEER_STREAMS - 1), 0, 1), undefined)
    assert.equal(receive(streams, peerStream(MAX_PEER_STREAMS), 0, 1), 'more streams than we allow')
    assert.equal(streams.openCount, MAX_PEER_STREAMS)
  })

  it('refuses the reserved class, streams never opened, and frames against the direction', () => {
    const { streams } = newStreams()
    const ownOneWay = streams.open('chat', 'unidirectional')
    const peerOneWay = streamIdOf('responder', streamKind('chat', 'unidirectional'), 0)

    assert.equal(receive(streams, 13 as StreamId, 0, 1), 'more streams than we allow')
    assert.equal(
      receive(streams, streamIdOf('initiator', 2, 3), 0, 1),
      'a frame for a stream that we never opened',
    )
    assert.equal(receive(streams, ownOneWay, 0, 1), 'a frame against the direction of its stream')
    assert.equal(
      streams.handleMaxStreamData(peerOneWay, 5)?.text,
      'a frame against the direction of its stream',
    )
    assert.equal(
      streams.handleStopSending(peerOneWay, 5)?.text,
      'a frame against the direction of its stream',
    )
  })

  it('refuses more than the connection’s window over all streams', () => {
    const { streams } = newStreams()
    const half = INITIAL_STREAM_WINDOW_BYTES
    assert.equal(INITIAL_CONNECTION_WINDOW_BYTES, 2 * half)

    assert.equal(receive(streams, peerStream(0), half - 1, 1), undefined)
    assert.equal(receive(streams, peerStream(1), half - 1, 1), undefined)
    assert.equal(receive(streams, peerStream(2), 0, 1), 'more than the connection window allows')
  })

  it('refuses data in too many pieces', () => {
    const { streams } = newStreams()
    let wrong: string | undefined
    let pieces = 0
    for (let offset = 1; wrong === undefined; offset += 2) {
      wrong = receive(streams, peerStream(0), offset, 1)
      pieces += 1
    }

    assert.equal(wrong, 'data in too many pieces')
    assert.equal(pieces, 32_769)
  })

  it('moves the windows on as they are consumed', () => {
    const { streams } = newStreams()
    receive(streams, peerStream(0), 0, 600_000)
    assert.deepEqual(controlFrames(streams), [])

    streams.read(now, peerStream(0), Infinity, RTT)

    assert.deepEqual(controlFrames(streams), [
      ['max-data', 600_000 + INITIAL_CONNECTION_WINDOW_BYTES],
      ['max-stream-data', peerStream(0), 600_000 + INITIAL_STREAM_WINDOW_BYTES],
    ])
    receive(streams, peerStream(0), 600_000, 600_000)
    streams.read(now, peerStream(0), Infinity, RTT)
    assert.deepEqual(controlFrames(streams), [
      ['max-data', 1_200_000 + 2 * INITIAL_CONNECTION_WINDOW_BYTES],
      ['max-stream-data', peerStream(0), 1_200_000 + 2 * INITIAL_STREAM_WINDOW_BYTES],
    ])
  })

  it('says a lost limit again as it stands then', () => {
    const { streams } = newStreams()
    receive(streams, peerStream(0), 0, 600_000)
    streams.read(now, peerStream(0), Infinity, RTT)
    controlFrames(streams)

    streams.handleControlLost('max-stream-data', peerStream(0))
    streams.handleControlLost('max-data', 0)

    assert.equal(controlFrames(streams).length, 2)
  })

  it('forgets a stream when both halves are over, and allows more in time', () => {
    const { streams, events } = newStreams()
    const kind = streamKind('bulk', 'unidirectional')
    for (let index = 0; index < 16; index++) {
      const id = streamIdOf('responder', kind, index)
      receive(streams, id, 0, 10, true)
      streams.read(now, id, Infinity, RTT)
      assert.deepEqual(events.at(-1), { kind: 'stream-finished', stream: id })
      assert.equal(receive(streams, id, 0, 10, true), undefined, 'a late copy is nothing')
    }

    assert.equal(streams.openCount, 0)
    assert.deepEqual(controlFrames(streams), [['max-streams', kind, MAX_PEER_STREAMS + 16]])
  })

  it('a reset is told, and what was not read counts as consumed', () => {
    const { streams, events } = newStreams()
    receive(streams, peerStream(0), 0, 1000)

    streams.handleReset(now, peerStream(0), 5, INITIAL_STREAM_WINDOW_BYTES, RTT)
    streams.handleReset(now, peerStream(1), 5, INITIAL_STREAM_WINDOW_BYTES, RTT)

    assert.deepEqual(events.at(-1), { kind: 'stream-reset', stream: peerStream(1), code: 5 })
    assert.deepEqual(controlFrames(streams), [
      ['max-data', 2 * INITIAL_STREAM_WINDOW_BYTES + 2 * INITIAL_CONNECTION_WINDOW_BYTES],
    ])
    assert.equal(streams.read(now, peerStream(0), Infinity, RTT), undefined)
  })

  it('stops reading: what comes is dropped and counted, and nothing is told', () => {
    const { streams, events } = newStreams()
    receive(streams, peerStream(0), 0, 1000)
    events.length = 0

    streams.stopReading(now, peerStream(0), 3, RTT)

    assert.deepEqual(controlFrames(streams), [['stop-sending', peerStream(0), 3]])
    receive(streams, peerStream(0), 1000, 1000)
    receive(streams, peerStream(0), 5000, 1000, true)
    assert.equal(streams.read(now, peerStream(0), Infinity, RTT), undefined)
    assert.deepEqual(events, [])
  })
})
