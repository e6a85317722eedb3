/**
 * Datagrams over a TLS stream, as frames (`tcp/frame.ts`): a socket whose only other end is the stream's. Like a UDP
 * socket it never makes its user wait and loses what does not fit: a reader that is too slow loses the oldest of what
 * waits for it, and nobody but it notices.
 */
import type { Clock } from '../core/clock.ts'
import type { DatagramHandler, DatagramSocket } from '../core/datagram-socket.ts'
import type { Endpoint } from '../core/endpoint.ts'
import type { Instant } from '../core/instant.ts'
import { encodeFrame, FrameDecoder } from '../tcp/frame.ts'
import type { SecureStream } from './byte-stream.ts'

/** Beyond what the stream itself holds (16 KiB in Node 20): older ones are of no use to anybody who waits for them. */
export const MAX_WAITING_DATAGRAMS = 32

export interface DatagramStreamOptions {
  readonly stream: SecureStream
  readonly clock: Clock
  readonly maxBytes: number
  /** What the other end may send; anything else closes the stream, for then it speaks another protocol. */
  readonly isWanted: (datagram: Uint8Array) => boolean
  /** Called once, whoever closed it. */
  readonly onClose: (why: string) => void
}

export class DatagramStream implements DatagramSocket {
  readonly local: Endpoint
  readonly remote: Endpoint
  readonly #options: DatagramStreamOptions
  readonly #frames: FrameDecoder
  readonly #waiting: Uint8Array[] = [] // ≤ MAX_WAITING_DATAGRAMS, oldest dropped
  #handler: DatagramHandler = () => undefined
  #frameBegunAt: Instant | undefined
  #dropped = 0
  #isListening = false
  #isClosed = false

  /** Begins to read when a handler is set. */
  constructor(options: DatagramStreamOptions) {
    this.#options = options
    const { stream, maxBytes } = options
    this.local = stream.channel.local
    this.remote = stream.channel.remote
    this.#frames = new FrameDecoder(maxBytes)
    stream.onDrain(() => this.#handleDrain())
    stream.onClose((why) => this.#handleClose(why))
  }

  /** Since when its other end owes the rest of a frame. */
  get frameBegunAt(): Instant | undefined {
    return this.#frameBegunAt
  }

  /** Lost because the other end did not read. */
  get dropped(): number {
    return this.#dropped
  }

  /** There is one other end: `to` is it, under whichever address. */
  send(_to: Endpoint, bytes: Uint8Array): void {
    const { stream, maxBytes } = this.#options
    if (this.#isClosed || bytes.length === 0 || bytes.length > maxBytes) return
    if (!stream.isFull) {
      stream.write(encodeFrame(bytes))
      return
    }
    this.#waiting.push(Uint8Array.from(bytes))
    if (this.#waiting.length <= MAX_WAITING_DATAGRAMS) return
    this.#waiting.shift()
    this.#dropped += 1
  }

  onDatagram(handler: DatagramHandler): void {
    const isFirst = !this.#isListening
    this.#isListening = true
    this.#handler = handler
    if (isFirst) this.#options.stream.onBytes((bytes) => this.#handleBytes(bytes))
  }

  /** TCP cuts as it likes: nothing that is sent here is fragmented. */
  setDontFragment(): boolean {
    return false
  }

  close(): Promise<void> {
    if (!this.#isClosed) this.#options.stream.close()
    return Promise.resolve()
  }

  /** Closes at once. */
  cut(why: string): void {
    if (this.#isClosed) return
    this.#handleClose(why)
    this.#options.stream.destroy()
  }

  #handleBytes(bytes: Uint8Array): void {
    if (this.#isClosed) return
    const frames = this.#frames.push(bytes)
    if (!frames.ok) {
      this.cut(frames.why)
      return
    }
    if (!this.#frames.isMidFrame) this.#frameBegunAt = undefined
    else if (this.#frameBegunAt === undefined || frames.value.length > 0) {
      this.#frameBegunAt = this.#options.clock.now()
    }
    for (const datagram of frames.value) {
      if (!this.#take(datagram)) return
    }
  }

  /** False when the stream has ended with it. */
  #take(datagram: Uint8Array): boolean {
    if (this.#options.isWanted(datagram)) this.#handler(this.remote, datagram)
    else this.cut('not what is spoken here')
    return !this.#isClosed
  }

  #handleDrain(): void {
    const { stream } = this.#options
    while (this.#waiting.length > 0 && !stream.isFull) {
      const next = this.#waiting.shift()
      if (next !== undefined) stream.write(encodeFrame(next))
    }
  }

  #handleClose(why: string): void {
    if (this.#isClosed) return
    this.#isClosed = true
    this.#waiting.length = 0
    this.#options.onClose(why)
  }
}
