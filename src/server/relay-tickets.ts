import type { Instant } from '../core/instant.ts'
import type { Identity } from '../crypto/identity.ts'
import { encodeTicket, encodeTicketBody, ticketSignatureInput } from '../protocol/relay/ticket.ts'
import type { ServerTime } from './server-time.ts'

/** How long a ticket lets its two devices bind. A channel that is bound stays while it is used. */
export const TICKET_LIFETIME_MS = 10 * 60_000

/** For both ways together: an evening of chat, or one large file; then the pair asks to be introduced again. */
export const TICKET_QUOTA_BYTES = 1024 ** 3

/** Writes tickets, signed with the server's Ed25519 key: for its own relay where no other is named. */
export class RelayTickets {
  readonly #signer: Identity
  readonly #relayId: Uint8Array
  readonly #time: ServerTime

  constructor(options: {
    readonly signer: Identity
    readonly relayId: Uint8Array
    readonly time: ServerTime
  }) {
    this.#signer = options.signer
    this.#relayId = options.relayId
    this.#time = options.time
  }

  issue(
    now: Instant,
    session: Uint8Array,
    identityA: Uint8Array,
    identityB: Uint8Array,
    relayId = this.#relayId,
  ): Uint8Array {
    const body = encodeTicketBody({
      relayId,
      session,
      identityA,
      identityB,
      expiresAtMs: this.#time.at(now) + TICKET_LIFETIME_MS,
      quotaBytes: TICKET_QUOTA_BYTES,
    })
    return encodeTicket(body, this.#signer.sign(ticketSignatureInput(body)))
  }
}
