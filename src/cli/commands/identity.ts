import type { CommandContext } from '../context.ts'

export async function acceptIdentity(context: CommandContext, buddy: string): Promise<void> {
  const done = await context.request('identity.accept', { buddy })
  await context.output.answer(done, () => `The new identity of ${buddy} is trusted`)
}
