/**
 * The receiving half of a stream: takes pieces in any order, gives bytes in order, each once. What the peer may send is
 * bounded by the window; in how many pieces it may lie, by the sum over all streams (`streams.ts`).
 */
import { RangeSet } from '../range-set.ts'
import { type Violation, violation } from '../transport-error.ts'
import { ByteRing } from './byte-ring.ts'
import { ReceiveWindow } from './receive-window.ts'
import type { StreamId } from './stream-id.ts'

export class ReceiveStream {
  readonly id: StreamId
  readonly window: ReceiveWindow
  readonly #data = new ByteRing()
  readonly #received = new RangeSet() // pieces beyond the readable part; bounded by `Streams`
  #readable = 0
  #highest = 0
  #finalSize: number | undefined
  #isReset = false
  #isStopped = false
  #isToldReadable = false

  constructor(id: StreamId, windowBytes: number) {
    this.id = id
    this.window = new ReceiveWindow(windowBytes)
  }

  get heldBytes(): number {
    return this.#data.capacity
  }

  get readableBytes(): number {
    return this.#readable - this.#data.start
  }

  /** The greatest offset seen: what counts against the windows. */
  get highest(): number {
    return this.#highest
  }

  /** Pieces that wait for what lies before them. */
  get pieces(): number {
    return this.#received.count
  }

  /** The end is known and everything before it was read, or dropped; or the peer gave up. */
  get isFinished(): boolean {
    return this.#isReset || this.#data.start === this.#finalSize
  }

  get isReset(): boolean {
    return this.#isReset
  }

  get isStopped(): boolean {
    return this.#isStopped
  }

  /** The window need not move for a stream whose end is known. */
  get wantsWindow(): boolean {
    return this.#finalSize === undefined && !this.#isStopped
  }

  /** True once for each time that bytes become readable after all was read. */
  takeReadableNews(): boolean {
    if (this.#isToldReadable || this.readableBytes === 0 || this.#isStopped) return false
    this.#isToldReadable = true
    return true
  }

  handleData(
    offset: number,
    bytes: Uint8Array,
    start: number,
    end: number,
    isLast: boolean,
  ): Violation | undefined {
    const reached = offset + (end - start)
    const wrong = this.#checkSize(reached, isLast)
    if (wrong !== undefined) return wrong
    if (this.#isReset) return undefined
    if (isLast) this.#finalSize = reached
    this.#highest = Math.max(this.#highest, reached)
    const known = Math.max(this.#readable - offset, 0)
    if (this.#isStopped || known >= end - start) return undefined
    this.#store(offset + known, bytes, start + known, end)
    return undefined
  }

  handleReset(finalSize: number): Violation | undefined {
    const wrong = this.#checkSize(finalSize, true)
    if (wrong !== undefined) return wrong
    this.#finalSize = finalSize
    this.#highest = Math.max(this.#highest, finalSize)
    if (this.isFinished) return undefined
    this.#isReset = true
    return undefined
  }

  /** The application wants no more: what comes from now on is counted and dropped. */
  stop(): void {
    this.#isStopped = true
  }

  /** Drops all that is buffered; the answer is how many bytes are consumed by that. */
  discard(): number {
    const consumed = this.#highest - this.#data.start
    this.#data.release(this.#highest)
    this.#readable = this.#highest
    this.#received.clear()
    return consumed
  }

  /** Bytes in order, at most `maxBytes`; `undefined` when there are none. */
  read(maxBytes: number): Uint8Array | undefined {
    const length = Math.min(this.readableBytes, maxBytes)
    if (length <= 0 || this.#isReset) return undefined
    const bytes = Buffer.allocUnsafe(length)
    this.#data.read(this.#data.start, bytes, 0, length)
    this.#data.release(this.#data.start + length)
    if (this.readableBytes === 0) this.#isToldReadable = false
    return bytes
  }

  // RFC 9000 §4.5: the final size never changes, and nothing lies beyond it.
  #checkSize(reached: number, isEnd: boolean): Violation | undefined {
    const { limit } = this.window
    if (reached > limit) return violation('flowControl', 'more than the stream window allows')
    const known = this.#finalSize
    const contradicts = known !== undefined && (reached > known || (isEnd && reached !== known))
    if (contradicts || (isEnd && reached < this.#highest)) {
      return violation('finalSize', 'the final size of a stream changed')
    }
    return undefined
  }

  #store(offset: number, bytes: Uint8Array, start: number, end: number): void {
    this.#data.write(offset, bytes, start, end)
    const reached = offset + (end - start)
    if (offset === this.#readable && this.#received.isEmpty) {
      this.#readable = reached
      return
    }
    this.#received.add(offset, reached)
    if (this.#received.min > this.#readable) return
    this.#readable = this.#received.endAt(0)
    this.#received.dropFirst()
  }
}
