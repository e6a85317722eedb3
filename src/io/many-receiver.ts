/** Takes up to 64 datagrams, of whichever senders, out of a socket in one call (recvmmsg(2)). */
import type { Endpoint } from '../core/endpoint.ts'
import type { Libc } from './libc.ts'
import { MessageVector } from './message-vector.ts'

/** Senders whose address has been read; all are forgotten when there are more, and read again. */
const MOST_SENDERS = 1_024

export class ManyReceiver {
  readonly #libc: Libc
  readonly #fd: number
  readonly #vector: MessageVector
  readonly #senders = new Map<string, Endpoint>() // ≤ MOST_SENDERS

  constructor(libc: Libc, fd: number) {
    this.#libc = libc
    this.#fd = fd
    this.#vector = new MessageVector(libc)
  }

  /** Hands on what waits, up to 64. True when there may be more. */
  receive(take: (from: Endpoint, bytes: Uint8Array) => void): boolean {
    const vector = this.#vector
    const count = this.#libc.receiveMany(this.#fd, vector.headers, vector.length)
    for (let index = 0; index < count; index++) {
      const bytes = vector.received(index)
      const from = this.#sender(index)
      vector.makeRoom(index)
      if (bytes !== undefined && from !== undefined) take(from, bytes)
    }
    return count === vector.length
  }

  #sender(index: number): Endpoint | undefined {
    const key = this.#vector.senderKey(index)
    const known = this.#senders.get(key)
    if (known !== undefined) return known
    const sender = this.#vector.sender(index)
    if (sender === undefined) return undefined
    if (this.#senders.size >= MOST_SENDERS) this.#senders.clear()
    this.#senders.set(key, sender)
    return sender
  }
}
