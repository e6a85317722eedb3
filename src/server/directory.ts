import type { AccountNumber } from '../protocol/server/messages.ts'
import type { OnlineAccount } from './online-account.ts'

/** Who has a session. An account has one at a time: its device list has one entry so far. */
export class Directory {
  readonly #accounts = new Map<AccountNumber, OnlineAccount>() // BOUNDED: by the sessions, and so by descriptors

  /** Returns the one that it takes the place of. */
  attach(account: OnlineAccount): OnlineAccount | undefined {
    const replaced = this.#accounts.get(account.number)
    this.#accounts.set(account.number, account)
    return replaced
  }

  /** `false` when another session has taken its place already. */
  detach(account: OnlineAccount): boolean {
    if (this.#accounts.get(account.number) !== account) return false
    this.#accounts.delete(account.number)
    return true
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

  get size(): number {
    return this.#accounts.size
  }
}
