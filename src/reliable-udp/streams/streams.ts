/**
 * All streams of a connection: commands from the application, frames from the peer, frames to the peer.
 *
 * Flow control counts twice, for each stream and for the connection (RFC 9000 §4), and both windows tune themselves.
 * What a peer can make us hold is the connection's window and `MAX_PIECES`, however many streams it uses.
 */
import type { Instant } from '../../core/instant.ts'
import { HollerError } from '../../core/holler-error.ts'
import type { EventSink } from '../event-sink.ts'
import type { FrameWriter } from '../frame-writer.ts'
import type { SentPackets } from '../sent-packets.ts'
import { type Violation, violation } from '../transport-error.ts'
import { OwedFrames, type StreamControlFrame } from './owed-frames.ts'
import { MAX_WINDOW_BYTES, ReceiveWindow } from './receive-window.ts'
import { SendQueue } from './send-queue.ts'
import type { SentPiece } from './send-stream.ts'
import { isOver, type Stream } from './stream.ts'
import {
  kindOf,
  STREAM_KINDS,
  type StreamDirection,
  type StreamId,
  streamKind,
  type StreamPriority,
  type StreamSide,
} from './stream-id.ts'
import type { StreamEvent } from './stream-event.ts'
import { isViolation, StreamTable } from './stream-table.ts'

/** A fast path's first round trips fit; the windows double from here while they are what limits. */
export const INITIAL_STREAM_WINDOW_BYTES = 1024 * 1024
export const INITIAL_CONNECTION_WINDOW_BYTES = 2 * 1024 * 1024

/**
 * Pieces that wait for what lies before them, over all streams. An honest peer has as many as it has packets in flight
 * (at most 16,384); one that sends every other byte would have millions.
 */
const MAX_PIECES = 32_768

/** What a stream keeps of its writer's bytes at least; more when the window is larger. */
const MIN_SEND_BUFFER_BYTES = 256 * 1024

/** What waits behind a packet that is lost twice: three round trips, and what is under way beyond the one. */
const WINDOWS_BUFFERED = 4

/** The writer is woken when a quarter of the buffer is free: few wake-ups, and never an empty buffer. */
const WRITABLE_SHARE = 0.75

export interface PeerStreamLimits {
  readonly streamsPerKind: number
  readonly bytesPerStream: number
  readonly bytes: number
}

export class Streams {
  readonly #table: StreamTable
  readonly #queue = new SendQueue()
  readonly #events: EventSink<StreamEvent>
  readonly #window = new ReceiveWindow(INITIAL_CONNECTION_WINDOW_BYTES)
  readonly #owed: OwedFrames
  #sendLimit = 0
  #sent = 0
  #received = 0
  #pieces = 0
  #sendBufferBytes = MIN_SEND_BUFFER_BYTES

