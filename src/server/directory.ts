import type { AccountNumber } from '../protocol/server/messages.ts'
import type { OnlineAccount } from './online-account.ts'

/** Who has a session. An account has one at a time: its device list has one entry so far. */
export class Directory {
  readonly #accounts = new Map<AccountNumber, OnlineAccount>() // BOUNDED: by the sessions, and so by descriptors

  readonly #addresses = new Map<string, number>() // BOUNDED: as above; how many come from each address

  /** Returns the one that has no place any more: of two sessions of an account, the one of the lower epoch. */
  attach(account: OnlineAccount): OnlineAccount | undefined {
    const replaced = this.#accounts.get(account.number)
    if (replaced !== undefined && replaced.epoch > account.epoch) return account
    this.#accounts.set(account.number, account)
    this.#count(account, 1)
    if (replaced !== undefined) this.#count(replaced, -1)
    return replaced
  }

  /** `false` when another session has taken its place already. */
  detach(account: OnlineAccount): boolean {
    if (this.#accounts.get(account.number) !== account) return false
    this.#accounts.delete(account.number)
    this.#count(account, -1)
    return true
  }

  /** Whether somebody's session comes from that address. */
  isHome(address: string): boolean {
    return this.#addresses.has(address)
  }

  /** The account's session, though its list may still be on its way. */
  find(number: AccountNumber): OnlineAccount | undefined {
    return this.#accounts.get(number)
  }

  /** Who can be told something, or be introduced. */
  ready(number: AccountNumber): OnlineAccount | undefined {
    const account = this.#accounts.get(number)
    return account?.isReady === true ? account : undefined
  }

  /** Everybody who has a session. */
  all(): Iterable<OnlineAccount> {
    return this.#accounts.values()
  }

  get size(): number {
    return this.#accounts.size
  }

  #count({ session }: OnlineAccount, change: 1 | -1): void {
    const { address } = session.record.remote
    const count = (this.#addresses.get(address) ?? 0) + change
    if (count === 0) this.#addresses.delete(address)
    else this.#addresses.set(address, count)
  }
}
