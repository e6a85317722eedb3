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
import type { Answer, Refusal } from './answer.ts'
import type { ClientSession } from './client-session.ts'
import type { Stranger } from './gate.ts'
import type { Mailbox } from './mailbox.ts'
import type { OnlineAccount } from './online-account.ts'
import type { ChosenPresence } from './presence.ts'
import type { Epoch } from './store/session-store.ts'
import type { Tally } from './tally.ts'

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
      | 'buddy-move'
      | 'buddy-note'
      | 'buddy-conceal'
      | 'who'
      | 'locate'
      | 'get-profile'
      | 'set-profile'
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
  readonly tally: Tally
  /** Where the client reaches the UDP service, judged by where its TCP session arrived. */
  servicesFor(stream: SecureStream): readonly Endpoint[]
  /** A stranger has come; to make room for it, others may be cut. */
  opened(session: OpenSession): void
  /** Somebody has proved who they are: takes the epoch of their session, or goes on with it under the next one. */
  claim(login: LoggedIn): Promise<Claimed | Refusal>
  /** From now on this is their session, unless a later one has come: then it has been ended. Waits for nothing. */
  attach(session: OpenSession, login: LoggedIn, claimed: Claimed): OnlineAccount
  /** Sends welcome, list and presence, as far as the client does not know them. */
  arrive(account: OnlineAccount, login: LoggedIn, claimed: Claimed): Promise<void>
  request(
    now: Instant,
    account: OnlineAccount,
    message: SessionRequest,
  ): Promise<Answer | ServerMessage>
  /** Who has logged in with the old one must log in again. */
  passwordReplaced(number: AccountNumber): Promise<void>
  ended(session: OpenSession, account: OnlineAccount | undefined, end: SessionEnd): void
}

/** What a session begins with. */
export interface Claimed {
  readonly kind: 'claimed'
  readonly epoch: Epoch
  /** What it is to be seen as, until it chooses anew. */
  readonly chosen: ChosenPresence
}

/** `lost`: without a goodbye; `suspended`: to come back soon. */
export type SessionEnd = Goodbye['reason'] | 'lost' | 'suspended'
