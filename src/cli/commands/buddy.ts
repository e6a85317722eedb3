import type { PathPolicy, Result } from '../../protocol/control/schema.ts'
import type { CommandContext } from '../context.ts'
import { CommandFailure } from '../failure.ts'
import { renderBuddies, renderBuddy, renderPeople } from '../render/buddies.ts'
import { personName } from '../render/person.ts'

export interface PolicyOptions {
  readonly path?: PathPolicy
}

export async function listBuddies(context: CommandContext): Promise<void> {
  const buddies = await context.request('buddy.list', {})
  await context.output.answer(buddies, (paint) => renderBuddies(buddies, paint))
}

export async function searchBuddy(context: CommandContext, buddy: string): Promise<void> {
  const found = await context.request('buddy.search', { buddy })
  await context.output.answer(found, (paint) => personName(found, paint))
}

/** All pages: the server says how fast they may be asked for. */
export async function listOnline(context: CommandContext): Promise<void> {
  const people: Result<'buddy.online'>['people'] = []
  for (let after: number | null = 0; after !== null;) {
    const page: Result<'buddy.online'> = await context.request('buddy.online', { after })
    people.push(...page.people)
    after = page.next
  }
  await context.output.answer(people, (paint) => renderPeople(people, paint))
}

export async function showBuddy(context: CommandContext, name: string): Promise<void> {
  const buddy = await context.request('buddy.get', { buddy: name })
  await context.output.answer(buddy, (paint) => renderBuddy(buddy, paint))
}

export async function moveBuddy(
  context: CommandContext,
  buddy: string,
  group: string,
): Promise<void> {
  const done = await context.request('buddy.move', { buddy, group })
  await context.output.answer(done, () => '')
}

export async function noteBuddy(
  context: CommandContext,
  buddy: string,
  note: string,
): Promise<void> {
  const done = await context.request('buddy.setNote', { buddy, note })
  await context.output.answer(done, () => '')
}

export async function addBuddy(
  context: CommandContext,
  buddy: string,
  note: string | undefined,
): Promise<void> {
  const done = await context.request('buddy.add', { buddy, ...(note !== undefined && { note }) })
  await context.output.answer(done, () => `Asked ${buddy}; you are buddies once they accept`)
}

export async function answerBuddy(
  context: CommandContext,
  answer: 'accept' | 'reject' | 'remove' | 'block' | 'unblock',
  buddy: string,
): Promise<void> {
  const done = await context.request(`buddy.${answer}`, { buddy })
  const told = {
    accept: `You and ${buddy} are buddies`,
    reject: `Rejected ${buddy}`,
    remove: `Removed ${buddy}`,
    block: `Blocked ${buddy}`,
    unblock: `${buddy} is not blocked any more`,
  }
  await context.output.answer(done, () => told[answer])
}

export async function buddyPolicy(
  context: CommandContext,
  buddy: string,
  { path }: PolicyOptions,
): Promise<void> {
  if (path !== undefined) {
    const done = await context.request('buddy.setPolicy', { buddy, path })
    await context.output.answer(done, () => '')
    return
  }
  const buddies = await context.request('buddy.list', {})
  const found = buddies.find(({ number, handle }) => handle === buddy || String(number) === buddy)
  if (found === undefined) throw new CommandFailure('not_found', `No buddy "${buddy}"`)
  await context.output.answer({ path: found.pathPolicy }, () => found.pathPolicy)
}
