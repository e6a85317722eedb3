/** A connection of an endpoint, for programs: streams, datagrams, its path and its end as events and promises. */
import { EventEmitter } from 'node:events'
import { addAbortSignal } from 'node:stream'
import type { Endpoint as Address } from '../core/endpoint.ts'
import type { ConnectionEvent, ConnectionStats } from '../reliable-udp/connection-event.ts'
import type { Connection } from '../reliable-udp/connection.ts'
import type { Path } from '../reliable-udp/path.ts'
import type {
  StreamDirection,
  StreamId,
  StreamPriority,
} from '../reliable-udp/streams/stream-id.ts'
import { type CloseInfo, ConnectionClosedError } from './errors.ts'
import { type Command, ReliableStream } from './reliable-stream.ts'

export interface OpenStreamOptions {
  /** Strict: control before chat before bulk. `bulk` when absent. */
  readonly priority?: StreamPriority
  /** `bidirectional` when absent. */
  readonly direction?: StreamDirection
  /** Destroys the stream, and so tells the peer. */
  readonly signal?: AbortSignal
}

export interface ReliableConnectionEvents {
  /** The peer opened a stream. Without a listener it stays unread, and its sender is held back. */
  stream: [stream: ReliableStream]
  /** Bytes that might have been lost. */
  datagram: [bytes: Uint8Array]
  /** The peer is reached elsewhere now: its NAT forgot it, or it moved. */
  path: [address: Address]
  /** The end: always the last event, and told once. */
  close: [info: CloseInfo]
}

export class ReliableConnection extends EventEmitter<ReliableConnectionEvents> {
  /** Whether the peer knocked at us. */
  readonly isIncoming: boolean
  /** The peer's static key, proven; 32 bytes. */
  readonly remoteStatic: Uint8Array
  /** What the peer's application gave with its handshake. */
  readonly remotePayload: Uint8Array
  /** Resolves with how it ended; never rejects. */
  readonly closed: Promise<CloseInfo>
  readonly #connection: Connection
  readonly #command: Command
  readonly #streams = new Map<StreamId, ReliableStream>() // ≤ the connection's own
  #resolveClosed: (info: CloseInfo) => void = () => undefined
  #info: CloseInfo | undefined

  /** Made by `Endpoint.connect` and the event `connection`. */
  constructor(
    connection: Connection,
    command: Command,
    peer: {
      readonly isIncoming: boolean
      readonly remoteStatic: Uint8Array
      readonly remotePayload: Uint8Array
    },
  ) {
    super()
    this.#connection = connection
    this.#command = command
    this.isIncoming = peer.isIncoming
    this.remoteStatic = peer.remoteStatic
    this.remotePayload = peer.remotePayload
    this.closed = new Promise((resolve) => (this.#resolveClosed = resolve))
  }

  /** Where the peer is reached now. */
  get remote(): Address {
    return this.#connection.path.to
  }

  /** Round trips, losses, bytes: zeros at first. */
  get stats(): ConnectionStats {
    return this.#connection.stats
  }

  /**
   * @throws ConnectionClosedError after the end.
   * @throws HollerError `BUSY` while the peer allows no more streams of this kind (64 are open).
   */
  openStream(options: OpenStreamOptions = {}): ReliableStream {
    if (this.#info !== undefined) throw new ConnectionClosedError(this.#info)
    const { priority = 'bulk', direction = 'bidirectional', signal } = options
    const id = this.#command((now, connection) =>
      connection.openStream(now, { priority, direction }),
    )
    const stream = this.#addStream(id, true)
    if (signal !== undefined) addAbortSignal(signal, stream)
    return stream
  }

  /** At most 1,024 bytes, which may be lost. False when they are too long, or 32 wait already. */
  sendDatagram(bytes: Uint8Array): boolean {
    return this.#command((now, connection) => connection.sendDatagram(now, bytes))
  }

  /** Sends something when nothing else was sent for so long, so that NATs keep the path; `undefined` ends that. */
  keepAlive(intervalMs: number | undefined): void {
    this.#command((_now, connection) => connection.keepAlive(intervalMs))
  }

  /** Packets go there from now on; see `Endpoint.rebind` for our own side of it. */
  migrate(path: Path): void {
    this.#command((now, connection) => connection.migrate(now, path))
  }

  /**
   * Tells the peer, which gets `code` and `reason` (256 bytes of UTF-8 at most). What was written and not delivered is
   * lost: end the streams and wait for them first. Resolves when the peer knows, or was told four times.
   */
  close(code = 0, reason = ''): Promise<CloseInfo> {
    this.#command((now, connection) => connection.close(now, code, reason))
    return this.closed
  }

  /** What the machine tells of this connection. */
  handle(event: ConnectionEvent): void {
    switch (event.kind) {
      case 'connected':
      case 'local-id':
      case 'local-id-retired':
        return
      case 'stream-opened':
        this.emit('stream', this.#addStream(event.stream, false))
        return
      case 'stream-readable':
      case 'stream-writable':
      case 'stream-finished':
      case 'stream-reset':
      case 'stream-stopped':
        this.#streams.get(event.stream)?.handle(event)
        return
      case 'datagram':
        this.emit('datagram', event.bytes)
        return
      case 'path-changed':
        this.emit('path', event.path.to)
        return
      case 'closed':
        this.#end({ reason: event.reason, code: event.code, text: event.text })
        return
    }
  }

  #addStream(id: StreamId, isOurs: boolean): ReliableStream {
    const stream = new ReliableStream(id, isOurs, this.#command)
    this.#streams.set(id, stream)
    stream.once('close', () => this.#streams.delete(id))
    return stream
  }

  // Whoever closed knows it. Else a stream that was not over fails with the connection's end.
  #end(info: CloseInfo): void {
    this.#info = info
    for (const stream of this.#streams.values()) {
      const isOver = !stream.readable && stream.writableFinished
      const isExpected = info.reason === 'local' || isOver
      stream.destroy(isExpected ? undefined : new ConnectionClosedError(info))
    }
    this.#resolveClosed(info)
    this.emit('close', info)
  }
}
