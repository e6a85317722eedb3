/**
 * Connections that have been accepted, before their TLS handshake. All of a community comes back within a second when a
 * server was restarted; were all handshakes begun at once, each would take as long as all of them together, most would be
 * given up by clients that have waited long enough, and that work would be for nothing. So a few are begun in each turn of
 * the event loop, which also serves everybody who is further: what is begun gets done soon, and those who are logged in
 * hardly notice.
 *
 * The newest goes first. Who has waited longest has given up soonest, and whoever only holds a place holds it for nothing.
 * Waiting costs a socket that is not read. So a server that starts can listen before it is ready: who comes waits in the
 * queue, instead of being refused and coming again at a time that only chance knows.
 */
import type { Socket } from 'node:net'

/** Each is one to two milliseconds of work, spread over several turns. */
const MOST_A_TURN = 4

/** As many as the kernel keeps for us; some 5 KiB each. */
const MOST_WAITING = 4_096

export class HandshakeQueue {
  readonly #begin: (socket: Socket) => void
  readonly #waiting: Socket[] = [] // ≤ MOST_WAITING, in the order in which they came
  #isScheduled = false
  #isHeld: boolean

  /**
   * `begin` is called with each connection when it is its turn; not with those that have gone by then. Held, all wait
   * until `admit` is called.
   */
  constructor(begin: (socket: Socket) => void, { isHeld = false } = {}) {
    this.#begin = begin
    this.#isHeld = isHeld
  }

  /** From now on they get in. */
  admit(): void {
    this.#isHeld = false
    this.#schedule()
  }

  /** `socket` is paused. Where too many wait, the one that has waited longest is closed. */
  add(socket: Socket): void {
    this.#waiting.push(socket)
    if (this.#waiting.length > MOST_WAITING) this.#waiting.shift()?.destroy()
    this.#schedule()
  }

  /** Nobody who waits gets in any more. */
  close(): void {
    for (const socket of this.#waiting.splice(0)) socket.destroy()
  }

  #schedule(): void {
    if (this.#isScheduled || this.#isHeld || this.#waiting.length === 0) return
    this.#isScheduled = true
    setImmediate(() => {
      this.#isScheduled = false
      for (const socket of this.#waiting.splice(-MOST_A_TURN).reverse()) {
        if (!socket.destroyed) this.#begin(socket)
      }
      this.#schedule()
    })
  }
}
