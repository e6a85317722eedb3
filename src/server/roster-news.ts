/** A buddy list in the words of the protocol: what a daemon is told that comes back, and what it is told of a change. */
import type {
  BuddyChanged,
  BuddyRemoved,
  Roster,
  RosterEntry,
} from '../protocol/server/messages.ts'
import { rosterPages } from '../protocol/server/pages.ts'
import type { OwnFacts, RosterNews, RosterRecord } from './store/server-store.ts'

type RosterMessage = Roster | BuddyChanged | BuddyRemoved

/** The whole list, or what has changed since the daemon had it last. The very last message names its version. */
export function rosterMessages({ version, news }: RosterNews): readonly RosterMessage[] {
  const messages: readonly RosterMessage[] =
    news.kind === 'whole'
      ? [
          ...rosterPages(news.entries.map(entryOf)),
          // Entries carry no note of a request, so who was away when one came reads it here.
          ...news.entries.filter(({ note }) => note !== '').map(changeOf),
        ]
      : [
          ...news.changed.map(changeOf),
          ...news.removed.map((number) => ({ kind: 'buddy-removed', number }) as const),
        ]
  return messages.map((message, index) =>
    index === messages.length - 1 ? { ...message, version } : message,
  )
}

export function changeOf(record: RosterRecord): BuddyChanged {
  return { kind: 'buddy-changed', buddy: entryOf(record), note: record.note }
}

type Entry = Omit<RosterEntry, keyof OwnFacts> & { readonly own?: OwnFacts }

export function entryOf({ number, handle, state, device, own }: Entry): RosterEntry {
  return { number, handle, state, ...(device === undefined ? {} : { device }), ...own }
}
