/**
 * Messages over one TLS stream: frames in, frames out, and the limits that make a hostile or dead client harm only
 * itself. It reads nothing into the messages; `session.ts` does.
 */
import { after, earliest, type Instant } from '../core/instant.ts'
import type { SecureStream } from '../io/byte-stream.ts'
import { encodeServerMessage } from '../protocol/server/encode.ts'
import type { ServerMessage } from '../protocol/server/messages.ts'
import {
  encodeFrame,
  FrameDecoder,
  MAX_FRAME_BEFORE_LOGIN_BYTES,
  MAX_FRAME_BYTES,
} from '../tcp/frame.ts'
import type { Outside } from './outside.ts'

/** A frame that has begun must end: nobody holds our memory by sending a byte now and then. */
export const FRAME_WITHIN_MS = 20_000

/** What may wait for a client to read it. Long lists leave page by page, so more than this means a dead reader. */
export const MAX_OUTPUT_BYTES = 256 * 1024

/** Above this the next page of a list waits. Far above a socket's own high-water mark, so that it will tell us. */
const PAGE_ABOVE_BYTES = 64 * 1024

/** A client that has not taken anything for so long, though something waits, is cut. */
export const STALLED_WITHIN_MS = 30_000

/** Messages that may wait for an earlier one, and their bytes; then the stream is paused, and TCP holds the sender. */
const MOST_WAITING = 16
const MOST_WAITING_BYTES = MAX_FRAME_BYTES

export interface MessageStreamHandlers {
  /**
   * Messages of a session are handled in order: as long as a promise that this returned is pending, the next one waits.
   * The frame is lent for the call. Nothing has looked into it yet, for to decode it is work, and the session says
   * when its client is due for that.
   */
  readonly onMessage: (frame: Uint8Array) => Promise<void> | undefined
  /** Bytes came: the client is alive. */
  readonly onHeard: (now: Instant) => void
  /** The stream cannot be understood any more. */
  readonly onSpoilt: (why: string) => void
  readonly onClosed: (why: string) => void
  /** `deadline` has changed. */
  readonly onDeadline: () => void
}

/** How much had left when we looked last, and when we look again. */
interface OutputMark {
  readonly leftBytes: number
  readonly lookAt: Instant
}

export class MessageStream {
  readonly #stream: SecureStream
  readonly #outside: Outside
  readonly #handlers: MessageStreamHandlers
  readonly #frames = new FrameDecoder(MAX_FRAME_BEFORE_LOGIN_BYTES)
  // ≤ MOST_WAITING and MOST_WAITING_BYTES, and what one chunk from the socket held beyond them
  readonly #inbox: Uint8Array[] = []
  readonly #drainWaits: (() => void)[] = [] // ≤ 1: whoever sends a long list
  #isHandling = false
  #isPaused = false
  #isClosed = false
  #frameDueAt: Instant | undefined
  #sentBytes = 0
  #output: OutputMark | undefined // while something waits to leave

  constructor(stream: SecureStream, outside: Outside, handlers: MessageStreamHandlers) {
    this.#stream = stream
    this.#outside = outside
    this.#handlers = handlers
  }

  /** Begins to read. */
  start(): void {
    this.#stream.onDrain(() => this.#handleDrain())
    this.#stream.onClose((why) => this.#handleClose(why))
    this.#stream.onBytes((bytes) => this.#handleBytes(bytes))
  }

