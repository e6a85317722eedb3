import type { Params, Result } from '../../protocol/control/schema.ts'
import { type CommandContext, GRACE_MS } from '../context.ts'
import { CommandFailure } from '../failure.ts'
import { renderNet, renderPath, renderPing } from '../render/net.ts'

export interface PingOptions {
  readonly untilDirect?: boolean
}

export async function showNet(context: CommandContext): Promise<void> {
  const net = await context.request('net.status', {})
  await context.output.answer(net, (paint) => renderNet(net, paint))
}

export async function showPath(context: CommandContext, buddy: string): Promise<void> {
  const path = await context.request('net.path', { buddy })
  await context.output.answer(path, (paint) => renderPath(path, paint))
}

/** With `--until-direct` a person sees a line for each answer until one comes by a direct path; a script gets that one. */
export async function ping(
  context: CommandContext,
  buddy: string,
  { untilDirect }: PingOptions,
): Promise<void> {
  if (untilDirect === true && !context.options.json) await pingUntilDirect(context, buddy)
  else await pong(context, { buddy, until: untilDirect === true ? 'direct' : 'any' })
}

/** Between two lines while the path is not direct. */
const NEXT_LINE_MS = 1_000

async function pingUntilDirect(context: CommandContext, buddy: string): Promise<void> {
  const endAt = performance.now() + context.timeoutMs
  const leftMs = (): number => Math.max(1, Math.round(endAt - performance.now()))
  for (;;) {
    const { path } = await pong(context, { buddy, until: 'any' }, leftMs())
    if (path.kind === 'lan' || path.kind === 'direct') return
    const waitMs = Math.min(NEXT_LINE_MS, leftMs())
    try {
      await pong(context, { buddy, until: 'direct' }, waitMs)
      return
    } catch (error) {
      const isOver = leftMs() <= NEXT_LINE_MS
      const isTimeout = error instanceof CommandFailure && error.kind === 'timeout'
      if (!isTimeout || isOver) throw error
    }
  }
}

async function pong(
  context: CommandContext,
  wish: Pick<Params<'net.ping'>, 'buddy' | 'until'>,
  timeoutMs = context.timeoutMs,
): Promise<Result<'net.ping'>> {
  const params = { ...wish, timeout_ms: timeoutMs }
  const answer = await context.request('net.ping', params, timeoutMs + GRACE_MS)
  await context.output.answer(answer, (paint) => renderPing(answer, paint))
  return answer
}
