/** What the events of the control socket carry. Fields are only ever added to: scripts read them. */
import type {
  BuddyView,
  DurableEventType,
  EphemeralEventType,
  MessageState,
  PathView,
  Person,
  StatusView,
} from '../protocol/control/schema.ts'

/** A message that has arrived and is on disk. */
export interface MessageReceived {
  readonly id: string
  readonly from: Person
  readonly text: string
  /** The sender's clock. */
  readonly sentAt: string
  readonly replyTo?: string
  /** So many earlier messages of this sender have not come (yet). */
  readonly missing?: number
  /** It came from keys that are not the ones pinned: perhaps from somebody else. */
  readonly isIdentityChanged?: true
}

export interface MessageStateChanged {
  readonly id: string
  readonly buddy: Person
  readonly state: MessageState
  /** Why it failed. */
  readonly reason?: string
}

interface DurableData {
  readonly 'message.received': MessageReceived
  readonly 'message.state': MessageStateChanged
  /** A sealed message came that does not open; its sender has been asked to send it again. */
  readonly 'message.undecryptable': { readonly id: string; readonly from: Person }
  readonly 'buddy.request': { readonly from: Person; readonly note: string }
  readonly 'buddy.changed': { readonly buddy: Person; readonly state: BuddyView['state'] }
  readonly 'buddy.removed': { readonly buddy: Person }
  readonly 'identity.changed': { readonly buddy: Person }
  readonly 'session.state': { readonly state: StatusView['session']; readonly reason: string }
  readonly 'path.changed': {
    readonly buddy: Person
    readonly from: PathView['kind']
    readonly to: PathView['kind']
    readonly reason: string
  }
  readonly 'server.notice': { readonly text: string }
}

interface EphemeralData {
  readonly 'presence.changed': {
    readonly buddy: Person
    readonly presence: BuddyView['presence']
    readonly presenceText: string
  }
  /** The host is elsewhere, or the world sees it elsewhere. */
  readonly 'net.changed': {
    readonly addresses: readonly string[]
    readonly publicAddresses: readonly string[]
  }
}

/** An event that is on disk before anybody hears of it. */
export type DurableEvent = {
  [T in DurableEventType]: { readonly type: T; readonly data: DurableData[T] }
}[DurableEventType]

/** An event of which only the latest with the same `key` counts. */
export type EphemeralEvent = {
  [T in EphemeralEventType]: {
    readonly type: T
    readonly key: string
    readonly data: EphemeralData[T]
  }
}[EphemeralEventType]