  constructor(side: StreamSide, events: EventSink<StreamEvent>) {
    this.#events = events
    this.#table = new StreamTable(side, INITIAL_STREAM_WINDOW_BYTES, (opened) => {
      events.push({ kind: 'stream-opened', stream: opened.id, priority: opened.priority })
    })
    this.#owed = new OwedFrames(this.#table, this.#window)
  }

  get openCount(): number {
    return this.#table.size
  }

  /** Memory that streams hold for bytes written and not acknowledged, and for bytes received and not read. */
  get heldBytes(): number {
    let sum = 0
    for (const { send, receive } of this.#table.values()) {
      sum += (send?.heldBytes ?? 0) + (receive?.heldBytes ?? 0)
    }
    return sum
  }

  setPeerLimits(limits: PeerStreamLimits): void {
    this.#table.setPeerParameters(limits.streamsPerKind, limits.bytesPerStream)
    this.#sendLimit = limits.bytes
  }

  /** Two windows of what the path carries are kept of each stream, so that its writer need not be quick. */
  setCongestionWindow(bytes: number): void {
    this.#sendBufferBytes = Math.min(
      Math.max(WINDOWS_BUFFERED * bytes, MIN_SEND_BUFFER_BYTES),
      MAX_WINDOW_BYTES,
    )
  }

  /** @throws HollerError `BUSY` when the peer allows no more streams of this kind for now. */
  open(priority: StreamPriority, direction: StreamDirection): StreamId {
    const stream = this.#table.open(streamKind(priority, direction))
    if (stream === undefined)
      throw new HollerError('BUSY', `The peer allows no more ${priority} streams now`)
    return stream.id
  }

  write(id: StreamId, bytes: Uint8Array): number {
    const stream = this.#table.get(id)
    if (stream?.send?.isOpen !== true) return 0
    const room = Math.max(0, this.#sendBufferBytes - stream.send.bufferedBytes)
    const accepted = Math.min(bytes.length, room)
    if (accepted < bytes.length) stream.isWriterWaiting = true
    if (accepted === 0) return 0
    stream.send.write(bytes, accepted)
    this.#queue.add(stream)
    return accepted
  }

  finish(id: StreamId): void {
    const stream = this.#table.get(id)
    if (stream?.send?.isOpen !== true) return
    stream.send.finish()
    this.#queue.add(stream)
  }

  reset(id: StreamId, code: number): void {
    const stream = this.#table.get(id)
    if (stream?.send === undefined || stream.send.isReset) return
    stream.send.reset(code)
    stream.owesReset = true
    this.#owed.addOf(stream)
  }

  stopReading(now: Instant, id: StreamId, code: number, rttMs: number): void {
    const stream = this.#table.get(id)
    const receive = stream?.receive
    if (stream === undefined || receive === undefined || receive.isStopped) return
    if (receive.isFinished) return
    stream.stopCode = code
    stream.owesStop = true
    receive.stop()
    this.#discard(now, stream, rttMs)
    this.#owed.addOf(stream)
    this.#removeIfOver(stream)
  }

  read(now: Instant, id: StreamId, maxBytes: number, rttMs: number): Uint8Array | undefined {
    const stream = this.#table.get(id)
    const bytes = stream?.receive?.read(maxBytes)
    if (stream?.receive === undefined || bytes === undefined) return undefined
    stream.receive.window.handleConsumed(bytes.length)
    if (stream.receive.wantsWindow && stream.receive.window.isWorthRaising) {
      stream.receive.window.raise(now, rttMs)
      stream.owesWindow = true
      this.#owed.addOf(stream)
    }
    this.#consume(now, bytes.length, rttMs)
    this.#finishReceiving(stream)
    return bytes
  }

  handleData(
    now: Instant,
    id: StreamId,
    offset: number,
    bytes: Uint8Array,
    start: number,
    end: number,
    isLast: boolean,
    rttMs: number,
  ): Violation | undefined {
    const stream = this.#table.find(id, 'receive')
    if (stream === undefined || isViolation(stream)) return stream
    const { receive } = stream
    if (receive === undefined || receive.isFinished) return undefined
    const [highest, pieces] = [receive.highest, receive.pieces]
    const wrong =
      receive.handleData(offset, bytes, start, end, isLast) ??
      this.#countReceived(receive.highest - highest, receive.pieces - pieces)
    if (wrong !== undefined) return wrong
    if (receive.isStopped) this.#discard(now, stream, rttMs)
    if (receive.takeReadableNews()) this.#events.push({ kind: 'stream-readable', stream: id })
    this.#finishReceiving(stream)
    return undefined
  }

  handleReset(
    now: Instant,
    id: StreamId,
    code: number,
    finalSize: number,
    rttMs: number,
  ): Violation | undefined {
    const stream = this.#table.find(id, 'receive')
    if (stream === undefined || isViolation(stream)) return stream
    const { receive } = stream
    if (receive === undefined || receive.isFinished) return undefined
    const { highest } = receive
    const wrong =
      receive.handleReset(finalSize) ?? this.#countReceived(receive.highest - highest, 0)
    if (wrong !== undefined) return wrong
    this.#discard(now, stream, rttMs)
    this.#events.push({ kind: 'stream-reset', stream: id, code })
    this.#removeIfOver(stream)
    return undefined
  }

  handleStopSending(id: StreamId, code: number): Violation | undefined {
    const stream = this.#table.find(id, 'send')
    if (stream === undefined || isViolation(stream)) return stream
    if (stream.send === undefined || stream.send.isReset || stream.send.isSettled) return undefined
    this.reset(id, code)
    this.#events.push({ kind: 'stream-stopped', stream: id, code })
    return undefined
  }

  handleMaxData(limit: number): void {
    if (limit <= this.#sendLimit) return
    this.#sendLimit = limit
    this.#queue.handleCredit()
  }

  handleMaxStreamData(id: StreamId, limit: number): Violation | undefined {
    const stream = this.#table.find(id, 'send')
    if (stream === undefined || isViolation(stream)) return stream
    stream.send?.raiseLimit(limit)
    this.#queue.add(stream)
    return undefined
  }

  handleMaxStreams(kind: number, limit: number): Violation | undefined {
    if (kind >= STREAM_KINDS) return violation('frameEncoding', 'unknown kind of streams')
    this.#table.raiseOwnLimit(kind, limit)
    return undefined
  }

  /** The most urgent class that has bytes to send; window and limit frames are not bytes. */
  mostUrgent(): StreamPriority | undefined {
    return this.#queue.mostUrgent(this.#credit)
  }

  get owesControlFrames(): boolean {
    return !this.#owed.isEmpty
  }

  /** Limits and ends of streams; what does not fit stays owed. */
  writeControlFrames(writer: FrameWriter, sent: SentPackets): void {
    this.#owed.write(writer, sent)
  }

  /** One frame of the class's next stream; `undefined` when it has nothing, or nothing fits. */
  writeData(
    priority: StreamPriority,
    writer: FrameWriter,
    sent: SentPackets,
  ): Readonly<SentPiece> | undefined {
    const credit = this.#credit
    const stream = this.#queue.first(priority, credit)
    const piece = stream?.send?.writeFrame(writer, credit)
    if (stream === undefined || piece === undefined) return undefined
    this.#sent += piece.fresh
    sent.addFrame(piece.isLast ? 'stream-fin' : 'stream', stream.id, piece.offset, piece.length)
    this.#queue.rotate(priority)
    return piece
  }

  /** For repeats of chat frames: whether those bytes are still worth sending. */
  isUnacked(id: StreamId, offset: number, length: number): boolean {
    return this.#table.get(id)?.send?.isUnacked(offset, length) ?? false
  }

  repeatData(
    id: StreamId,
    offset: number,
    length: number,
    isLast: boolean,
    writer: FrameWriter,
    sent: SentPackets,
  ): boolean {
    const send = this.#table.get(id)?.send
    if (send?.repeatFrame(writer, offset, length, isLast) !== true) return false
    sent.addFrame(isLast ? 'stream-fin' : 'stream', id, offset, length)
    return true
  }

  handleDataAcked(id: StreamId, offset: number, length: number, isLast: boolean): void {
    const stream = this.#table.get(id)
    if (stream?.send === undefined) return
    stream.send.handleAcked(offset, length, isLast)
    const free = stream.send.bufferedBytes <= this.#sendBufferBytes * WRITABLE_SHARE
    if (stream.isWriterWaiting && free) {
      stream.isWriterWaiting = false
      if (stream.send.isOpen) this.#events.push({ kind: 'stream-writable', stream: id })
    }
    this.#removeIfOver(stream)
  }

  handleDataLost(id: StreamId, offset: number, length: number, isLast: boolean): void {
    const stream = this.#table.get(id)
    if (stream?.send === undefined) return
    stream.send.handleLost(offset, length, isLast)
    this.#queue.add(stream)
  }

  handleResetAcked(id: StreamId): void {
    const stream = this.#table.get(id)
    stream?.send?.handleResetAcked()
    if (stream !== undefined) this.#removeIfOver(stream)
  }

  handleControlLost(frame: StreamControlFrame, subject: number): void {
    this.#owed.addLost(frame, subject)
  }

  get #credit(): number {
    return this.#sendLimit - this.#sent
  }

  #countReceived(bytes: number, pieces: number): Violation | undefined {
    this.#received += bytes
    this.#pieces += pieces
    if (this.#received > this.#window.limit) {
      return violation('flowControl', 'more than the connection window allows')
    }
    if (this.#pieces > MAX_PIECES) return violation('protocolViolation', 'data in too many pieces')
    return undefined
  }

  #discard(now: Instant, stream: Stream, rttMs: number): void {
    if (stream.receive === undefined) return
    this.#pieces -= stream.receive.pieces
    this.#consume(now, stream.receive.discard(), rttMs)
  }

  #consume(now: Instant, bytes: number, rttMs: number): void {
    this.#window.handleConsumed(bytes)
    if (!this.#window.isWorthRaising) return
    this.#window.raise(now, rttMs)
    this.#owed.addConnectionWindow()
  }

  #finishReceiving(stream: Stream): void {
    if (stream.receive?.isFinished !== true) return
    if (!stream.receive.isStopped) {
      this.#events.push({ kind: 'stream-finished', stream: stream.id })
    }
    this.#removeIfOver(stream)
  }

  #removeIfOver(stream: Stream): void {
    if (!isOver(stream)) return
    if (this.#table.remove(stream)) this.#owed.addLimitOf(kindOf(stream.id))
  }
}
