import type { Params } from '../../protocol/control/schema.ts'
import type { CommandContext } from '../context.ts'
import { columns } from '../render/columns.ts'
import { visibleText } from '../visible-text.ts'

export async function showProfile(
  context: CommandContext,
  buddy: string | undefined,
): Promise<void> {
  const profile = await context.request('profile.get', buddy === undefined ? {} : { buddy })
  const { number, name, text, listed } = profile
  await context.output.answer(profile, () =>
    columns([
      ['number', String(number)],
      ['name', visibleText(name)],
      ['text', visibleText(text)],
      ...(listed === undefined ? [] : [['listed', listed ? 'yes' : 'no']]),
    ]),
  )
}

export async function setProfile(
  context: CommandContext,
  options: Params<'profile.set'>,
): Promise<void> {
  const done = await context.request('profile.set', options)
  await context.output.answer(done, () => '')
}
