import type { StatusView } from '../../protocol/control/schema.ts'
import type { Colour, Paint } from '../paint.ts'
import { visibleText } from '../visible-text.ts'
import { columns } from './columns.ts'
import { personName } from './person.ts'
import { localTime } from './time.ts'

const SESSION_COLOURS: Readonly<Record<StatusView['session'], Colour>> = {
  'logged-out': 'yellow',
  connecting: 'yellow',
  online: 'green',
  waiting: 'yellow',
  replaced: 'red',
  refused: 'red',
}

export function renderStatus(status: StatusView, paint: Paint): string {
  const { buddies } = status
  const rows = [
    ['account', account(status, paint)],
    ['session', session(status, paint)],
    ['server', visibleText(status.server ?? 'none')],
    ['udp', udp(status)],
    [
      'buddies',
      `${buddies.total} (${buddies.online} online, ${buddies.direct} direct, ${buddies.relay} by relay)`,
    ],
    ['outbox', status.outbox === 0 ? 'empty' : `${status.outbox} waiting`],
    ['hollerd', `${visibleText(status.version)}, since ${localTime(status.startedAt)}`],
  ]
  return columns(rows.map(([name, value]) => [paint('dim', name ?? ''), value ?? '']))
}

function account(status: StatusView, paint: Paint): string {
  return status.account === null
    ? 'none: holler account register, or holler account login'
    : personName(status.account, paint)
}

function session({ session: state, sessionReason }: StatusView, paint: Paint): string {
  const shown = paint(SESSION_COLOURS[state], state)
  return sessionReason === '' ? shown : `${shown}: ${visibleText(sessionReason)}`
}

function udp(status: StatusView): string {
  if (status.udp === null) return 'none'
  const seenAs = status.publicAddresses.join(', ')
  return seenAs === '' ? status.udp : `${status.udp}, seen from outside as ${seenAs}`
}
