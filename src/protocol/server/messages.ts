/**
 * The sentences between a daemon and its server, inside TLS 1.3, as typed values. Their XML is
 * `encode.ts` / `decode.ts`; `docs/protocol/server.md` shows an example of each.
 *
 * Two closed unions: what a client may say and what only a server may say. The server writes every `from`.
 */
import type { Endpoint } from '../../core/endpoint.ts'
import type { NatProfile } from './nat-profile.ts'
import type {
  GetProfile,
  Locate,
  Located,
  Online,
  ProfileAnswer,
  SetProfile,
  Who,
} from './people-messages.ts'
import type { AccountNumber, PresenceState, RequestId } from './words.ts'

export type { AccountNumber, PresenceState, RequestId } from './words.ts'

/** The protocol version that `hello` names. */
export const SERVER_PROTOCOL_VERSION = 1

/** What a user types: an account number (`10001`) or a handle (`alice`). */
export type AccountName = string

/** A delivery's number: rises, has gaps, is never used twice. */
export type MailSeq = number

/** Which changes of the buddy list a daemon has had, in the server's words: opaque, compared by the server alone. */
export type RosterVersion = string

/** How argon2id turns a password into SCRAM's salted password (RFC 9106 names: m in KiB, t, p). */
export interface PasswordHashing {
  readonly memoryKiB: number
  readonly passes: number
  readonly lanes: number
}

/** RFC 5802 §3's verifier: nothing in it can log in, and nothing equal to the password is ever sent. */
export interface PasswordVerifier {
  readonly salt: Uint8Array // 16 bytes
  readonly hashing: PasswordHashing
  readonly storedKey: Uint8Array // 32 bytes
  readonly serverKey: Uint8Array // 32 bytes
}

/** The keys of one device. `staticSignature` is Ed25519 by `identity` over the static key. */
export interface DeviceKeys {
  readonly identity: Uint8Array // Ed25519 public key, 32 bytes
  readonly static: Uint8Array // X25519 public key, 32 bytes
  readonly staticSignature: Uint8Array // 64 bytes
}

/** An X25519 key that others may seal one message with (or, the signed one, any number for some weeks). */
export interface Prekey {
  readonly number: number // 1 to 2^32 − 1, chosen by its owner
  readonly key: Uint8Array // 32 bytes
}

/** `signature` is Ed25519 by the device's identity over `signedPrekeyStatement`. */
export interface SignedPrekey extends Prekey {
  readonly signature: Uint8Array // 64 bytes
}

/** One-time prekeys that one message carries; a client's document has 64 elements. */
export const MAX_PREKEY_PAGE = 50

/** One-time prekeys that one `take-keys` may ask for: a burst of messages, not the whole supply. */
export const MAX_TAKEN_PREKEYS = 8

/** Entries of a key log in one answer. */
export const MAX_KEY_LOG_PAGE = 64

/** A device's keys, as they were first used; `index` counts an account's from 1. */
export interface KeyLogEntry {
  readonly index: number
  readonly device: DeviceKeys
  /** SHA-256 over the chain of the entry before (32 zero bytes at first), identity and static key. */
  readonly chain: Uint8Array
}

export type CandidateKind = 'host' | 'server-reflexive' | 'mapped'

/** An address where the sender may be reached (RFC 8445 §5.1.1). */
export interface Candidate {
  readonly kind: CandidateKind
  readonly endpoint: Endpoint
}

/** At most this many candidates a side; a longer list is refused. */
export const MAX_CANDIDATES = 10

/** The longest handle, and the longest name a user may type. */
export const MAX_NAME_CHARS = 64

/** The longest note, presence text or error text, in UTF-16 units. What XML cannot carry in them is sent as U+FFFD. */
export const MAX_TEXT_CHARS = 280

/** Buddies that one `roster` may hold; our server sends fewer (`pages.ts`). */
export const MAX_ROSTER_PAGE = 64

/** The longest name of a group. */
export const MAX_GROUP_CHARS = 64

/** A resume ticket as a server may write it; ours has 65 bytes. */
export const MAX_TICKET_BYTES = 256

/** The longest version of a buddy list that a server may write; ours has 33 characters. */
export const MAX_VERSION_CHARS = 64

/** Entries in one `presence`: 32 stay below 58 KiB however their texts must be escaped. */
export const MAX_PRESENCE_PAGE = 32

