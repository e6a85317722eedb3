import type { BuddyView, PathView } from '../../protocol/control/schema.ts'
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

function row(buddy: BuddyView, paint: Paint): readonly string[] {
  const name = [String(buddy.number), paint('bold', visibleText(buddy.handle))]
  switch (buddy.state) {
    case 'accepted':
      return [
        ...name,
        paint(PRESENCE_COLOURS[buddy.presence], buddy.presence),
        paint(PATH_COLOURS[buddy.path], buddy.path),
        ...(buddy.pathPolicy === 'auto' ? [] : [`(policy ${buddy.pathPolicy})`]),
        visibleText(buddy.presenceText),
      ]
    case 'pending-out':
      return [...name, paint('dim', 'has not answered yet')]
    case 'pending-in':
      return [...name, paint('yellow', 'asks to be your buddy'), visibleText(buddy.note)]
    case 'blocked':
      return [...name, paint('red', 'blocked')]
  }
}
