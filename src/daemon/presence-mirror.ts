import type { AccountNumber, Presence, PresenceEntry } from '../protocol/server/messages.ts'
import { presenceDigest } from '../tcp/presence-digest.ts'

/** One buddy's presence, as it has become. */
export interface PresenceChange {
  readonly entry: PresenceEntry
  /** Offline before, reachable now. */
  readonly cameOnline: boolean
}

/** Presence of more accounts than this is not believed: it is `roster.ts`'s MAX_BUDDIES. */
const MAX_ENTRIES = 10_000

/** Who is there, as the server says. Kept while the server is away: a short outage changes nobody's presence. */
export class PresenceMirror {
  readonly #entries = new Map<AccountNumber, PresenceEntry>() // ≤ MAX_ENTRIES, online ones only
  /** Whom the pages of a snapshot have named so far, until its last page. */
  #told: Set<AccountNumber> | undefined // ≤ what the server sends in one snapshot

  get(number: AccountNumber): PresenceEntry {
    return this.#entries.get(number) ?? offlineEntry(number)
  }

  isOnline(number: AccountNumber): boolean {
    return this.#entries.has(number)
  }

  get online(): readonly AccountNumber[] {
    return [...this.#entries.keys()]
  }

  /** Of everything that we have been told (`presenceDigest`). */
  get digest(): Uint8Array {
    return presenceDigest(this.#entries.values())
  }

  /** Applies a snapshot (all who are online) or a change, and returns what is different now. */
  apply({ isSnapshot, hasMore, entries }: Presence): readonly PresenceChange[] {
    if (isSnapshot) this.#told = new Set()
    for (const { number } of entries) this.#told?.add(number)
    const told = hasMore === true ? undefined : this.#told
    if (hasMore !== true) this.#told = undefined
    const gone = told === undefined ? [] : this.online.filter((number) => !told.has(number))
    return [...entries, ...gone.map(offlineEntry)].flatMap((entry) => this.#set(entry))
  }

  /** They are no buddy any more. */
  forget(number: AccountNumber): void {
    this.#entries.delete(number)
  }

  #set(entry: PresenceEntry): readonly PresenceChange[] {
    const before = this.get(entry.number)
    if (before.state === entry.state && before.text === entry.text) return []
    if (entry.state === 'offline') this.#entries.delete(entry.number)
    else if (this.#entries.size < MAX_ENTRIES) this.#entries.set(entry.number, entry)
    return [{ entry, cameOnline: before.state === 'offline' && entry.state !== 'offline' }]
  }
}

function offlineEntry(number: AccountNumber): PresenceEntry {
  return { number, state: 'offline', text: '' }
}
