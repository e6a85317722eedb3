import { toHex } from '../core/bytes.ts'
import { type Endpoint, sameEndpoint } from '../core/endpoint.ts'
import type { Instant } from '../core/instant.ts'
import type { SocketId } from '../core/machine.ts'
import type { ChannelId } from '../protocol/relay/frames.ts'
import type { RelayTicket } from '../protocol/relay/ticket.ts'

/** What a pair gets of the relay: as much as a good home line sends, and not the server's whole line. */
const BYTES_PER_SECOND = 4 * 1024 ** 2

/** A congestion window of that rate at 250 ms. */
const BURST_BYTES = 1024 ** 2

/** Where a device has proved that it receives. */
export interface RelayBinding {
  readonly endpoint: Endpoint
  readonly via: SocketId | undefined
  /** When the cookie was issued that proved it. */
  readonly provedAt: Instant
}

/** One device's end of a session. When the device moves, the channel moves with it. */
export interface RelaySide {
  readonly session: RelaySession
  readonly index: 0 | 1
  readonly channel: ChannelId
  binding: RelayBinding
  heardAt: Instant
}

/** What two devices share at the relay: their ends and what is left of their quota. */
export class RelaySession {
  readonly key: string
  readonly identities: readonly [string, string]
  readonly sides: [RelaySide | undefined, RelaySide | undefined] = [undefined, undefined]
  #ticketExpiresAtMs: number
  #quotaBytes: number
  #rateTokens = BURST_BYTES
  #rateAt: Instant

  constructor(now: Instant, ticket: RelayTicket) {
    this.key = sessionKey(ticket)
    this.identities = [toHex(ticket.identityA), toHex(ticket.identityB)]
    this.#ticketExpiresAtMs = ticket.expiresAtMs
    this.#quotaBytes = ticket.quotaBytes
    this.#rateAt = now
  }

  /** A later ticket brings a quota of its own; the same or an earlier one changes nothing. */
  renew(ticket: RelayTicket): void {
    if (ticket.expiresAtMs <= this.#ticketExpiresAtMs) return
    this.#ticketExpiresAtMs = ticket.expiresAtMs
    this.#quotaBytes = ticket.quotaBytes
  }

  /** Until then the session is remembered without sides too: its quota must not grow back by binding again. */
  isForgettable(wallMs: number): boolean {
    return !this.isBound && this.#ticketExpiresAtMs <= wallMs
  }

  get isUsedUp(): boolean {
    return this.#quotaBytes <= 0
  }

  get isBound(): boolean {
    return this.sides[0] !== undefined || this.sides[1] !== undefined
  }

  /** Takes what a packet costs: `quota` and `rate` say why it may not pass. */
  spend(now: Instant, bytes: number): 'ok' | 'quota' | 'rate' {
    const earned = ((now - this.#rateAt) * BYTES_PER_SECOND) / 1000
    this.#rateTokens = Math.min(BURST_BYTES, this.#rateTokens + earned)
    this.#rateAt = now
    if (this.#rateTokens < bytes) return 'rate'
    if (this.#quotaBytes < bytes) {
      this.#quotaBytes = 0
      return 'quota'
    }
    this.#rateTokens -= bytes
    this.#quotaBytes -= bytes
    return 'ok'
  }

  /** Whose side it is: what comes from elsewhere than where the side was bound is nobody's. */
  static isFrom({ binding }: RelaySide, from: Endpoint, via: SocketId | undefined): boolean {
    return sameEndpoint(binding.endpoint, from) && binding.via === via
  }
}

/** The session id was chosen by a client, so it names a session only together with the two devices. */
export function sessionKey({ session, identityA, identityB }: RelayTicket): string {
  return `${toHex(session)} ${[toHex(identityA), toHex(identityB)].sort().join(' ')}`
}
