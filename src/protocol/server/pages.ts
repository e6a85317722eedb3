/** Cuts lists that a server sends into messages that fit into a frame, whatever their texts hold. */
import {
  MAX_PRESENCE_PAGE,
  type Presence,
  type PresenceEntry,
  type Roster,
  type RosterEntry,
} from './messages.ts'

/** 24 with their keys, groups and remarks stay below 96 KiB, however these must be escaped. */
const ROSTER_PAGE = 24

/** The whole buddy list; an empty one is one empty page. */
export function rosterPages(buddies: readonly RosterEntry[]): readonly Roster[] {
  const pages = cut(buddies, ROSTER_PAGE)
  return pages.map((page, index) => ({
    kind: 'roster',
    page: index,
    isLast: index === pages.length - 1,
    buddies: page,
  }))
}

/** A snapshot, or changes: of a snapshot only the first message is marked as one, all but the last say that more follows. */
export function presencePages(
  entries: readonly PresenceEntry[],
  isSnapshot: boolean,
): readonly Presence[] {
  const pages = cut(entries, MAX_PRESENCE_PAGE)
  return pages.map((page, index) => ({
    kind: 'presence',
    isSnapshot: isSnapshot && index === 0,
    ...(isSnapshot && index < pages.length - 1 && { hasMore: true }),
    entries: page,
  }))
}

function cut<T>(items: readonly T[], most: number): readonly (readonly T[])[] {
  const pages: (readonly T[])[] = []
  for (let from = 0; from === 0 || from < items.length; from += most) {
    pages.push(items.slice(from, from + most))
  }
  return pages
}
