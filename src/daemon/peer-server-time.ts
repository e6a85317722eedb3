import { decodeTicket } from '../protocol/relay/ticket.ts'
import { after, type Instant, instant } from '../core/instant.ts'

/** What the server issues lives so long; for when its clock is not known. */
const USUAL_TICKET_MS = 10 * 60_000

/** The server's wall clock, as far as it was told, on our monotonic one: relay tickets end by it. */
export class ServerTime {
  #offsetMs: number | undefined

  set(now: Instant, serverMs: number): void {
    this.#offsetMs = serverMs - now
  }

  at(now: Instant): number | undefined {
    return this.#offsetMs === undefined ? undefined : now + this.#offsetMs
  }

  /** When a ticket that has just come ends. Never later than ten minutes from now, whatever it says. */
  ticketEndsAt(now: Instant, ticket: Uint8Array): Instant {
    const usual = after(now, USUAL_TICKET_MS)
    const read = decodeTicket(ticket)
    if (!read.ok || this.#offsetMs === undefined) return usual
    return instant(Math.min(usual, read.value.ticket.expiresAtMs - this.#offsetMs))
  }
}
