/** What a session needs of the server around it. */
import type { Endpoint } from '../core/endpoint.ts'
import type { Instant } from '../core/instant.ts'
import type { SecureStream } from '../io/byte-stream.ts'
import type {
  AccountNumber,
  ClientMessage,
  Goodbye,
  ServerMessage,
} from '../protocol/server/messages.ts'
import type { Accounts, LoggedIn } from './accounts.ts'
import type { Answer } from './answer.ts'
import type { ClientSession } from './client-session.ts'
import type { Stranger } from './gate.ts'
import type { Mailbox } from './mailbox.ts'
import type { OnlineAccount } from './online-account.ts'

/** Everything that a logged-in client may ask of others. */
export type SessionRequest = Extract<
  ClientMessage,
  {
    kind:
      | 'search'
      | 'buddy-request'
      | 'buddy-accept'
      | 'buddy-reject'
      | 'buddy-remove'
      | 'buddy-block'
      | 'buddy-unblock'
      | 'set-presence'
      | 'introduce'
      | 'withdraw'
      | 'publish-keys'
      | 'take-keys'
      | 'key-log'
  }
>

/** A session, as the server holds it. */
export type OpenSession = ClientSession & Stranger

export interface SessionServices {
  readonly accounts: Accounts
  readonly mailbox: Mailbox
  /** Where the client reaches the UDP service, judged by where its TCP session arrived. */
  servicesFor(stream: SecureStream): readonly Endpoint[]
  /** A stranger has come; to make room for it, others may be cut. */
  opened(session: OpenSession): void
  /** Somebody has proved who they are: from now on this is their session. Waits for nothing. */
  attach(session: OpenSession, login: LoggedIn): OnlineAccount
  /** Sends welcome, list and presence. */
  arrive(account: OnlineAccount, login: LoggedIn): Promise<void>
  request(
    now: Instant,
    account: OnlineAccount,
    message: SessionRequest,
  ): Promise<Answer | ServerMessage>
  /** Who has logged in with the old one must log in again. */
  passwordReplaced(number: AccountNumber): Promise<void>
  ended(session: OpenSession, account: OnlineAccount | undefined, end: SessionEnd): void
}

/** `lost`: without a goodbye. */
export type SessionEnd = Goodbye['reason'] | 'lost'