/** The longest sealed body of a `send`: the longest text with its envelope, padded (`crypto/sealed-message.ts`). */
export const MAX_SEALED_BYTES = 68 * 1024

/** Deliveries that one `ack` may name, and messages that one `withdraw` may: a client's document has 64 elements. */
export const MAX_MAIL_PAGE = 60

/** Where a relay listens, and the server's signed permission to use it (`protocol/relay/ticket.ts`). */
/** A relay elsewhere: `endpoint` is its UDP port, the rest how it is reached inside TLS. */
export interface RelayOffer {
  readonly id: Uint8Array // 8 bytes, as in tickets
  readonly endpoint: Endpoint
  readonly host: string
  readonly tlsPort: number
  readonly pin: Uint8Array // 32 bytes
}

/** Relays to choose from, where there is a choice. */
export interface Relays {
  /** What tickets call the server's own relay. */
  readonly own: Uint8Array
  readonly offers: readonly RelayOffer[] // ≤ MAX_RELAYS
}

/** Relays that one server names. */
export const MAX_RELAYS = 8

export interface RelayGrant {
  readonly endpoint: Endpoint
  readonly ticket: Uint8Array
}

/** `pending-out`: we asked; `pending-in`: they asked; `accepted`: both agreed; `blocked`: by us. */
export type BuddyState = 'accepted' | 'pending-out' | 'pending-in' | 'blocked'

export interface RosterEntry {
  readonly number: AccountNumber
  readonly handle: string
  readonly state: BuddyState
  /** Known once the buddy has logged in from a device, and only for accepted buddies. */
  readonly device?: DeviceKeys
  /** What we have said of them, told to nobody else: the group they are in, … */
  readonly group?: string
  /** … a remark, … */
  readonly remark?: string
  /** … and that they are not to be told our addresses. */
  readonly isConcealed?: true
}

export interface PresenceEntry {
  readonly number: AccountNumber
  readonly state: PresenceState
  readonly text: string
}

// ---- What a client may say -------------------------------------------------------------------------------------

export interface Hello {
  readonly kind: 'hello'
  readonly version: number
  /** Software and version, for the session record: `hollerd/0.1.0`. */
  readonly client: string
  /** SCRAM's client-first-message (RFC 5802 §7), with channel binding `tls-exporter` (RFC 9266). */
  readonly scram: string
  readonly device: DeviceKeys
}

export interface Response {
  readonly kind: 'response'
  /** SCRAM's client-final-message. */
  readonly scram: string
  /** Ed25519 by the device's identity key over `holler device login` and the TLS exporter. */
  readonly deviceSignature: Uint8Array
  /** The version of the buddy list that we have. */
  readonly roster?: RosterVersion
}

/**
 * Instead of `hello`: goes on with the session that the ticket was given in. Answered by `resumed`, or by `error
 * resume-refused`, after which `hello` may follow on the same connection.
 */
export interface Resume {
  readonly kind: 'resume'
  readonly version: number
  readonly client: string
  readonly ticket: Uint8Array
  /** Ed25519 by the device's identity key over `holler session resume`, the TLS exporter and the ticket. */
  readonly deviceSignature: Uint8Array
  readonly roster?: RosterVersion
  /** `tcp/presence-digest.ts` of what we have been told: where it is still so, nothing is told anew. */
  readonly presence: Uint8Array // 16 bytes
}

/** Before login: makes an account. Answered by `registered` or `error`. */
export interface Register {
  readonly kind: 'register'
  readonly handle: string
  readonly verifier: PasswordVerifier
  readonly invite?: string
}

/** Before login: a new password, with the code that an administrator gave. Answered by `registered` or `error`. */
export interface ReplacePassword {
  readonly kind: 'replace-password'
  readonly user: AccountName
  readonly code: string
  readonly verifier: PasswordVerifier
}

/** What the session record keeps of us; shown to buddies who ask (`locate`), unless we conceal it from them. */
export interface Report {
  readonly kind: 'report'
  readonly id: RequestId
  readonly localAddresses: readonly string[] // ≤ MAX_LOCAL_ADDRESSES
  /** Where STUN has seen us. The server tells on only those that its own STUN service has seen. */
  readonly publicEndpoints: readonly Endpoint[] // ≤ MAX_PUBLIC_ENDPOINTS
  readonly udpPort: number
  /** 0: none is listened on. */
  readonly tcpPort: number
  readonly nat?: NatProfile
}

