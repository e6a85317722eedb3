import type { MessageId } from '../protocol/peer/peer-message.ts'
import type { AccountNumber } from '../protocol/server/messages.ts'

/** What conversations need of the network. */
export interface PeerLink {
  /** Sends one message on the live session; `false` when there is none, or no room in it (it will tell). */
  send(peer: AccountNumber, bytes: Uint8Array): boolean
  /** There is something to send and no live session. */
  wantSession(peer: AccountNumber): void
  /** Ends the live session; a new one begins with what was not confirmed. */
  disconnect(peer: AccountNumber): void
  /** The buddy has these; what the server still keeps of them is not needed. */
  withdraw(peer: AccountNumber, ids: readonly MessageId[]): void
}

/** What is known of one live session with a buddy. */
export interface Session {
  /** Its keys are signed by the pinned identity. Nothing is sent on a session that is not trusted but receipts. */
  isTrusted: boolean
  isClosed: boolean
  /** The highest sequence number sent on it. */
  sent: number
  /** What has no receipt yet, with its bytes. Bounded by the window of `outgoing.ts`. */
  readonly inFlight: Map<MessageId, number>
  /** What is on our disk and not confirmed yet. Bounded by MAX_OWED_RECEIPTS. */
  readonly owed: Set<MessageId>
}

export function newSession(): Session {
  return { isTrusted: false, isClosed: false, sent: 0, inFlight: new Map(), owed: new Set() }
}
