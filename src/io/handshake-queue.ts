/**
 * Connections that have been accepted, before their TLS handshake. All of a community comes back within a second when a
 * server was restarted; were all handshakes begun at once, each would take as long as all of them together, most would be
 * given up by clients that have waited long enough, and that work would be for nothing. So a few are begun in each turn of
 * the event loop, which also serves everybody who is further, and no more are under way than get done soon: what is begun
 * is finished, and those who are logged in hardly notice.
 *
 * Networks take turns, and in each the newest goes first (`Lines`). Waiting costs a socket that is not read. So a server
 * that starts can listen before it is ready: who comes waits in the queue, instead of being refused and coming again at a
 * time that only chance knows.
 */
import type { Socket } from 'node:net'
import type { Clock } from '../core/clock.ts'
import { after, type Instant } from '../core/instant.ts'
import { Lines } from '../core/lines.ts'
import { Alarm } from './alarm.ts'
import { systemClock } from './system-clock.ts'

/** Each is one to two milliseconds of work, spread over several turns. */
const MOST_A_TURN = 4

/** Under way at once: with 300 ms to a client and back, as on mobile networks, it is 430 a second, what a core can do. */
const MOST_UNDER_WAY = 128

/** …and of one network, below the number of handshakes where its oldest is cut: an office comes back without losing any. */
const MOST_UNDER_WAY_PER_NETWORK = 24

/** Who has said nothing by then is far away, or only holds a place: it goes on, and keeps nobody else out. */
const SILENCE_MS = 200

/** The same of those who have spoken: a client that is as busy as we are. */
const PATIENCE_MS = 1_000

/** Some 5 KiB each. The most of one network are the daemons of a large office. */
const WAITING_LIMITS = { most: 8_192, mostPerNetwork: 1_024 }

/** A daemon has gone by then. While a socket is not read, nothing tells so; a handshake with it would be for nothing. */
const MOST_WAIT_MS = 30_000

interface Waiting {
  readonly socket: Socket
  readonly since: Instant
}

interface UnderWay {
  readonly begunAt: Instant
  readonly network: string | undefined
}

export interface HandshakeQueueOptions {
  /** Held, all wait until `admit` is called. */
  readonly isHeld?: boolean
  readonly clock?: Clock
}

export class HandshakeQueue {
  readonly #begin: (socket: Socket) => void
  readonly #clock: Clock
  readonly #waiting = new Lines<Waiting>(WAITING_LIMITS)
  /** Who has taken too long counts no more. */
  readonly #underWay = new Map<Socket, UnderWay>() // ≤ MOST_UNDER_WAY
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

  /** `socket` is paused. Where too many wait, one that has waited longest is closed. */
  add(socket: Socket, network: string | undefined): void {
    this.#waiting.add({ socket, since: this.#clock.now() }, network)?.socket.destroy()
    this.#schedule()
  }

  /** The handshake of a connection that was begun is done, or has failed. */
  ended(socket: Socket): void {
    if (this.#underWay.delete(socket)) this.#schedule()
  }

  /** Nobody who waits gets in any more. */
  close(): void {
    this.#patience.clear()
    for (const { socket } of this.#waiting.takeAll()) socket.destroy()
  }

  #schedule(): void {
    if (this.#isScheduled || this.#isHeld || this.#waiting.size === 0) return
    this.#isScheduled = true
    setImmediate(() => {
      this.#isScheduled = false
      const now = this.#clock.now()
      if (this.#beginSome(now)) this.#schedule()
      else if (this.#waiting.size > 0) this.#patience.set(after(now, SILENCE_MS))
    })
  }

  /** Whether as many were begun as a turn allows, so that more may follow at once. */
  #beginSome(now: Instant): boolean {
    const counts = this.#countUnderWay(now)
    const countOf = (network: string | undefined): number => counts.get(network) ?? 0
    const maySend = (network: string | undefined): boolean =>
      network === undefined || countOf(network) < MOST_UNDER_WAY_PER_NETWORK
    for (let begun = 0; begun < MOST_A_TURN; begun++) {
      if (this.#underWay.size >= MOST_UNDER_WAY) return false
      const next = this.#waiting.next(maySend)
      if (next === undefined) return false
      const { item, network } = next
      if (now - item.since >= MOST_WAIT_MS) item.socket.destroy()
      if (item.socket.destroyed) continue
      counts.set(network, countOf(network) + 1)
      this.#underWay.set(item.socket, { begunAt: now, network })
      this.#begin(item.socket)
    }
    return true
  }

  /** By network, without those who have taken too long. */
  #countUnderWay(now: Instant): Map<string | undefined, number> {
    const counts = new Map<string | undefined, number>()
    for (const [socket, { begunAt, network }] of this.#underWay) {
      const isSilent = socket.bytesRead === 0
      if (now - begunAt >= (isSilent ? SILENCE_MS : PATIENCE_MS)) this.#underWay.delete(socket)
      else counts.set(network, (counts.get(network) ?? 0) + 1)
    }
    return counts
  }
}
