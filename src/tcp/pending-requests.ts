import { HollerError } from '../core/holler-error.ts'
import { after, type Instant } from '../core/instant.ts'
import type { RequestId, ServerErrorCode } from '../protocol/server/messages.ts'
import { isDoneAlready, mayBeRepeated } from './repeated-requests.ts'
import type { ServerRequest } from './server-link-event.ts'

/** More at once than any daemon has reason for; a server that answers nothing must not cost memory without end. */
const MAX_PENDING = 256

/** A server that still answers pings but not a request is broken; the owner is told so in time to try again. */
const ANSWER_MS = 30_000

interface Pending {
  readonly request: ServerRequest
  readonly dueAt: Instant
  /** It was asked in an earlier session, too, and may have been carried out then. */
  readonly isRepeated: boolean
}

/** Which requests wait for their answer, and until when. */
export class PendingRequests {
  readonly #pending = new Map<RequestId, Pending>() // ≤ MAX_PENDING, in the order of their deadlines

  /** @throws {HollerError} BUSY */
  checkRoom(): void {
    if (this.#pending.size >= MAX_PENDING) {
      throw new HollerError('BUSY', `${MAX_PENDING} requests wait for the server`)
    }
  }

  add(now: Instant, id: RequestId, request: ServerRequest): void {
    this.#pending.set(id, { request, dueAt: after(now, ANSWER_MS), isRepeated: false })
  }

  /** Whether it was waited for. */
  settle(id: RequestId): boolean {
    return this.#pending.delete(id)
  }

  /** What a refusal of it means: nothing, where it was not waited for. */
  settleRefused(id: RequestId, code: ServerErrorCode): 'refused' | 'done' | undefined {
    const pending = this.#pending.get(id)
    if (pending === undefined) return undefined
    this.#pending.delete(id)
    const { isRepeated, request } = pending
    return isRepeated && isDoneAlready(request.kind, code) ? 'done' : 'refused'
  }

  get nextAt(): Instant | undefined {
    for (const { dueAt } of this.#pending.values()) return dueAt
    return undefined
  }

  /** Takes out those whose time is over. */
  takeExpired(now: Instant): readonly RequestId[] {
    return this.#takeWhere(({ dueAt }) => dueAt <= now)
  }

  /** Takes out those that another session cannot go on with. */
  takeUnrepeatable(): readonly RequestId[] {
    return this.#takeWhere(({ request }) => !mayBeRepeated(request.kind))
  }

  takeAll(): readonly RequestId[] {
    return this.#takeWhere(() => true)
  }

  /** Everything that is left, to be asked once more; their time goes on. */
  repeat(): readonly (ServerRequest & { readonly id: RequestId })[] {
    return [...this.#pending].map(([id, pending]) => {
      this.#pending.set(id, { ...pending, isRepeated: true })
      return { ...pending.request, id }
    })
  }

  #takeWhere(isMeant: (pending: Pending) => boolean): readonly RequestId[] {
    const ids = [...this.#pending].flatMap(([id, pending]) => (isMeant(pending) ? [id] : []))
    for (const id of ids) this.#pending.delete(id)
    return ids
  }
}
