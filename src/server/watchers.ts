import type { AccountNumber } from '../protocol/server/messages.ts'

/** Who is to hear of an account's presence: those online who have it as a buddy. It may be offline itself. */
export class Watchers<Watcher> {
  readonly #watchers = new Map<AccountNumber, Set<Watcher>>() // BOUNDED: MAX_ROSTER for each online account

  add(watched: AccountNumber, watcher: Watcher): void {
    const watchers = this.#watchers.get(watched)
    if (watchers === undefined) this.#watchers.set(watched, new Set([watcher]))
    else watchers.add(watcher)
  }

  delete(watched: AccountNumber, watcher: Watcher): void {
    const watchers = this.#watchers.get(watched)
    watchers?.delete(watcher)
    if (watchers?.size === 0) this.#watchers.delete(watched)
  }

  of(watched: AccountNumber): Iterable<Watcher> {
    return this.#watchers.get(watched) ?? []
  }
}
