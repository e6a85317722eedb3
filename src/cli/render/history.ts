import type { MessageView } from '../../protocol/control/schema.ts'
import type { Paint } from '../paint.ts'
import { visibleBody, visibleText } from '../visible-text.ts'
import { localTime } from './time.ts'

/** Under the text of the first line of nothing that we print: a further line of a message cannot pose as one of ours. */
const INDENT = ' '.repeat(8)

/** Newest first comes in, oldest first goes out: as people read. */
export function renderHistory(newestFirst: readonly MessageView[], paint: Paint): string {
  return [...newestFirst]
    .reverse()
    .map((message) => line(message, paint))
    .join('\n')
}

function line({ at, direction, buddy, text, state }: MessageView, paint: Paint): string {
  const isOurs = direction === 'out'
  const who = isOurs ? paint('dim', 'me') : paint('bold', visibleText(buddy.handle))
  const mark = isOurs ? ` ${paint('dim', `[${state}]`)}` : ''
  return `${paint('dim', localTime(at))}  ${who}: ${visibleBody(text, INDENT)}${mark}`
}
