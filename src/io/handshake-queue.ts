/**
 * Connections that have been accepted, before their TLS handshake. All of a community comes back within a second when a
 * server was restarted; were all handshakes begun at once, each would take as long as all of them together, most would be
 * given up by clients that have waited long enough, and that work would be for nothing. So a few are begun in each turn of
 * the event loop, which also serves everybody who is further, and no more are under way than get done soon: what is begun
 * is finished, and those who are logged in hardly notice.
 *
 * The newest goes first. Who has waited longest has given up soonest, and whoever only holds a place holds it for nothing.
 * Waiting costs a socket that is not read. So a server that starts can listen before it is ready: who comes waits in the
 * queue, instead of being refused and coming again at a time that only chance knows.
 */
import type { Socket } from 'node:net'
import type { Clock } from '../core/clock.ts'
import { after, type Instant } from '../core/instant.ts'
import { Alarm } from './alarm.ts'
import { systemClock } from './system-clock.ts'

/** Each is one to two milliseconds of work, spread over several turns. */
const MOST_A_TURN = 4

/** Under way at once: with 100 ms to a client and back it is 640 a second, twice what a core can do. */
const MOST_UNDER_WAY = 64

/** Who has said nothing by then is far away, or only holds a place: it goes on, and keeps nobody else out. */
const SILENCE_MS = 200

/** The same of those who have spoken: a client that is as busy as we are. */
const PATIENCE_MS = 1_000

/** Some 5 KiB each. */
const MOST_WAITING = 8_192

/** A daemon has gone by then. While a socket is not read, nothing tells so; a handshake with it would be for nothing. */
const MOST_WAIT_MS = 30_000

interface Waiting {
  readonly socket: Socket
  readonly since: Instant
}

export interface HandshakeQueueOptions {
  /** Held, all wait until `admit` is called. */
  readonly isHeld?: boolean
  readonly clock?: Clock
}

export class HandshakeQueue {
  readonly #begin: (socket: Socket) => void
  readonly #clock: Clock
  readonly #waiting: Waiting[] = [] // ≤ MOST_WAITING, in the order in which they came
  /** When those under way were begun; who has taken too long counts no more. */
  readonly #underWay = new Map<Socket, Instant>() // ≤ MOST_UNDER_WAY
  readonly #patience: Alarm
  #isScheduled = false
  #isHeld: boolean

  /** `begin` is called with each connection when it is its turn; not with those that have gone by then. */
  constructor(begin: (socket: Socket) => void, options: HandshakeQueueOptions = {}) {
    this.#begin = begin
    this.#clock = options.clock ?? systemClock
    this.#isHeld = options.isHeld ?? false
    this.#patience = new Alarm(this.#clock, () => this.#schedule())
  }

  /** From now on they get in. */
  admit(): void {
    this.#isHeld = false
    this.#schedule()
  }

  /** `socket` is paused. Where too many wait, the one that has waited longest is closed. */
  add(socket: Socket): void {
    this.#waiting.push({ socket, since: this.#clock.now() })
    if (this.#waiting.length > MOST_WAITING) this.#waiting.shift()?.socket.destroy()
    this.#schedule()
  }

  /** The handshake of a connection that was begun is done, or has failed. */
  ended(socket: Socket): void {
    if (this.#underWay.delete(socket)) this.#schedule()
  }

  /** Nobody who waits gets in any more. */
  close(): void {
    this.#patience.clear()
    for (const { socket } of this.#waiting.splice(0)) socket.destroy()
  }

  #schedule(): void {
    if (this.#isScheduled || this.#isHeld || this.#waiting.length === 0) return
    this.#isScheduled = true
    setImmediate(() => {
      this.#isScheduled = false
      const now = this.#clock.now()
      this.#beginSome(now)
      if (this.#underWay.size < MOST_UNDER_WAY) this.#schedule()
      else this.#patience.set(after(now, SILENCE_MS))
    })
  }

  #beginSome(now: Instant): void {
    for (const [socket, begunAt] of this.#underWay) {
      const isSilent = socket.bytesRead === 0
      if (now - begunAt >= (isSilent ? SILENCE_MS : PATIENCE_MS)) this.#underWay.delete(socket)
    }
    const room = Math.min(MOST_A_TURN, MOST_UNDER_WAY - this.#underWay.size)
    if (room === 0) return
    for (const { socket, since } of this.#waiting.splice(-room).reverse()) {
      if (now - since >= MOST_WAIT_MS) socket.destroy()
      if (socket.destroyed) continue
      this.#underWay.set(socket, now)
      this.#begin(socket)
    }
  }
}
