import type { Roster as RosterPage, RosterEntry } from '../protocol/server/messages.ts'
import { MAX_BUDDIES } from './roster.ts'

/** Puts the pages of a buddy list together. Page 0 begins anew; a page out of turn spoils the list until then. */
export class RosterPages {
  #entries: RosterEntry[] = [] // ≤ MAX_BUDDIES
  #nextPage = 0

  /** The whole list, once its last page is there. */
  add({ page, isLast, buddies }: RosterPage): readonly RosterEntry[] | undefined {
    if (page === 0 || page !== this.#nextPage) this.#reset()
    if (page !== 0 && page !== this.#nextPage) return undefined
    this.#nextPage = page + 1
    if (this.#entries.length + buddies.length <= MAX_BUDDIES) this.#entries.push(...buddies)
    if (!isLast) return undefined
    const entries = this.#entries
    this.#reset()
    return entries
  }

  #reset(): void {
    this.#entries = []
    this.#nextPage = -1 // until page 0 there is no next page
  }
}
