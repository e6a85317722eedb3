import { type CommandContext, GRACE_MS } from '../context.ts'
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

export async function ping(
  context: CommandContext,
  buddy: string,
  { untilDirect }: PingOptions,
): Promise<void> {
  const timeoutMs = context.timeoutMs
  const until = untilDirect === true ? 'direct' : 'any'
  const pong = await context.request(
    'net.ping',
    { buddy, until, timeout_ms: timeoutMs },
    timeoutMs + GRACE_MS,
  )
  await context.output.answer(pong, (paint) => renderPing(pong, paint))
}
