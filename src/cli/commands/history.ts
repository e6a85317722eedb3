import type { CommandContext } from '../context.ts'
import { renderHistory } from '../render/history.ts'

export async function showHistory(
  context: CommandContext,
  buddy: string,
  limit: number,
): Promise<void> {
  const messages = await context.request('message.list', { buddy, limit })
  await context.output.answer(messages, (paint) => renderHistory(messages, paint))
}
