import type { BuddyView, PathView, Result } from '../../protocol/control/schema.ts'
import type { Colour, Paint } from '../paint.ts'
import { visibleText } from '../visible-text.ts'
import { columns } from './columns.ts'

export const PATH_COLOURS: Readonly<Record<PathView['kind'], Colour>> = {
  lan: 'green',
  direct: 'green',
  relay: 'yellow',
  none: 'dim',
}

const PRESENCE_COLOURS: Readonly<Record<BuddyView['presence'], Colour>> = {
  online: 'green',
  away: 'yellow',
  busy: 'red',
  invisible: 'dim',
  offline: 'dim',
}

export function renderBuddies(buddies: readonly BuddyView[], paint: Paint): string {
  if (buddies.length === 0) return 'No buddies yet: holler buddy add NUMBER-OR-HANDLE'
  return columns(buddies.map((buddy) => row(buddy, paint)))
}

/** Who is online, of those who let themselves be listed. */
export function renderPeople(people: Result<'buddy.online'>['people'], paint: Paint): string {
  if (people.length === 0) return 'Nobody who lets themselves be listed is online'
  return columns(
    people.map(({ number, handle, name, presence }) => [
      String(number),
      paint('bold', visibleText(handle)),
      paint(PRESENCE_COLOURS[presence], presence),
      visibleText(name),
    ]),
  )
}

/** One buddy, with where they are. */
export function renderBuddy(buddy: Result<'buddy.get'>, paint: Paint): string {
  const { login } = buddy
  const where =
    login === null
      ? [['where', paint('dim', 'not told')]]
      : [
          ['program', visibleText(login.client)],
          ['since', login.since],
          ['server sees', login.seenFrom],
          ['public', login.publicAddresses.join(' ')],
          ['local', login.localAddresses.join(' ')],
          ['ports', `UDP ${login.udpPort}${login.tcpPort === 0 ? '' : `, TCP ${login.tcpPort}`}`],
          ['NAT', login.nat === null ? '' : `${login.nat.mapping}, filters ${login.nat.filtering}`],
        ]
  return `${columns([row(buddy, paint)])}\n${columns(where.filter(([, value]) => value !== ''))}`
}

function row(buddy: BuddyView, paint: Paint): readonly string[] {
  const name = [String(buddy.number), paint('bold', visibleText(buddy.handle))]
  switch (buddy.state) {
    case 'accepted':
      return [
        ...name,
        paint(PRESENCE_COLOURS[buddy.presence], buddy.presence),
        paint(PATH_COLOURS[buddy.path], buddy.path),
        ...(buddy.pathPolicy === 'auto' ? [] : [`(policy ${buddy.pathPolicy})`]),
        ...(buddy.group === '' ? [] : [`[${visibleText(buddy.group)}]`]),
        visibleText(buddy.presenceText),
        ...(buddy.note === '' ? [] : [paint('dim', visibleText(buddy.note))]),
      ]
    case 'pending-out':
      return [...name, paint('dim', 'has not answered yet')]
    case 'pending-in':
      return [...name, paint('yellow', 'asks to be your buddy'), visibleText(buddy.note)]
    case 'blocked':
      return [...name, paint('red', 'blocked')]
  }
}
