import type { Socket } from 'node:net'
import type { SecureChannel } from '../core/machine.ts'
import { atEndOfTurn } from './end-of-turn.ts'

/** An ordered byte stream (Unix socket or TLS): what goes in comes out at the other end, or the stream closes. */
export interface ByteStream {
  /** Leaves at the end of the event loop's turn, with what else was written in it. */
  write(bytes: Uint8Array): void
  /** What was written and has not left yet: the measure for back-pressure. */
  readonly queuedBytes: number
  /** The stream asks to wait; `onDrain` tells when to go on. What is written nevertheless is queued. */
  readonly isFull: boolean
  /** There is one handler of each kind; setting it again replaces it. Bytes that came before are delivered then. */
  onBytes(handler: (bytes: Uint8Array) => void): void
  /** Called exactly once, also when the stream had closed before the handler was set. */
  onClose(handler: (why: string) => void): void
  /** Called when everything written has left, after so much was written that the stream asked to wait. */
  onDrain(handler: () => void): void
  /** The other end has finished writing; answers may still be written. Without a handler the stream closes. */
  onEnd(handler: () => void): void
  /** Stops reading, so that the sender is slowed down; `resume` goes on. */
  pause(): void
  resume(): void
  /** Sends what is queued, then closes. */
  close(): void
  /** Closes at once; what is queued is lost. */
  destroy(): void
}

/** A TLS 1.3 stream with what binds a login to it. */
export interface SecureStream extends ByteStream {
  readonly channel: SecureChannel
}

/** How long a closing stream may take to flush towards a peer that does not read. */
const FLUSH_MS = 5_000

/** Wraps a connected Node socket, which from now on belongs to the stream. */
export function byteStream(socket: Socket): ByteStream {
  return new SocketStream(socket)
}

export function secureStream(socket: Socket, channel: SecureChannel): SecureStream {
  return Object.assign(new SocketStream(socket), { channel })
}

class SocketStream implements ByteStream {
  readonly #socket: Socket
  #why: string | undefined
  #onClose: ((why: string) => void) | undefined
  #onEnd: (() => void) | undefined
  readonly #uncork = (): void => this.#socket.uncork()

  constructor(socket: Socket) {
    this.#socket = socket
    socket.pause()
    socket.on('error', (error: NodeJS.ErrnoException) => {
      this.#why ??= error.code ?? error.message
    })
    socket.on('end', () => this.#handleEnd())
    socket.on('close', () => this.#handleClose())
  }

  get queuedBytes(): number {
    return this.#socket.writableLength
  }

  get isFull(): boolean {
    return this.#socket.writableNeedDrain
  }

  // What is written within a turn of the event loop leaves together: one TLS record, one system call.
  write(bytes: Uint8Array): void {
    if (!this.#socket.writable) return
    if (this.#socket.writableCorked === 0) {
      this.#socket.cork()
      atEndOfTurn(this.#uncork)
    }
    this.#socket.write(bytes)
  }

  onBytes(handler: (bytes: Uint8Array) => void): void {
    this.#socket.removeAllListeners('data')
    this.#socket.on('data', handler)
    this.#socket.resume()
  }

  onClose(handler: (why: string) => void): void {
    this.#onClose = handler
    if (this.#socket.closed) this.#handleClose()
  }

  onDrain(handler: () => void): void {
    this.#socket.removeAllListeners('drain')
    this.#socket.on('drain', handler)
  }

  onEnd(handler: () => void): void {
    this.#onEnd = handler
  }

  pause(): void {
    this.#socket.pause()
  }

  resume(): void {
    this.#socket.resume()
  }

  close(): void {
    if (this.#socket.destroyed) return
    this.#why ??= 'closed here'
    const timer = setTimeout(() => this.#socket.destroy(), FLUSH_MS)
    this.#socket.once('close', () => clearTimeout(timer))
    this.#socket.end(() => this.#socket.destroy())
  }

  destroy(): void {
    this.#why ??= 'closed here'
    this.#socket.destroy()
  }

  #handleEnd(): void {
    this.#why ??= 'closed by the other end'
    if (this.#onEnd === undefined) this.close()
    else this.#onEnd()
  }

  #handleClose(): void {
    const handler = this.#onClose
    this.#onClose = undefined
    handler?.(this.#why ?? 'closed by the other end')
  }
}
