import { HollerError } from '../core/holler-error.ts'
import { after, type Instant } from '../core/instant.ts'
import type { RequestId } from '../protocol/server/messages.ts'

/** More at once than any daemon has reason for; a server that answers nothing must not cost memory without end. */
const MAX_PENDING = 256

/** A server that still answers pings but not a request is broken; the owner is told so in time to try again. */
const ANSWER_MS = 30_000

/** Which requests wait for their answer, and until when. */
export class PendingRequests {
  readonly #deadlines = new Map<RequestId, Instant>() // ≤ MAX_PENDING, in the order of their deadlines

  /** @throws {HollerError} BUSY */
  checkRoom(): void {
    if (this.#deadlines.size >= MAX_PENDING) {
      throw new HollerError('BUSY', `${MAX_PENDING} requests wait for the server`)
    }
  }

  add(now: Instant, id: RequestId): void {
    this.#deadlines.set(id, after(now, ANSWER_MS))
  }

  /** Whether it was waited for. */
  settle(id: RequestId): boolean {
    return this.#deadlines.delete(id)
  }

  get nextAt(): Instant | undefined {
    for (const deadline of this.#deadlines.values()) return deadline
    return undefined
  }

  /** Takes out those whose time is over. */
  takeExpired(now: Instant): readonly RequestId[] {
    const ids: RequestId[] = []
    for (const [id, deadline] of this.#deadlines) {
      if (deadline > now) break
      ids.push(id)
    }
    for (const id of ids) this.#deadlines.delete(id)
    return ids
  }

  takeAll(): readonly RequestId[] {
    const ids = [...this.#deadlines.keys()]
    this.#deadlines.clear()
    return ids
  }
}
