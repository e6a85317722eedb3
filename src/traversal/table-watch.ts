/**
 * Notices that the router's table is full while an attempt fills it: a flow that is new to the router is begun again and
 * again, a STUN request from a socket that has not asked before. Where such flows are lost, or take three times as long as
 * at first, everybody behind that router suffers: the attempt has to stop.
 */
import { after, type Instant } from '../core/instant.ts'
import type { SocketId } from '../core/machine.ts'

const CHECK_EVERY_MS = 400

/** Four sends: at 15 % loss on each of two links both ways, one check in twenty is lost with all of them. */
export const CHECK_SCHEDULE = { sendAtMs: [0, 120, 240, 360], giveUpAtMs: 900 } as const

/** In a row: one in 400 by such chance. */
const LOST_TO_STOP = 2

const SLOWER_BY = 3
/** A round trip that triples from 5 ms to 15 is no sign of anything. */
const NOISE_MS = 60

/** As many checks as fit into the longest attempt. */
export const MAX_CHECKS = 24

export class TableWatch {
  readonly #sockets: readonly SocketId[]
  #used = 0
  #dueAt: Instant
  #firstRttMs: number | undefined
  #bad = 0

  /** `sockets`: each is good for one check. */
  constructor(now: Instant, sockets: readonly SocketId[]) {
    this.#sockets = sockets.slice(0, MAX_CHECKS)
    this.#dueAt = now
  }

  get dueAt(): Instant | undefined {
    return this.#used < this.#sockets.length ? this.#dueAt : undefined
  }

  get isFull(): boolean {
    return this.#bad >= LOST_TO_STOP
  }

  /** The socket of the check that is due. */
  take(now: Instant): SocketId | undefined {
    if (this.dueAt === undefined || now < this.#dueAt) return undefined
    this.#dueAt = after(now, CHECK_EVERY_MS)
    this.#used += 1
    return this.#sockets[this.#used - 1]
  }

  /** `rttMs`: of an answer to the first send, as only that is one (Karn). */
  noteAnswer(rttMs: number | undefined): void {
    if (rttMs === undefined) {
      this.#bad = 0
      return
    }
    this.#firstRttMs ??= rttMs
    const isSlow = rttMs > SLOWER_BY * this.#firstRttMs && rttMs > this.#firstRttMs + NOISE_MS
    this.#bad = isSlow ? this.#bad + 1 : 0
  }

  noteLost(): void {
    this.#bad += 1
  }
}
