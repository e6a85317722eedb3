/**
 * Gathers datagrams to whichever receivers and sends up to 64 of them in one call (sendmmsg(2)). What the system does not
 * take, because a buffer is full or it knows no way, is lost: as it is on any line.
 */
import type { Endpoint } from '../core/endpoint.ts'
import type { Libc } from './libc.ts'
import { MessageVector } from './message-vector.ts'
import { sockaddrOf } from './sockaddr.ts'

export class ManySender {
  readonly #libc: Libc
  readonly #fd: number
  readonly #vector: MessageVector
  readonly #sockaddrs = new WeakMap<Endpoint, Uint8Array>()
  #count = 0

  constructor(libc: Libc, fd: number) {
    this.#libc = libc
    this.#fd = fd
    this.#vector = new MessageVector(libc)
  }

  get isEmpty(): boolean {
    return this.#count === 0
  }

  /** Copies the datagram. False when it is too long to go with others. */
  add(to: Endpoint, bytes: Uint8Array): boolean {
    if (bytes.length > this.#vector.slotBytes) return false
    this.#vector.put(this.#count, this.#sockaddrOf(to), bytes)
    this.#count += 1
    if (this.#count === this.#vector.length) this.flush()
    return true
  }

  /** Sends what has been gathered. */
  flush(): void {
    const { headers } = this.#vector
    const count = this.#count
    this.#count = 0
    for (let from = 0; from < count;) {
      // The system stops at the first that it does not take, and says why only when that comes first.
      const sent = this.#libc.sendMany(this.#fd, headers, from, count - from)
      from += Math.max(1, sent)
    }
  }

  #sockaddrOf(to: Endpoint): Uint8Array {
    let sockaddr = this.#sockaddrs.get(to)
    if (sockaddr === undefined) {
      sockaddr = sockaddrOf(to)
      this.#sockaddrs.set(to, sockaddr)
    }
    return sockaddr
  }
}
