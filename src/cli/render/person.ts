import type { Person } from '../../protocol/control/schema.ts'
import type { Paint } from '../paint.ts'
import { visibleText } from '../visible-text.ts'

/** `bob (10002)`. */
export function personName({ handle, number }: Person, paint: Paint): string {
  return `${paint('bold', visibleText(handle))} (${number})`
}
