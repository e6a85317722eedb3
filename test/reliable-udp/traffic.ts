/** Streams with known contents, written with regard to back-pressure and checked byte by byte where they arrive. */
import { strict as assert } from 'node:assert'
import type { ConnectionEvent } from '../../src/reliable-udp/connection-event.ts'
import type { StreamId, StreamPriority } from '../../src/reliable-udp/streams/stream-id.ts'
import type { Pair, Side } from './pair.ts'

/** A byte that tells streams and offsets apart. */
export function byteAt(stream: number, offset: number): number {
  return (offset * 31 + (offset >> 8) * 7 + stream * 13) & 0xff
}

export function contents(stream: number, from: number, length: number): Uint8Array {
  const bytes = new Uint8Array(length)
  for (let i = 0; i < length; i++) bytes[i] = byteAt(stream, from + i)
  return bytes
}

interface Outgoing {
  readonly stream: StreamId
  readonly size: number
  written: number
}

interface Incoming {
  received: number
  isFinished: boolean
}

/** One side's application. */
export class Traffic {
  readonly outgoing = new Map<StreamId, Outgoing>()
  readonly incoming = new Map<StreamId, Incoming>()
  readonly #pair: Pair
  readonly #side: Side
  /** At most this much in one `read`. */
  readonly #readBytes: number

  constructor(pair: Pair, side: Side, readBytes = Infinity) {
    this.#pair = pair
    this.#side = side
    this.#readBytes = readBytes
    side.onEvent = (event) => this.#handle(event)
  }

  get finishedCount(): number {
    return [...this.incoming.values()].filter((incoming) => incoming.isFinished).length
  }

  get receivedBytes(): number {
    let sum = 0
    for (const { received } of this.incoming.values()) sum += received
    return sum
  }

  /** Opens a stream and sends `size` bytes of its contents, then ends it. */
  send(priority: StreamPriority, size: number): StreamId {
    return this.#pair.change(this.#side, (now, connection) => {
      const stream = connection.openStream(now, { priority, direction: 'unidirectional' })
      this.outgoing.set(stream, { stream, size, written: 0 })
      this.#write(stream)
      return stream
    })
  }

  #handle(event: ConnectionEvent): void {
    switch (event.kind) {
      case 'stream-opened':
        assert.ok(!this.incoming.has(event.stream), 'a stream is opened once')
        this.incoming.set(event.stream, { received: 0, isFinished: false })
        return
      case 'stream-readable':
        this.#read(event.stream)
        return
      case 'stream-writable':
        this.#write(event.stream)
        return
      case 'stream-finished':
        this.#of(event.stream).isFinished = true
        return
      case 'closed':
      case 'connected':
      case 'datagram':
      case 'local-id':
      case 'local-id-retired':
      case 'path-changed':
      case 'stream-reset':
      case 'stream-stopped':
        return
    }
  }

  #write(stream: StreamId): void {
    const outgoing = this.outgoing.get(stream)
    if (outgoing === undefined) return
    this.#pair.change(this.#side, (now, connection) => {
      while (outgoing.written < outgoing.size) {
        const length = Math.min(16_384, outgoing.size - outgoing.written)
        const taken = connection.write(now, stream, contents(stream, outgoing.written, length))
        outgoing.written += taken
        if (taken < length) return
      }
      connection.finish(now, stream)
    })
  }

  #read(stream: StreamId): void {
    this.#pair.change(this.#side, (now, connection) => {
      for (;;) {
        const bytes = connection.read(now, stream, this.#readBytes)
        if (bytes === undefined) return
        const incoming = this.#of(stream)
        const expected = contents(stream, incoming.received, bytes.length)
        assert.ok(Buffer.compare(bytes, expected) === 0, `stream ${stream} at ${incoming.received}`)
        incoming.received += bytes.length
      }
    })
  }

  #of(stream: StreamId): Incoming {
    const incoming = this.incoming.get(stream)
    assert.ok(incoming !== undefined && !incoming.isFinished, 'opened, and not finished')
    return incoming
  }
}
