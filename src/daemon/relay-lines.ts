/**
 * Makes the TLS streams to relays that the endpoint asks for, and puts them beside its UDP sockets. What becomes of one
 * is told to the endpoint, which decides what next.
 */
import type { Clock } from '../core/clock.ts'
import { datagramKind } from '../core/datagram-kind.ts'
import type { Logger } from '../core/logger.ts'
import type { SocketId } from '../core/machine.ts'
import { relayStreamProof } from '../crypto/device-statement.ts'
import type { SecureStream } from '../io/byte-stream.ts'
import { DatagramStream } from '../io/datagram-stream.ts'
import { MAX_RELAY_FRAME_BYTES } from '../protocol/relay/frames.ts'
import type { RelayStreamsEvent } from '../traversal/relay-streams.ts'

export interface RelayLinesOptions {
  readonly clock: Clock
  readonly logger: Logger
  /** A TLS stream (ALPN `holler-relay/1`) to the relay of that id. */
  readonly connect: (relayId: Uint8Array) => Promise<SecureStream>
  readonly onOpened: (socket: SocketId, stream: DatagramStream, proof: Uint8Array) => void
  readonly onClosed: (socket: SocketId) => void
}

export class RelayLines {
  readonly #options: RelayLinesOptions
  readonly #wanted = new Map<SocketId, DatagramStream | 'opening'>() // ≤ the endpoint's relays, and no stranger adds one

  constructor(options: RelayLinesOptions) {
    this.#options = options
  }

  handle(event: RelayStreamsEvent): void {
    if (event.kind === 'relay-stream-wanted') {
      void this.#open(event.relayId, event.socket) // never rejects: every outcome is told
    } else {
      this.#close(event.socket)
    }
  }

  close(): void {
    for (const socket of [...this.#wanted.keys()]) this.#close(socket)
  }

  async #open(relayId: Uint8Array, socket: SocketId): Promise<void> {
    const { logger, connect } = this.#options
    this.#wanted.set(socket, 'opening')
    try {
      const stream = await connect(relayId)
      if (this.#wanted.get(socket) === 'opening') this.#adopt(socket, stream)
      else stream.destroy()
    } catch (error) {
      logger.debug('No TLS stream to the relay', { error: String(error) })
      this.#handleClosed(socket)
    }
  }

  #adopt(socket: SocketId, stream: SecureStream): void {
    const line = new DatagramStream({
      stream,
      clock: this.#options.clock,
      maxBytes: MAX_RELAY_FRAME_BYTES,
      isWanted: (datagram) => datagramKind(datagram) === 'relay',
      onClose: () => this.#handleClosed(socket),
    })
    this.#wanted.set(socket, line)
    this.#options.onOpened(socket, line, relayStreamProof(stream.channel.exporter))
  }

  #close(socket: SocketId): void {
    const line = this.#wanted.get(socket)
    this.#wanted.delete(socket)
    if (line !== undefined && line !== 'opening') line.cut('not needed any more')
    this.#options.onClosed(socket)
  }

  #handleClosed(socket: SocketId): void {
    if (this.#wanted.delete(socket)) this.#options.onClosed(socket)
  }
}
