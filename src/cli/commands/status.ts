import type { Params } from '../../protocol/control/schema.ts'
import type { CommandContext } from '../context.ts'
import { parseDuration } from '../duration.ts'
import { usageFailure } from '../failure.ts'
import { renderStatus } from '../render/status.ts'

export async function showStatus(context: CommandContext): Promise<void> {
  const status = await context.request('status.get', {})
  await context.output.answer(status, (paint) => renderStatus(status, paint))
}

export async function setPresence(
  context: CommandContext,
  state: Params<'presence.set'>['state'],
  options: { readonly text: string | undefined; readonly until: string | undefined },
): Promise<void> {
  const { text, until } = options
  const done = await context.request('presence.set', {
    state,
    ...(text !== undefined && { text }),
    ...(until !== undefined && { until: timeOf(until) }),
  })
  await context.output.answer(done, () => '')
}

/** `90m` from now, or a time with its zone. */
function timeOf(text: string): string {
  const ms = parseDuration(text)
  const at = ms === undefined ? Date.parse(text) : Date.now() + ms
  if (Number.isNaN(at)) throw usageFailure(`Not a time "${text}": 90m, or 2026-12-24T18:00:00Z`)
  return new Date(at).toISOString()
}
