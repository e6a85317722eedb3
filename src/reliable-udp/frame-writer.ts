/**
 * Writes frames into a packet being built. Every method writes the whole frame or, when it does not fit, nothing and
 * returns false.
 */
import { utf8 } from '../core/bytes.ts'
import {
  ACK_DELAY_UNIT_MS,
  frameTypes,
  MAX_ACK_RANGES,
  MAX_CLOSE_REASON_BYTES,
  PATH_DATA_BYTES,
  RESET_TOKEN_BYTES,
  STREAM_FIN_BIT,
  STREAM_LENGTH_BIT,
  STREAM_OFFSET_BIT,
} from './frame.ts'
import { CONNECTION_ID_BYTES } from './packet.ts'
import type { RangeSet } from './range-set.ts'
import type { StreamId } from './streams/stream-id.ts'
import { ByteWriter, varintLength } from './varint.ts'

export class FrameWriter extends ByteWriter {
  ping(): boolean {
    if (this.room < 1) return false
    this.unsigned(frameTypes.ping, 1)
    return true
  }

  /** PADDING up to `target` bytes in all; a packet that is longer stays as it is. */
  padTo(target: number): void {
    if (this.at < target) this.zeros(Math.min(target, this.end) - this.at)
  }

  /** As many of the newest ranges as fit, at most 32. */
  ack(received: RangeSet, delayMs: number): boolean {
    const newest = received.count - 1
    if (newest < 0) return false
    const largest = received.endAt(newest) - 1
    const delay = Math.round(delayMs / ACK_DELAY_UNIT_MS)
    const first = largest - received.startAt(newest)
    // The number of ranges fits one byte: it is below 64.
    const fixed = 2 + varintLength(largest) + varintLength(delay) + varintLength(first)
    if (this.room < fixed) return false
    const oldest = this.#oldestRange(received, this.room - fixed)
    this.unsigned(frameTypes.ack, 1)
    this.varint(largest)
    this.varint(delay)
    this.varint(newest - oldest)
    this.varint(first)
    for (let i = newest - 1; i >= oldest; i--) {
      this.varint(received.startAt(i + 1) - received.endAt(i) - 1)
      this.varint(received.endAt(i) - received.startAt(i) - 1)
    }
    return true
  }

  /** How many bytes of data a STREAM frame has room for that takes the packet's rest; negative when none fits. */
  streamRoom(stream: StreamId, offset: number): number {
    return this.room - streamHeaderBytes(stream, offset)
  }

  /**
   * A STREAM frame's header; the caller then puts the `length` bytes at `at` and moves it. One that fills the packet
   * to its end carries no length.
   */
  streamHeader(stream: StreamId, offset: number, length: number, isLast: boolean): void {
    const fillsPacket = length === this.streamRoom(stream, offset)
    let type: number = frameTypes.stream
    if (offset > 0) type |= STREAM_OFFSET_BIT
    if (!fillsPacket) type |= STREAM_LENGTH_BIT
    if (isLast) type |= STREAM_FIN_BIT
    this.bytes[this.at++] = type
    this.varint(stream)
    if (offset > 0) this.varint(offset)
    if (!fillsPacket) this.varint(length)
  }

  resetStream(stream: StreamId, code: number, finalSize: number): boolean {
    return this.#numbers(frameTypes.resetStream, stream, code, finalSize)
  }

  stopSending(stream: StreamId, code: number): boolean {
    return this.#numbers(frameTypes.stopSending, stream, code)
  }

  keyUpdate(generation: number): boolean {
    return this.#numbers(frameTypes.keyUpdate, generation)
  }

  maxData(limit: number): boolean {
    return this.#numbers(frameTypes.maxData, limit)
  }

  maxStreamData(stream: StreamId, limit: number): boolean {
    return this.#numbers(frameTypes.maxStreamData, stream, limit)
  }

  /** Kinds are below 64, where a varint is one plain byte. */
  maxStreams(kind: number, limit: number): boolean {
    return this.#numbers(frameTypes.maxStreams, kind, limit)
  }

  newConnectionId(
    sequence: number,
    retirePriorTo: number,
    id: Uint8Array,
    resetToken: Uint8Array,
  ): boolean {
    const numbers = varintLength(sequence) + varintLength(retirePriorTo)
    if (this.room < 1 + numbers + CONNECTION_ID_BYTES + RESET_TOKEN_BYTES) return false
    this.#numbers(frameTypes.newConnectionId, sequence, retirePriorTo)
    this.raw(id)
    this.raw(resetToken)
    return true
  }

  pathChallenge(data: Uint8Array): boolean {
    return this.#pathData(frameTypes.pathChallenge, data)
  }

  pathResponse(data: Uint8Array): boolean {
    return this.#pathData(frameTypes.pathResponse, data)
  }

  close(isByApplication: boolean, code: number, reason: string): boolean {
    const text = wholeCharacters(reason, MAX_CLOSE_REASON_BYTES)
    const length = 1 + varintLength(code) + varintLength(text.length) + text.length
    if (this.room < length) return false
    const type = isByApplication ? frameTypes.applicationClose : frameTypes.transportClose
    this.#numbers(type, code, text.length)
    this.raw(text)
    return true
  }

  datagram(bytes: Uint8Array): boolean {
    if (this.room < 1 + varintLength(bytes.length) + bytes.length) return false
    this.#numbers(frameTypes.datagram | 1, bytes.length)
    this.raw(bytes)
    return true
  }

  #pathData(type: number, data: Uint8Array): boolean {
    if (this.room < 1 + PATH_DATA_BYTES) return false
    this.unsigned(type, 1)
    this.raw(data)
    return true
  }

  #numbers(type: number, a: number, b = -1, c = -1): boolean {
    const length =
      1 + varintLength(a) + (b < 0 ? 0 : varintLength(b)) + (c < 0 ? 0 : varintLength(c))
    if (this.room < length) return false
    this.unsigned(type, 1)
    this.varint(a)
    if (b >= 0) this.varint(b)
    if (c >= 0) this.varint(c)
    return true
  }

  #oldestRange(received: RangeSet, room: number): number {
    let left = room
    let index = received.count - 1
    while (index > 0 && received.count - index < MAX_ACK_RANGES) {
      const gap = received.startAt(index) - received.endAt(index - 1) - 1
      const range = received.endAt(index - 1) - received.startAt(index - 1) - 1
      left -= varintLength(gap) + varintLength(range)
      if (left < 0) break
      index -= 1
    }
    return index
  }
}

/** UTF-8 of as many characters as fit: half a one at the end would be read as another. */
function wholeCharacters(text: string, maxBytes: number): Uint8Array {
  const bytes = utf8(text)
  let end = Math.min(bytes.length, maxBytes)
  while (((bytes[end] ?? 0) & 0xc0) === 0x80) end -= 1
  return bytes.subarray(0, end)
}

export function streamHeaderBytes(stream: StreamId, offset: number): number {
  return 1 + varintLength(stream) + (offset > 0 ? varintLength(offset) : 0)
}
