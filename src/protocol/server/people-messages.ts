/** The sentences about people: who is online, where a buddy is, what somebody says of themselves. */
import type { Endpoint } from '../../core/endpoint.ts'
import type { NatProfile } from './nat-profile.ts'
import type { AccountNumber, PresenceState, RequestId } from './words.ts'

/** People in one `online`: 48 stay below 96 KiB however their names and texts must be escaped. */
export const MAX_ONLINE_PAGE = 32

// ---- What a client may say -------------------------------------------------------------------------------------

/** Asks who is online, of those who let themselves be listed. Answered by `online`. */
export interface Who {
  readonly kind: 'who'
  readonly id: RequestId
  /** Only numbers greater than this: 0, then the last one of the page before. */
  readonly after: number
}

/** Asks where a buddy is. Answered by `located`. */
export interface Locate {
  readonly kind: 'locate'
  readonly id: RequestId
  readonly of: AccountNumber
}

/** Asks what a buddy, or we, have said of themselves. Answered by `profile`. */
export interface GetProfile {
  readonly kind: 'get-profile'
  readonly id: RequestId
  readonly of: AccountNumber
}

export interface SetProfile {
  readonly kind: 'set-profile'
  readonly id: RequestId
  readonly name: string
  readonly text: string
  /** Whether we may be found by those who ask who is online. */
  readonly isListed: boolean
}

// ---- What only a server may say --------------------------------------------------------------------------------

export interface OnlineEntry {
  readonly number: AccountNumber
  readonly handle: string
  readonly name: string
  readonly state: Exclude<PresenceState, 'offline' | 'invisible'>
}

/** Answers `who`, by number. */
export interface Online {
  readonly kind: 'online'
  readonly id: RequestId
  readonly isLast: boolean
  readonly people: readonly OnlineEntry[] // ≤ MAX_ONLINE_PAGE
}

/** Answers `locate`: the buddy's login record. */
export interface Located {
  readonly kind: 'located'
  readonly id: RequestId
  readonly number: AccountNumber
  /** Software and version, in the client's words. */
  readonly client: string
  /** When the session began: the server's wall clock, ms since 1970 UTC. */
  readonly sinceMs: number
  /** Where the server sees the TCP session come from. */
  readonly seenFrom: Endpoint
  /** The rest is the daemon's report; there is none before it has made one. */
  readonly localAddresses: readonly string[]
  /** Where the server's STUN service has seen the daemon. */
  readonly publicEndpoints: readonly Endpoint[]
  readonly udpPort: number
  readonly tcpPort: number
  readonly nat?: NatProfile
}

/** Answers `get-profile`. */
export interface ProfileAnswer {
  readonly kind: 'profile'
  readonly id: RequestId
  readonly number: AccountNumber
  readonly name: string
  readonly text: string
  /** Told to the account itself alone. */
  readonly isListed?: boolean
}
