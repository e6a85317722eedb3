import type { CommandContext } from '../context.ts'
import { renderStatus } from '../render/status.ts'

export async function showStatus(context: CommandContext): Promise<void> {
  const status = await context.request('status.get', {})
  await context.output.answer(status, (paint) => renderStatus(status, paint))
}

export async function setPresence(
  context: CommandContext,
  state: 'online' | 'away' | 'busy' | 'invisible',
  text: string | undefined,
): Promise<void> {
  const done = await context.request('presence.set', { state, ...(text !== undefined && { text }) })
  await context.output.answer(done, () => '')
}
