/**
 * Whether a client is still there: it says something every HEARTBEAT_MS, is asked when it does not, and is taken for
 * gone when it has missed two. The answers also measure the round trip.
 */
import { after, type Instant } from '../core/instant.ts'
import type { RequestId } from '../protocol/server/messages.ts'

/** How often a client says something at least; NATs forget an idle TCP connection within minutes. */
export const HEARTBEAT_MS = 30_000

/** Not at the very moment at which the client's own ping is due. */
const ASK_AFTER_MS = 1.5 * HEARTBEAT_MS

export const GONE_AFTER_MS = 2 * HEARTBEAT_MS

export class ClientHeartbeat {
  #heardAt: Instant
  #asked: { readonly id: RequestId; readonly at: Instant } | undefined
  #roundTripMs: number | undefined

  constructor(now: Instant) {
    this.#heardAt = now
  }

  /** Of the last ping that was answered. */
  get roundTripMs(): number | undefined {
    return this.#roundTripMs
  }

  get goneAt(): Instant {
    return after(this.#heardAt, GONE_AFTER_MS)
  }

  /** When something is to be done about its silence. */
  get nextAt(): Instant {
    return this.#isAsked ? this.goneAt : this.#askAt
  }

  isSilent(now: Instant): boolean {
    return !this.#isAsked && this.#askAt <= now
  }

  heard(now: Instant): void {
    this.#heardAt = now
  }

  /** A ping leaves; returns its id. */
  ask(now: Instant): RequestId {
    const id = (this.#asked?.id ?? 0) + 1
    this.#asked = { id, at: now }
    return id
  }

  answered(now: Instant, id: RequestId): void {
    if (this.#asked?.id === id) this.#roundTripMs = now - this.#asked.at
  }

  get #askAt(): Instant {
    return after(this.#heardAt, ASK_AFTER_MS)
  }

  get #isAsked(): boolean {
    return this.#asked !== undefined && this.#asked.at >= this.#askAt
  }
}
