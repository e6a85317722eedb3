import type { Endpoint } from '../../../src/core/endpoint.ts'
import type { SecureChannel } from '../../../src/core/machine.ts'
import type { SecureStream } from '../../../src/io/byte-stream.ts'

/** As a socket of Node 20 has. */
const HIGH_WATER_BYTES = 16 * 1024

/** The server's end of a stream that never leaves memory; `MemoryStream.client` is the other end. */
export class MemoryStream implements SecureStream {
  readonly channel: SecureChannel
  readonly client: ClientEnd
  closedBecause: string | undefined
  readonly #unread: Uint8Array[] = [] // what the client has not taken
  #waiting: Uint8Array[] = [] // what the server has not taken
  #isPaused = true
  #onBytes: (bytes: Uint8Array) => void = () => undefined
  #onClose: (why: string) => void = () => undefined
  #onDrain: () => void = () => undefined

  constructor(channel: { exporter: Uint8Array; local: Endpoint; remote: Endpoint }) {
    this.channel = { ...channel, isResumed: false }
    this.client = new ClientEnd(this)
  }

  get isPaused(): boolean {
    return this.#isPaused
  }

  get queuedBytes(): number {
    return this.#unread.reduce((sum, bytes) => sum + bytes.length, 0)
  }

  get isFull(): boolean {
    return this.queuedBytes >= HIGH_WATER_BYTES
  }

  write(bytes: Uint8Array): void {
    if (this.closedBecause !== undefined) return
    this.#unread.push(bytes)
    if (this.client.isReading) this.flush()
  }

  onBytes(handler: (bytes: Uint8Array) => void): void {
    this.#onBytes = handler
    this.resume()
  }

  onClose(handler: (why: string) => void): void {
    this.#onClose = handler
  }

  onDrain(handler: () => void): void {
    this.#onDrain = handler
  }

  onEnd(): void {
    // The sessions under test do not ask for it.
  }

  pause(): void {
    this.#isPaused = true
  }

  resume(): void {
    this.#isPaused = false
    for (const bytes of this.#waiting.splice(0)) this.deliver(bytes)
  }

  close(): void {
    this.flush()
    this.#end('closed here')
  }

  destroy(): void {
    this.#unread.length = 0
    this.#end('closed here')
  }

  /** The client takes what waits for it. */
  flush(): void {
    const unread = this.#unread.splice(0)
    for (const bytes of unread) this.client.receive(bytes)
    if (unread.length > 0) this.#onDrain()
  }

  deliver(bytes: Uint8Array): void {
    if (this.closedBecause !== undefined) return
    if (this.#isPaused) this.#waiting.push(bytes)
    else this.#onBytes(bytes)
  }

  #end(why: string): void {
    if (this.closedBecause !== undefined) return
    this.closedBecause = why
    this.#onClose(why)
  }

  hangUp(): void {
    this.#end('closed by the other end')
  }
}

export class ClientEnd {
  readonly #stream: MemoryStream
  onBytes: (bytes: Uint8Array) => void = () => undefined
  isReading = true

  constructor(stream: MemoryStream) {
    this.#stream = stream
  }

  send(bytes: Uint8Array): void {
    this.#stream.deliver(bytes)
  }

  receive(bytes: Uint8Array): void {
    this.onBytes(bytes)
  }

  stopReading(): void {
    this.isReading = false
  }

  readOn(): void {
    this.isReading = true
    this.#stream.flush()
  }

  hangUp(): void {
    this.#stream.hangUp()
  }

  get waitingBytes(): number {
    return this.#stream.queuedBytes
  }

  get isClosed(): boolean {
    return this.#stream.closedBecause !== undefined
  }
}