export const MAX_LOCAL_ADDRESSES = 16

/** One for each address family, twice where there are two ways out. */
export const MAX_PUBLIC_ENDPOINTS = 4

export interface Ping {
  readonly kind: 'ping'
  readonly id: RequestId
}

export interface BuddyRequest {
  readonly kind: 'buddy-request'
  readonly id: RequestId
  readonly to: AccountName
  readonly note: string
}

/** Asks who has a number or exactly this handle. Answered by `found`; `not-found` where there is no such account. */
export interface Search {
  readonly kind: 'search'
  readonly id: RequestId
  readonly name: AccountName
}

export interface BuddyAnswer {
  readonly kind: 'buddy-accept' | 'buddy-reject' | 'buddy-remove' | 'buddy-block' | 'buddy-unblock'
  readonly id: RequestId
  readonly number: AccountNumber
}

/** Puts a buddy into a group of ours; an empty name takes them out of it. */
export interface BuddyMove {
  readonly kind: 'buddy-move'
  readonly id: RequestId
  readonly number: AccountNumber
  readonly group: string
}

/** Writes a remark to a buddy's entry, for ourselves alone. */
export interface BuddyNote {
  readonly kind: 'buddy-note'
  readonly id: RequestId
  readonly number: AccountNumber
  readonly note: string
}

/** Whether the buddy may be told our addresses. */
export interface BuddyConceal {
  readonly kind: 'buddy-conceal'
  readonly id: RequestId
  readonly number: AccountNumber
  readonly isConcealed: boolean
}

export interface SetPresence {
  readonly kind: 'set-presence'
  readonly id: RequestId
  readonly state: Exclude<PresenceState, 'offline'>
  readonly text: string
}

/**
 * Asks the server to introduce us to a buddy, or answers such an introduction (same `session`).
 * The pair's probe key is X25519 of both sides' `probeKey`; it lives as long as the session.
 */
export interface Introduce {
  readonly kind: 'introduce'
  readonly id: RequestId
  readonly to: AccountNumber
  /** 16 random bytes chosen by whoever asks first; an answer repeats them. */
  readonly session: Uint8Array
  readonly isAnswer: boolean
  readonly probeKey: Uint8Array // X25519 public key, 32 bytes, fresh for each session
  readonly candidates: readonly Candidate[]
  /** Of the sender's NAT, as far as it is known by now. */
  readonly nat?: NatProfile
  /** Of whoever asks: the relay that it has chosen, 8 bytes. */
  readonly relay?: Uint8Array
}

/** A sealed message for a buddy, delivered now or kept for them. Answered by `accepted`, never by `ok`. */
export interface Send {
  readonly kind: 'send'
  readonly id: RequestId
  readonly to: AccountNumber
  /** 16 bytes. The same one sent again by the same device is kept once. */
  readonly messageId: Uint8Array
  readonly body: Uint8Array // 1 to MAX_SEALED_BYTES
}

/** These deliveries are on our disk: the server forgets them. Has no id and no answer: what is lost comes again. */
export interface Ack {
  readonly kind: 'ack'
  readonly seqs: readonly MailSeq[] // ≤ MAX_MAIL_PAGE
}

/** Takes back what we sent and the buddy has not been given: it has arrived on another way. */
export interface Withdraw {
  readonly kind: 'withdraw'
  readonly id: RequestId
  readonly to: AccountNumber
  readonly messageIds: readonly Uint8Array[] // ≤ MAX_MAIL_PAGE
}

/** Replaces our signed prekey and adds one-time prekeys, all of the device that is logged in. */
export interface PublishKeys {
  readonly kind: 'publish-keys'
  readonly id: RequestId
  readonly signed: SignedPrekey
  readonly oneTime: readonly Prekey[] // ≤ MAX_PREKEY_PAGE
}

/** Asks for a buddy's keys to seal messages with; each one-time prekey is given once. Answered by `keys`. */
export interface TakeKeys {
  readonly kind: 'take-keys'
  readonly id: RequestId
  readonly of: AccountNumber
  readonly count: number // ≤ MAX_TAKEN_PREKEYS
}

/** Asks for a buddy's key log, or our own, after an index. Answered by `logged-keys`. */
export interface KeyLog {
  readonly kind: 'key-log'
  readonly id: RequestId
  readonly of: AccountNumber
  readonly after: number
}

