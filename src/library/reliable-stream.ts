/**
 * A stream of a connection as a Node `Duplex`. Nothing is read from the connection before somebody reads here, and no
 * write is done before the connection took it: back-pressure goes through, both ways. `end()` ends our half alone;
 * `destroy()` gives both halves up and tells the peer.
 */
import { Duplex } from 'node:stream'
import type { Instant } from '../core/instant.ts'
import type { Connection } from '../reliable-udp/connection.ts'
import type { StreamEvent } from '../reliable-udp/streams/stream-event.ts'
import {
  isUnidirectional,
  priorityOf,
  type StreamId,
  type StreamPriority,
} from '../reliable-udp/streams/stream-id.ts'
import { StreamResetError } from './errors.ts'

/** Large enough to be cheap, small enough not to be all of a reader's buffer. */
const READ_BYTES = 64 * 1024

/** Gives the connection a command, and has everything sent that follows from it. */
export type Command = <R>(command: (now: Instant, connection: Connection) => R) => R

interface PendingWrite {
  readonly bytes: Uint8Array
  readonly done: (error?: Error | null) => void
}

function halvesOf(id: StreamId, isOurs: boolean): { readable: boolean; writable: boolean } {
  const isOneWay = isUnidirectional(id)
  return { readable: !isOneWay || !isOurs, writable: !isOneWay || isOurs }
}

export class ReliableStream extends Duplex {
  readonly id: StreamId
  readonly priority: StreamPriority
  readonly #command: Command
  #isReading = false
  #isTaking = false
  #hasFinished = false
  #pending: PendingWrite | undefined
  #timeoutMs = 0
  #timer: NodeJS.Timeout | undefined

  /** Made by `openStream` and the event `stream`. */
  constructor(id: StreamId, isOurs: boolean, command: Command) {
    super({ ...halvesOf(id, isOurs), allowHalfOpen: true })
    this.id = id
    this.priority = priorityOf(id)
    this.#command = command
  }

  /** `timeout` is emitted when nothing came or went for so long, as `net.Socket` does it; 0 ends that. */
  setTimeout(timeoutMs: number, listener?: () => void): this {
    this.#timeoutMs = timeoutMs
    if (listener !== undefined) this.once('timeout', listener)
    this.#noteActivity()
    return this
  }

  override _read(): void {
    this.#isReading = true
    this.#pull()
  }

  override _write(
    chunk: Buffer,
    _encoding: BufferEncoding,
    done: (error?: Error | null) => void,
  ): void {
    this.#pending = { bytes: chunk, done }
    this.#flush()
  }

  override _writev(
    chunks: { chunk: Buffer; encoding: BufferEncoding }[],
    done: (error?: Error | null) => void,
  ): void {
    this.#pending = { bytes: Buffer.concat(chunks.map(({ chunk }) => chunk)), done }
    this.#flush()
  }

  override _final(done: (error?: Error | null) => void): void {
    this.#command((now, connection) => connection.finish(now, this.id))
    done()
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    clearTimeout(this.#timer)
    this.#pending = undefined
    const code = error instanceof StreamResetError ? error.applicationCode : 0
    this.#command((now, connection) => {
      if (!this.writableFinished) connection.resetStream(now, this.id, code)
      if (!this.readableEnded) connection.stopReading(now, this.id, code)
    })
    done(error)
  }

  /** What the connection tells of this stream. */
  handle(event: StreamEvent): void {
    switch (event.kind) {
      case 'stream-opened':
        return
      case 'stream-readable':
        this.#pull()
        return
      case 'stream-writable':
        this.#flush()
        return
      case 'stream-finished':
        this.#hasFinished = true
        if (!this.#isTaking) this.push(null)
        return
      case 'stream-reset':
        this.destroy(new StreamResetError(event.code, 'The peer gave the stream up'))
        return
      case 'stream-stopped':
        this.destroy(new StreamResetError(event.code, 'The peer reads no more of the stream'))
        return
    }
  }

  // A command is followed by what it leads to: that more can be read, or that these bytes were the last, is told before
  // we have them in our hands, and must not go before them.
  #pull(): void {
    while (this.#isReading && !this.#isTaking && !this.destroyed) {
      this.#isTaking = true
      const bytes = this.#command((now, connection) => connection.read(now, this.id, READ_BYTES))
      this.#isTaking = false
      if (bytes === undefined) return
      this.#noteActivity()
      const isLast = this.#hasFinished
      this.#isReading = this.push(bytes) && !isLast
      if (isLast) this.push(null)
    }
  }

  #flush(): void {
    const pending = this.#pending
    if (pending === undefined) return
    const { bytes, done } = pending
    const taken = this.#command((now, connection) => connection.write(now, this.id, bytes))
    if (taken > 0) this.#noteActivity()
    const isWhole = taken === bytes.length
    this.#pending = isWhole ? undefined : { bytes: bytes.subarray(taken), done }
    if (isWhole) done()
  }

  #noteActivity(): void {
    clearTimeout(this.#timer)
    if (this.#timeoutMs === 0 || this.destroyed) return
    this.#timer = setTimeout(() => this.emit('timeout'), this.#timeoutMs)
  }
}
