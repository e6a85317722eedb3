import type { Result } from '../../protocol/control/schema.ts'
import type { Paint } from '../paint.ts'
import { columns } from './columns.ts'
import { personName } from './person.ts'

/** Groups of a safety number on one line: four lines of three are easier to read out. */
const GROUPS_A_LINE = 3

export function renderIdentity(own: Result<'identity.show'>, paint: Paint): string {
  return columns([
    ['account', personName(own, paint)],
    ['identity', own.identity],
  ])
}

export function renderPeer(peer: Result<'identity.peer'>, paint: Paint): string {
  const { buddy, identity, safetyNumber, verifiedAt, other } = peer
  const name = personName(buddy, paint)
  if (identity === null || safetyNumber === null) {
    return `${name}: not known yet; it is learnt when you are first connected`
  }
  const state =
    verifiedAt === null
      ? paint('yellow', 'not verified')
      : paint('green', `verified ${verifiedAt.slice(0, 'YYYY-MM-DD'.length)}`)
  const lines = [
    columns([
      ['buddy', name],
      ['identity', `${identity} (${state})`],
    ]),
    'safety number, the same at both of you:',
    ...linesOf(safetyNumber),
  ]
  if (other !== null) {
    lines.push(
      paint('red', `another identity has come in this name: ${other.identity}`),
      'its safety number:',
      ...linesOf(other.safetyNumber),
    )
  }
  return lines.join('\n')
}

function linesOf(safetyNumber: string): readonly string[] {
  const groups = safetyNumber.split(' ')
  const lines: string[] = []
  while (groups.length > 0) lines.push(`  ${groups.splice(0, GROUPS_A_LINE).join(' ')}`)
  return lines
}
