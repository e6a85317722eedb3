import { copyOf } from '../core/bytes.ts'
import type {
  AccountNumber,
  BuddyChanged,
  BuddyRemoved,
  DeviceKeys,
} from '../protocol/server/messages.ts'
import type { ClientSession } from './client-session.ts'
import type { Handle } from './handle.ts'
import type { Account, ListedState } from './store/server-store.ts'
import type { Epoch } from './store/session-store.ts'
import type { Watchers } from './watchers.ts'

export type RosterChange = BuddyChanged | BuddyRemoved

/**
 * An account that has a session. Its buddy list is read from the store while others may be changing it: changes that
 * come meanwhile wait, and are applied on top of what was read. A change states how things are now, so it does no
 * harm to apply one that the reading had seen already.
 */
export class OnlineAccount {
  readonly number: AccountNumber
  readonly handle: Handle
  readonly device: DeviceKeys
  readonly session: ClientSession
  readonly epoch: Epoch
  /** Logged in invisibly from another device than before: neither the store nor buddies know of it until it shows. */
  isDeviceHidden = false
  readonly #watchers: Watchers<OnlineAccount>
  readonly #roster = new Map<AccountNumber, ListedState>() // ≤ MAX_ROSTER
  // ≤ 2 × MAX_ROSTER: the latest change of each buddy, until the list has been sent
  #waiting: Map<AccountNumber, RosterChange> | undefined = new Map<AccountNumber, RosterChange>()

  constructor(options: {
    readonly account: Account
    readonly device: DeviceKeys
    readonly session: ClientSession
    readonly epoch: Epoch
    readonly watchers: Watchers<OnlineAccount>
  }) {
    this.number = options.account.number
    this.handle = options.account.handle
    this.device = compact(options.device)
    this.session = options.session
    this.epoch = options.epoch
    this.#watchers = options.watchers
  }

  /** Whether the client has its list, so that changes and presence make sense to it. */
  get isReady(): boolean {
    return this.#waiting === undefined && this.session.isOpen
  }

  load(roster: ReadonlyMap<AccountNumber, ListedState>): void {
    for (const [number, listed] of roster) this.#roster.set(number, listed)
  }

  /** The list has been sent: what changed since it was read follows, and from now on presence. */
  becomeReady(): void {
    const waiting = this.#waiting ?? new Map<AccountNumber, RosterChange>()
    this.#waiting = undefined
    for (const number of this.buddies()) this.#watchers.add(number, this)
    for (const change of waiting.values()) this.apply(change)
  }

  /** The session has ended: nothing more is told to it. */
  retire(): void {
    for (const number of this.#roster.keys()) this.#watchers.delete(number, this)
  }

  apply(change: RosterChange): void {
    const number = change.kind === 'buddy-changed' ? change.buddy.number : change.number
    if (this.#waiting !== undefined) {
      this.#waiting.delete(number)
      this.#waiting.set(number, change)
      return
    }
    if (change.kind === 'buddy-changed') this.#roster.set(number, change.buddy)
    else this.#roster.delete(number)
    if (this.isBuddy(number)) this.#watchers.add(number, this)
    else this.#watchers.delete(number, this)
    this.session.send(change)
  }

  isBuddy(number: AccountNumber): boolean {
    return this.#roster.get(number)?.state === 'accepted'
  }

  hasBlocked(number: AccountNumber): boolean {
    return this.#roster.get(number)?.state === 'blocked'
  }

  /** Whether this buddy may be told our addresses. */
  shows(number: AccountNumber): boolean {
    return this.isBuddy(number) && this.#roster.get(number)?.isConcealed !== true
  }

  /** Those who agreed, in any order. */
  buddies(): readonly AccountNumber[] {
    return [...this.#roster]
      .filter(([, { state }]) => state === 'accepted')
      .map(([number]) => number)
  }
}

/** What was decoded lies in pieces of larger memory, which a session would keep for as long as it lasts. */
function compact(device: DeviceKeys): DeviceKeys {
  return {
    identity: copyOf(device.identity),
    static: copyOf(device.static),
    staticSignature: copyOf(device.staticSignature),
  }
}
