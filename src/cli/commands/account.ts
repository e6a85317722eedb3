import type { Person } from '../../protocol/control/schema.ts'
import type { CommandContext } from '../context.ts'
import { type PasswordSource, readPassword } from '../password.ts'
import { personName } from '../render/person.ts'

export interface RegisterOptions extends PasswordSource {
  readonly server: string
  readonly handle: string
  readonly invite?: string
}

export interface LoginOptions extends PasswordSource {
  readonly server: string
  readonly user: string
}

export async function register(context: CommandContext, options: RegisterOptions): Promise<void> {
  const { server, handle, invite } = options
  const password = await readPassword(context.outside, options, true)
  const account = await context.request('account.register', {
    server,
    password,
    handle,
    ...(invite !== undefined && { invite }),
  })
  await welcome(context, account)
}

export async function login(context: CommandContext, options: LoginOptions): Promise<void> {
  const { server, user } = options
  const password = await readPassword(context.outside, options, false)
  await welcome(context, await context.request('account.login', { server, password, user }))
}

export interface ResetOptions extends LoginOptions {
  readonly code: string
}

export async function reset(context: CommandContext, options: ResetOptions): Promise<void> {
  const { server, user, code } = options
  const password = await readPassword(context.outside, options, true)
  const account = await context.request('account.reset', { server, user, code, password })
  await welcome(context, account)
}

export async function logout(context: CommandContext): Promise<void> {
  const done = await context.request('account.logout', {})
  await context.output.answer(done, () => 'Logged out')
}

async function welcome(context: CommandContext, account: Person): Promise<void> {
  await context.output.answer(account, (paint) => `You are ${personName(account, paint)}`)
}
