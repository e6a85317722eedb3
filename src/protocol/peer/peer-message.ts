/**
 * The sentences between two daemons, end-to-end encrypted on a stream of class `chat`.
 * Each is one length-prefixed frame (`tcp/frame.ts`) holding a protobuf `PeerMessage` (`peer.proto`, `codec.ts`).
 */

declare const messageId: unique symbol

/** 32 hex digits: 128 bits, time-ordered (48 bits of ms since 1970, then random). */
export type MessageId = string & { readonly [messageId]: true }

/** A text may hold at most this many bytes of UTF-8; longer ones are for files. */
export const MAX_TEXT_BYTES = 65_535

export interface TextMessage {
  readonly kind: 'text'
  readonly id: MessageId
  /** Counts this sender's messages of the conversation from 1; the receiver sees gaps and keeps order by it. */
  readonly sequence: number
  /** The sender's wall clock, ms since 1970 UTC. */
  readonly sentAtMs: number
  readonly text: string
  readonly replyTo?: MessageId
}

/** `delivered`: it is on the receiver's disk. `read`: a person saw it. */
export interface Receipt {
  readonly kind: 'receipt'
  readonly state: 'delivered' | 'read'
  readonly ids: readonly MessageId[] // ≤ MAX_RECEIPT_IDS
}

export const MAX_RECEIPT_IDS = 256

/** These came sealed and could not be opened: they are asked for once more. */
export interface Resend {
  readonly kind: 'resend'
  readonly ids: readonly MessageId[] // ≤ MAX_RECEIPT_IDS
}

export type PeerMessage = TextMessage | Receipt | Resend
