import type { CommandContext } from '../context.ts'
import { renderIdentity, renderPeer } from '../render/identity.ts'

export async function showIdentity(context: CommandContext): Promise<void> {
  const own = await context.request('identity.show', {})
  await context.output.answer(own, (paint) => renderIdentity(own, paint))
}

export async function showPeer(context: CommandContext, buddy: string): Promise<void> {
  const peer = await context.request('identity.peer', { buddy })
  await context.output.answer(peer, (paint) => renderPeer(peer, paint))
}

export async function verifyIdentity(
  context: CommandContext,
  buddy: string,
  number: string,
): Promise<void> {
  const done = await context.request('identity.verify', { buddy, safety_number: number })
  await context.output.answer(done, () => `The identity of ${buddy} is verified`)
}

export async function acceptIdentity(context: CommandContext, buddy: string): Promise<void> {
  const done = await context.request('identity.accept', { buddy })
  await context.output.answer(done, () => `The new identity of ${buddy} is trusted`)
}