/** We are about to be restarted: for a minute nobody is to notice. Answered by `ok`; then the server closes. */
export interface Suspend {
  readonly kind: 'suspend'
  readonly id: RequestId
}

export interface Logout {
  readonly kind: 'logout'
  readonly id: RequestId
}

export type ClientMessage =
  | Hello
  | Response
  | Resume
  | Register
  | ReplacePassword
  | Report
  | Ping
  | Pong
  | Search
  | BuddyRequest
  | BuddyAnswer
  | BuddyMove
  | BuddyNote
  | BuddyConceal
  | SetPresence
  | Who
  | Locate
  | GetProfile
  | SetProfile
  | Introduce
  | Send
  | Ack
  | Withdraw
  | PublishKeys
  | TakeKeys
  | KeyLog
  | Suspend
  | Logout

// ---- What only a server may say --------------------------------------------------------------------------------

export interface Challenge {
  readonly kind: 'challenge'
  /** SCRAM's server-first-message; its attributes after `i=` carry the argon2id parameters. */
  readonly scram: string
}

/** What a session begins with, whether it is a new one or goes on. */
export interface SessionStart {
  readonly number: AccountNumber
  readonly handle: string
  /** The server's wall clock, ms since 1970 UTC. */
  readonly timeMs: number
  readonly heartbeatMs: number
  /** Rises with each session of the account: of two, the lower is over. */
  readonly epoch?: number
  /** The server's STUN service: up to four endpoints, the primary first; RFC 5780 pairs share address or port. */
  readonly stun: readonly Endpoint[]
  /** The address and port that the server sees this TCP session come from. */
  readonly seenFrom: Endpoint
  /** What brings the session back within 60 s of its loss, without a password. */
  readonly pass?: ResumePass
  readonly limits?: SessionLimits
  /** Absent where the server's own is the only relay. */
  readonly relays?: Relays
}

export interface ResumePass {
  readonly ticket: Uint8Array // 1 to MAX_TICKET_BYTES
  /** Known to us and the server: `resumed` is believed only with a proof made with it. */
  readonly key: Uint8Array // 32 bytes
}

/** What the server takes from a client. */
export interface SessionLimits {
  readonly frameBytes: number
  /** Of a sealed body. */
  readonly sealedBytes: number
  /** Messages at once, and then one each so often; beyond it they wait. */
  readonly messages: number
  readonly messageEveryMs: number
  /** Entries of a buddy list. */
  readonly buddies: number
  /** What of one's deliveries may be unacknowledged. */
  readonly windowMessages: number
}

export interface Welcome extends SessionStart {
  readonly kind: 'welcome'
  /** SCRAM's server-final-message: proves that the server knows the verifier. */
  readonly scram: string
}

/** Answers `resume`. */
export interface Resumed extends SessionStart {
  readonly kind: 'resumed'
  /** HMAC-SHA-256 with the pass's key over `holler session resumed` and the TLS exporter. */
  readonly proof: Uint8Array // 32 bytes
}

export interface Registered {
  readonly kind: 'registered'
  readonly number: AccountNumber
  readonly handle: string
}

/**
 * One page of the buddy list (≤ MAX_ROSTER_PAGE, `pages.ts`); pages count from 0, `isLast` closes the list.
 * Sent at login and after changes of several buddies.
 */
export interface Roster {
  readonly kind: 'roster'
  readonly page: number
  readonly isLast: boolean
  readonly buddies: readonly RosterEntry[]
  /** Of the whole list, with its last page. */
  readonly version?: RosterVersion
}

/** One buddy was added or changed. */
export interface BuddyChanged {
  readonly kind: 'buddy-changed'
  readonly buddy: RosterEntry
  /** What a requester wrote, when the state became `pending-in`. */
  readonly note: string
  /** What the list has come to; absent where more follows that belongs to the same version. */
  readonly version?: RosterVersion
}

export interface BuddyRemoved {
  readonly kind: 'buddy-removed'
  readonly number: AccountNumber
  readonly version?: RosterVersion
}

/**
 * The snapshot after login (all online buddies) and every change after it, ≤ MAX_PRESENCE_PAGE entries (`pages.ts`).
 * A snapshot makes everybody it does not name offline, but not before its last page has come.
 */
