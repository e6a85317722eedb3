/** What a server link tells its owner, and what its owner may ask of the server through it. */
import type {
  Accepted,
  BuddyChanged,
  BuddyRemoved,
  ClientMessage,
  Deliver,
  Found,
  Introduced,
  Keys,
  KeysLeft,
  LoggedKeys,
  Presence,
  RequestId,
  Resumed,
  Roster,
  ServerError,
  Welcome,
} from '../protocol/server/messages.ts'
import type { Located, Online, ProfileAnswer } from '../protocol/server/people-messages.ts'
import type { Salting } from './login.ts'
import type { LinkRefusal, OfflineReason } from './session-end.ts'

/** What the server says on its own, in its order. An error here belongs to no request. */
export type ServerNotice =
  Roster | BuddyChanged | BuddyRemoved | Presence | Introduced | Deliver | KeysLeft | ServerError

/** What answers a request that asks for more than a yes. */
export type ServerAnswer = Accepted | Keys | LoggedKeys | Found | Online | Located | ProfileAnswer

type Without<M, K extends PropertyKey> = M extends unknown ? Omit<M, K> : never

/** Everything that a client may ask once it is online; the link gives it its id. */
export type ServerRequest = Without<
  Exclude<
    Extract<ClientMessage, { id: RequestId }>,
    { kind: 'ping' | 'pong' | 'suspend' | 'logout' }
  >,
  'id'
>

export type ServerLinkEvent =
  /** To be answered by `passwordHashed`: argon2id is slow and asynchronous, so the owner does it (and keeps it). */
  | ({ readonly kind: 'hash-wanted' } & Salting)
  /** A new session, or (`resumed`) the one before goes on: then the server knows what it was told in it. */
  | { readonly kind: 'online'; readonly welcome: Welcome | Resumed }
  | { readonly kind: 'message'; readonly message: ServerNotice }
  /**
   * Each request is answered exactly once; by an error `temporary` when that takes more than 30 s, or when the session ends
   * first and it cannot be asked again in the next one.
   */
  | {
      readonly kind: 'answered'
      readonly id: RequestId
      readonly error?: ServerError
      readonly answer?: ServerAnswer
    }
  /** Not online (any more); the next attempt is under way in `retryInMs`. */
  | {
      readonly kind: 'offline'
      readonly why: OfflineReason
      readonly text: string
      readonly retryInMs: number
    }
  /** The end until `start`: the server does not want this login, or did not prove to be the one that knows it. */
  | { readonly kind: 'refused'; readonly code: LinkRefusal; readonly text: string }
  /** The end until `start`: this device has logged in elsewhere. */
  | { readonly kind: 'replaced' }
  /** `stop` or `suspend` is done. */
  | { readonly kind: 'stopped' }
