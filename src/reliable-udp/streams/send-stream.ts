/**
 * The sending half of a stream: bytes are kept from `write` until they are acknowledged. What was lost goes before
 * what is new. It is told of the fate of its frames by offset and length, never of packets.
 */
import type { FrameWriter } from '../frame-writer.ts'
import { RangeSet } from '../range-set.ts'
import { varintLength } from '../varint.ts'
import { ByteRing } from './byte-ring.ts'
import type { StreamId } from './stream-id.ts'

/** How the half ends: open until `finish` or `reset`, then settled when the peer has acknowledged the end. */
type Ending =
  | { readonly kind: 'open' }
  | { readonly kind: 'finishing'; readonly size: number; isSent: boolean; isAcked: boolean }
  | { readonly kind: 'reset'; readonly code: number; readonly size: number; isAcked: boolean }

/** What one `writeFrame` put into the packet. The same object is filled again. */
export interface SentPiece {
  readonly stream: StreamId
  offset: number
  length: number
  isLast: boolean
  /** Bytes that count against the connection's flow control: sent for the first time. */
  fresh: number
}

export class SendStream {
  readonly id: StreamId
  readonly #data = new ByteRing()
  readonly #acked = new RangeSet() // ≤ packets in flight
  readonly #lost = new RangeSet() // ≤ packets in flight
  readonly #piece: SentPiece
  #next = 0
  #limit: number
  #ending: Ending = { kind: 'open' }

  /** `limit`: how far the peer lets us send before it says otherwise. */
  constructor(id: StreamId, limit: number) {
    this.id = id
    this.#limit = limit
    this.#piece = { stream: id, offset: 0, length: 0, isLast: false, fresh: 0 }
  }

  /** Written and not acknowledged: what is held in memory. */
  get bufferedBytes(): number {
    return this.#data.end - this.#data.start
  }

  get heldBytes(): number {
    return this.#data.capacity
  }

  get isOpen(): boolean {
    return this.#ending.kind === 'open'
  }

  get isReset(): boolean {
    return this.#ending.kind === 'reset'
  }

  /** Nothing of this half will ever be sent again. */
  get isSettled(): boolean {
    const ending = this.#ending
    if (ending.kind === 'open') return false
    if (ending.kind === 'reset') return ending.isAcked
    return ending.isAcked && this.bufferedBytes === 0
  }

  /** Whether `writeFrame` has something to write, given the connection's credit for fresh bytes. */
  hasWork(credit: number): boolean {
    if (this.#ending.kind === 'reset') return false
    if (!this.#lost.isEmpty) return true
    if (this.#next < Math.min(this.#data.end, this.#limit)) return credit > 0
    return this.#isFinPending
  }

  write(bytes: Uint8Array, count: number): void {
    this.#data.write(this.#data.end, bytes, 0, count)
  }

  finish(): void {
    if (this.#ending.kind !== 'open') return
    this.#ending = { kind: 'finishing', size: this.#data.end, isSent: false, isAcked: false }
  }

  /** The final size is what was sent at most: the peer counts that against its windows. */
  reset(code: number): void {
    if (this.#ending.kind === 'reset') return
    this.#ending = { kind: 'reset', code, size: this.#next, isAcked: false }
    this.#data.release(this.#data.end)
    this.#lost.clear()
  }

  writeResetFrame(writer: FrameWriter): boolean {
    const ending = this.#ending
    if (ending.kind !== 'reset' || ending.isAcked) return true
    return writer.resetStream(this.id, ending.code, ending.size)
  }

  raiseLimit(limit: number): void {
    this.#limit = Math.max(this.#limit, limit)
  }

  /** Writes one STREAM frame as large as fits; `undefined` when nothing fits. */
  writeFrame(writer: FrameWriter, credit: number): Readonly<SentPiece> | undefined {
    const isLost = !this.#lost.isEmpty
    const offset = isLost ? this.#lost.min : this.#next
    const end = isLost
      ? this.#lost.endAt(0)
      : Math.min(this.#data.end, this.#limit, this.#next + credit)
    const length = fittingLength(writer, this.id, offset, end - offset)
    if (length < 0 || (length === 0 && end > offset)) return undefined
    const isLast = this.#isLastAt(offset + length)
    this.#copyFrame(writer, offset, length, isLast)
    if (isLost) this.#lost.remove(offset, offset + length)
    else this.#next = offset + length
    if (isLast && this.#ending.kind === 'finishing') this.#ending.isSent = true
    return this.#fill(offset, length, isLast, isLost ? 0 : length)
  }

  /** Writes bytes once more that were sent before, if they fit whole and are still unacknowledged. */
  repeatFrame(writer: FrameWriter, offset: number, length: number, isLast: boolean): boolean {
    if (!this.isUnacked(offset, length)) return false
    if (fittingLength(writer, this.id, offset, length) < length) return false
    this.#copyFrame(writer, offset, length, isLast)
    return true
  }

  isUnacked(offset: number, length: number): boolean {
    if (this.#ending.kind === 'reset' || offset < this.#data.start) return false
    return length === 0 || !this.#acked.covers(offset, offset + length)
  }

  handleAcked(offset: number, length: number, isLast: boolean): void {
    if (this.#ending.kind === 'reset') return
    if (isLast && this.#ending.kind === 'finishing') this.#ending.isAcked = true
    this.#acked.add(offset, offset + length)
    this.#lost.remove(offset, offset + length)
    if (this.#acked.startAt(0) > 0) return
    const settled = this.#acked.endAt(0)
    if (settled > this.#data.start) this.#data.release(settled)
  }

  handleLost(offset: number, length: number, isLast: boolean): void {
    const ending = this.#ending
    if (ending.kind === 'reset') return
    if (isLast && ending.kind === 'finishing' && !ending.isAcked) ending.isSent = false
    const start = Math.max(offset, this.#data.start)
    const end = offset + length
    if (start >= end) return
    this.#lost.add(start, end)
    const acked = this.#acked
    for (let i = acked.indexAfter(start); i < acked.count && acked.startAt(i) < end; i++) {
      this.#lost.remove(acked.startAt(i), acked.endAt(i))
    }
  }

  handleResetAcked(): void {
    if (this.#ending.kind === 'reset') this.#ending.isAcked = true
  }

  get #isFinPending(): boolean {
    const ending = this.#ending
    return ending.kind === 'finishing' && !ending.isSent && this.#next >= ending.size
  }

  #isLastAt(end: number): boolean {
    return this.#ending.kind === 'finishing' && end === this.#ending.size
  }

  #copyFrame(writer: FrameWriter, offset: number, length: number, isLast: boolean): void {
    writer.streamHeader(this.id, offset, length, isLast)
    this.#data.read(offset, writer.bytes, writer.at, length)
    writer.at += length
  }

  #fill(offset: number, length: number, isLast: boolean, fresh: number): SentPiece {
    const piece = this.#piece
    piece.offset = offset
    piece.length = length
    piece.isLast = isLast
    piece.fresh = fresh
    return piece
  }
}

/** How many of `available` bytes fit; negative when not even the header does. */
function fittingLength(
  writer: FrameWriter,
  stream: StreamId,
  offset: number,
  available: number,
): number {
  const room = writer.streamRoom(stream, offset)
  if (room > 0 && available >= room) return room
  const withLength = room - varintLength(Math.max(available, 0))
  return Math.min(available, withLength)
}