export interface Presence {
  readonly kind: 'presence'
  readonly isSnapshot: boolean
  /** Another page of the same snapshot follows at once; it is not marked as a snapshot itself. */
  readonly hasMore?: true
  readonly entries: readonly PresenceEntry[]
}

/** Answers both sides' `introduce`: everything that is needed to punch and to fall back. */
export interface Introduced {
  readonly kind: 'introduced'
  readonly from: AccountNumber
  readonly session: Uint8Array
  readonly isAnswer: boolean
  readonly probeKey: Uint8Array
  readonly candidates: readonly Candidate[]
  readonly nat?: NatProfile
  readonly device: DeviceKeys
  /** The agreed T0: start punching this many ms after the message was sent. 0 in a first introduction. */
  readonly startInMs: number
  readonly relay?: RelayGrant
}

/** A sealed message from a buddy. It comes again in later sessions until it is acknowledged. */
export interface Deliver {
  readonly kind: 'deliver'
  readonly seq: MailSeq
  /** Written by the server. */
  readonly from: AccountNumber
  readonly messageId: Uint8Array
  readonly body: Uint8Array
}

/** `mailbox`: it is on the server's disk. `recipient`: the buddy's daemon says that it has it. */
export interface Accepted {
  readonly kind: 'accepted'
  readonly id: RequestId
  readonly at: 'mailbox' | 'recipient'
}

/** Answers `take-keys`: fewer one-time prekeys than asked for, or none, where they run out or are taken too fast. */
export interface Keys {
  readonly kind: 'keys'
  readonly id: RequestId
  readonly device: DeviceKeys
  readonly signed: SignedPrekey
  readonly oneTime: readonly Prekey[] // ≤ MAX_TAKEN_PREKEYS
}

/** How many prekeys of this device the server still has: after the login, and when they run out. */
export interface KeysLeft {
  readonly kind: 'keys-left'
  readonly oneTime: number
  /** The number of the signed prekey; none yet, or of another device, when absent. */
  readonly signed?: number
}

/** Answers `search`: the name alone, whatever its owner is doing and thinks of us. */
export interface Found {
  readonly kind: 'found'
  readonly id: RequestId
  readonly number: AccountNumber
  readonly handle: string
}

export interface LoggedKeys {
  readonly kind: 'logged-keys'
  readonly id: RequestId
  readonly isLast: boolean
  readonly entries: readonly KeyLogEntry[] // ≤ MAX_KEY_LOG_PAGE
}

export interface Pong {
  readonly kind: 'pong'
  readonly id: RequestId
  readonly timeMs: number
}

export interface Ok {
  readonly kind: 'ok'
  readonly id: RequestId
}

export const serverErrorCodes = [
  'auth-failed',
  'account-disabled',
  'handle-invalid',
  'handle-taken',
  'registration-closed',
  'invite-invalid',
  'code-invalid',
  'not-found',
  'already-buddies',
  'not-buddies',
  'offline',
  'rate-limited',
  'too-many',
  'mailbox-full',
  'unsupported',
  'malformed',
  'temporary',
  'resume-refused',
] as const

export type ServerErrorCode = (typeof serverErrorCodes)[number]

export interface ServerError {
  readonly kind: 'error'
  /** Absent where no request was meant (before login, malformed frame). */
  readonly id?: RequestId
  readonly code: ServerErrorCode
  readonly text: string
  readonly retryAfterMs?: number
}

export const goodbyeReasons = [
  'replaced',
  'restarting',
  'logged-out',
  'disabled',
  'deleted',
  'protocol-error',
  'timeout',
] as const

export type GoodbyeReason = (typeof goodbyeReasons)[number]

/** The session's last word before the server closes it. */
export interface Goodbye {
  readonly kind: 'goodbye'
  readonly reason: GoodbyeReason
  readonly retryAfterMs: number
  /** Clients come back at a random time of so long, beginning with `retryAfterMs`; else of `retryAfterMs` again. */
  readonly spreadMs?: number
}

/** The server pings too: both sides answer `ping` by `pong`. */
export type ServerMessage =
  | Challenge
  | Welcome
  | Resumed
  | Registered
  | Roster
  | BuddyChanged
  | BuddyRemoved
  | Presence
  | Introduced
  | Deliver
  | Accepted
  | Keys
  | KeysLeft
  | LoggedKeys
  | Found
  | Online
  | Located
  | ProfileAnswer
  | Ping
  | Pong
  | Ok
  | ServerError
  | Goodbye