  get deadline(): Instant | undefined {
    return earliest(this.#frameDueAt, this.#output?.lookAt)
  }

  /** Cuts a client that owes the rest of a frame, or does not read. */
  handleTimeout(now: Instant): void {
    if (this.#frameDueAt !== undefined && this.#frameDueAt <= now) this.cut('unfinished frame')
    else if (this.#output !== undefined && this.#output.lookAt <= now) this.#lookAtOutput(now)
  }

  raiseFrameLimit(): void {
    this.#frames.limitBytes = MAX_FRAME_BYTES
  }

  send(message: ServerMessage): void {
    if (!this.#isClosed) this.sendFrame(encodeFrame(encodeServerMessage(message)))
  }

  sendFrame(frame: Uint8Array): void {
    if (this.#isClosed) return
    if (this.#stream.queuedBytes + frame.length > MAX_OUTPUT_BYTES) {
      this.cut('does not read')
      return
    }
    this.#stream.write(frame)
    this.#sentBytes += frame.length
    if (this.#output !== undefined || this.#stream.queuedBytes === 0) return
    this.#output = this.#markOutput(this.#outside.clock.now())
    this.#handlers.onDeadline()
  }

  /** Resolves when the next page of a list may be sent, or the stream has closed. */
  async mayPage(): Promise<void> {
    if (this.#isClosed || this.#stream.queuedBytes <= PAGE_ABOVE_BYTES) return
    await new Promise<void>((resolve) => this.#drainWaits.push(resolve))
  }

  /** Lets what was sent leave, then closes. Nothing more is read. */
  close(): void {
    if (this.#isClosed) return
    this.#isClosed = true
    this.#inbox.length = 0
    this.#stream.close()
  }

  /** Closes at once. */
  cut(why: string): void {
    if (this.#isClosed) return
    this.#handleClose(why)
    this.#stream.destroy()
  }

  #handleBytes(bytes: Uint8Array): void {
    if (this.#isClosed) return
    const now = this.#outside.clock.now()
    this.#handlers.onHeard(now)
    const wasMidFrame = this.#frames.isMidFrame
    const frames = this.#frames.push(bytes)
    if (!frames.ok) {
      this.#handlers.onSpoilt(frames.why)
      return
    }
    this.#expectRest(now, wasMidFrame && frames.value.length === 0)
    for (const frame of frames.value) this.#take(frame)
    if (this.#isInboxFull() && !this.#isPaused) {
      this.#isPaused = true
      this.#stream.pause()
    }
  }

  #expectRest(now: Instant, isSameFrame: boolean): void {
    const before = this.#frameDueAt
    if (!this.#frames.isMidFrame) this.#frameDueAt = undefined
    else if (!isSameFrame) this.#frameDueAt = after(now, FRAME_WITHIN_MS)
    if (this.#frameDueAt !== before) this.#handlers.onDeadline()
  }

  #take(frame: Uint8Array): void {
    if (this.#isClosed) return
    if (this.#isHandling) {
      this.#inbox.push(Uint8Array.from(frame)) // what came is a view
      return
    }
    this.#isHandling = true
    const handled = this.#handlers.onMessage(frame)
    if (handled === undefined && this.#inbox.length === 0) this.#isHandling = false
    else void this.#handleInbox(handled) // never rejects: the session catches what its messages throw
  }

  #isInboxFull(): boolean {
    if (this.#inbox.length === 0) return false
    const waitingBytes = this.#inbox.reduce((sum, frame) => sum + frame.length, 0)
    return this.#inbox.length > MOST_WAITING || waitingBytes > MOST_WAITING_BYTES
  }

  async #handleInbox(first: Promise<void> | undefined): Promise<void> {
    await first
    for (let next = this.#inbox.shift(); next !== undefined; next = this.#inbox.shift()) {
      await this.#handlers.onMessage(next)
    }
    this.#isHandling = false
    if (this.#isPaused && !this.#isClosed) {
      this.#isPaused = false
      this.#stream.resume()
    }
  }

  // Not every emptying of the queue is told, so progress is measured: by what has left, not by what is left.
  #lookAtOutput(now: Instant): void {
    const mark = this.#markOutput(now)
    if (this.#stream.queuedBytes === 0) this.#output = undefined
    else if (mark.leftBytes === this.#output?.leftBytes) this.cut('does not read')
    else this.#output = mark
  }

  #markOutput(now: Instant): OutputMark {
    const leftBytes = this.#sentBytes - this.#stream.queuedBytes
    return { leftBytes, lookAt: after(now, STALLED_WITHIN_MS) }
  }

  #handleDrain(): void {
    this.#output = undefined
    for (const resolve of this.#drainWaits.splice(0)) resolve()
  }

  #handleClose(why: string): void {
    const wasClosed = this.#isClosed
    this.#isClosed = true
    this.#inbox.length = 0
    this.#frameDueAt = undefined
    this.#output = undefined
    for (const resolve of this.#drainWaits.splice(0)) resolve()
    if (!wasClosed) this.#handlers.onClosed(why)
  }
}
