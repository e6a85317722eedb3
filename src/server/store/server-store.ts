/**
 * The port for everything of the server that must survive. No call that changes something returns before it is on
 * disk. Implementations: `kv-server-store.ts` over any ordered key-value store; `test/contract/server-store.contract.ts`
 * is what each must do.
 *
 * Where the store cannot do its work (disk full, damaged record), calls reject with HollerError `STORE_UNUSABLE`.
 */
import type {
  AccountNumber,
  BuddyState,
  DeviceKeys,
  RosterVersion,
} from '../../protocol/server/messages.ts'
import type { Handle } from '../handle.ts'
import type { Account, NewAccount, Person } from './account.ts'
import type { AdminStore } from './admin-store.ts'
import type { KeyStore } from './key-store.ts'
import type { MailStore } from './mail-store.ts'
import type { SessionStore } from './session-store.ts'

export type { Account, NewAccount, Person } from './account.ts'

/** The longest buddy list: requests beyond it are refused. */
export const MAX_ROSTER = 2_000

/** Requests of others that an account may have waiting: nobody's list can be filled by strangers. */
export const MAX_PENDING_IN = 200

/** Devices remembered for an account; of more, the longest unused is forgotten. */
export const MAX_DEVICES = 8

/** One side of a pair, as that side's list shows the other. */
export interface RosterRecord {
  readonly number: AccountNumber
  readonly handle: Handle
  readonly state: BuddyState
  /** What a requester wrote; empty unless the state is `pending-in`. */
  readonly note: string
  /** The device that the other last logged in from; for accepted buddies only. */
  readonly device?: DeviceKeys
  readonly own?: OwnFacts
}

/** Of a list in which an entry has changed. */
export interface SideNews {
  readonly version: RosterVersion
  /** What its owner has written to the entry. */
  readonly own?: OwnFacts
}

/** What the owner of a list has written to one of its entries, for itself alone. Absent is empty. */
export interface OwnFacts {
  readonly group?: string
  readonly remark?: string
  /** The buddy is not to be told our addresses. */
  readonly isConcealed?: true
}

/** A list as its owner's daemon is to learn of it. */
export interface RosterNews {
  readonly version: RosterVersion
  /** Everybody on it. */
  readonly states: ReadonlyMap<AccountNumber, ListedState>
  /** The whole list, by number; or, where the daemon knows an earlier one, what has changed since then. */
  readonly news:
    | { readonly kind: 'whole'; readonly entries: readonly RosterRecord[] }
    | {
        readonly kind: 'changes'
        readonly changed: readonly RosterRecord[]
        readonly removed: readonly AccountNumber[]
      }
}

export type ListedState = Pick<RosterRecord, 'state'> & Pick<OwnFacts, 'isConcealed'>

export interface Profile {
  /** What the account's owner is called; empty where nothing was said. */
  readonly name: string
  readonly text: string
  /** Whether it may be found by those who ask who is online. */
  readonly isListed: boolean
}

/**
 * How two accounts stand to each other, seen from the first; the second sees the mirror image. But who has blocked the
 * other alone sees that: the other sees nobody there, or a request of its own that is never answered.
 */
export type Relation = BuddyState | 'none'

export interface RelationChange {
  readonly relation: Relation
  /** For `pending-out`: what the first wrote to the second. */
  readonly note?: string
}

export type RelationOutcome =
  /** Both sides are written, or nothing had to be. */
  | {
      readonly kind: 'done'
      readonly before: Relation
      readonly after: Relation
      /** The second's side. */
      readonly otherBefore: Relation
      readonly otherAfter: Relation
      /** What else each side's list says then; where nothing was written there is none. */
      readonly first?: SideNews
      readonly second?: SideNews
      /** Of buddies, the device that each last logged in from. */
      readonly firstDevice?: DeviceKeys
      readonly secondDevice?: DeviceKeys
    }
  /** A limit of a list stands against it; nothing was written. */
  | { readonly kind: 'full'; readonly whose: 'first' | 'second' }
  /** One of the two is no account any more; nothing was written. */
  | { readonly kind: 'gone' }

export interface FactChange {
  readonly group?: string
  readonly remark?: string
  readonly isConcealed?: boolean
}

export interface ServerStore {
  readonly mail: MailStore
  readonly keys: KeyStore
  readonly sessions: SessionStore
  readonly admin: AdminStore

  /** Gives the next number, which is never used again; `undefined` when the handle is taken. */
  createAccount(account: NewAccount): Promise<Account | undefined>
  account(number: AccountNumber): Promise<Account | undefined>
  accountByHandle(handle: Handle): Promise<Account | undefined>
  /** Compare-and-set: `false`, and nothing is written, when the stored revision is another. */
  updateAccount(account: Account): Promise<boolean>

  /** The devices an account has logged in from, the last used first. */
  devices(number: AccountNumber): Promise<readonly DeviceKeys[]>
  /**
   * Puts a device first; keys that are not those used last are appended to the account's key log. The lists of all
   * buddies show it from then on: returns what these say.
   */
  recordDevice(
    number: AccountNumber,
    device: DeviceKeys,
  ): Promise<ReadonlyMap<AccountNumber, SideNews>>

  /** The whole list, by number. */
  roster(number: AccountNumber): Promise<readonly RosterRecord[]>
  /** The same for somebody who has had the list before, in this version. */
  rosterSince(number: AccountNumber, version?: RosterVersion): Promise<RosterNews>
  /** Writes to one's own entry of somebody; facts that are not named stay. `undefined`: they are not on the list. */
  note(
    owner: AccountNumber,
    number: AccountNumber,
    facts: FactChange,
  ): Promise<{ readonly record: RosterRecord; readonly version: RosterVersion } | undefined>
  /**
   * Changes both sides of a pair at once; when the first blocks the second, the mail that waits between them goes in
   * the same write. To end a block shows a request that the other has made meanwhile: `pending-in` instead of `none`. `decide` gets the present relation and returns the new one; it may be
   * called more than once and must only compute. Outcomes of one pair come in the order in which they took effect, so
   * that whoever tells them on does not end with an older one.
   */
  changeRelation(
    first: Person,
    second: Person,
    decide: (present: Relation) => RelationChange,
  ): Promise<RelationOutcome>

  /** Of somebody who has never said anything: an empty one. */
  profile(number: AccountNumber): Promise<Profile>
  setProfile(number: AccountNumber, profile: Profile): Promise<void>

  /** A secret of the server's own; whoever asks first under a name decides it. */
  secret(name: string, make: () => Uint8Array): Promise<Uint8Array>

  close(): Promise<void>
}

/** The same relation, seen from the other side. */
export function mirrored(relation: Relation): Relation {
  switch (relation) {
    case 'pending-in':
      return 'pending-out'
    case 'pending-out':
      return 'pending-in'
    case 'accepted':
    case 'none':
      return relation
    case 'blocked':
      return 'none'
  }
}
