import type { AccountNumber, Presence, PresenceEntry } from '../protocol/server/messages.ts'

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

  get(number: AccountNumber): PresenceEntry {
    return this.#entries.get(number) ?? offlineEntry(number)
  }

  isOnline(number: AccountNumber): boolean {
    return this.#entries.has(number)
  }

  get online(): readonly AccountNumber[] {
    return [...this.#entries.keys()]
  }

  /** Applies a snapshot (all who are online) or a change, and returns what is different now. */
  apply({ isSnapshot, entries }: Presence): readonly PresenceChange[] {
    const told = new Set(entries.map(({ number }) => number))
    const gone = isSnapshot ? this.online.filter((number) => !told.has(number)) : []
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
