/** The administrator's commands: what may be said, what is asked of the running server, and how it is told. */
import { type Command, InvalidArgumentError, Option } from 'commander'
import type { CommandOutside } from '../command-outside.ts'
import { readDuration } from '../duration.ts'
import { adminSocketOf, type Settings } from '../settings.ts'
import { askServer } from './admin-client.ts'
import type { AdminMethod, AdminParams, AdminResult } from './admin-schema.ts'
import {
  accountLine,
  accountTable,
  deletedText,
  detailText,
  drainText,
  invitationText,
  inviteLine,
  inviteTable,
  resetText,
  statsText,
} from './render.ts'

const DEFAULT_INVITE_MS = 7 * 24 * 3_600_000
const DEFAULT_RESET_MS = 24 * 3_600_000

export interface AdminContext {
  readonly outside: CommandOutside
  /** Reads the settings that a command names, to find the socket. */
  readonly settings: (command: Command) => Promise<Settings>
  /** Gives a command the options by which it finds the server. */
  readonly placed: (command: Command) => Command
}

export function declareAdmin(program: Command, context: AdminContext): void {
  declareAccounts(program, context)
  declareInvites(program, context)
  declareServer(program, context)
}

function declareAccounts(program: Command, context: AdminContext): void {
  const account = program.command('account').description('look after accounts')
  withAsking(account.command('list'), context)
    .description('all accounts, by number')
    .action(async (_options: unknown, command: Command) => {
      const accounts = await allAccounts(command, context)
      tell(command, context, { accounts }, () => accountTable(accounts))
    })
  const named = (name: string, description: string): Command =>
    withAsking(account.command(name), context)
      .description(description)
      .argument('<account>', 'its number or handle')
  named('show', 'one account: session, devices, buddies, mail').action(
    (name: string, _options: unknown, command: Command) =>
      run(command, context, 'account.show', { name }, detailText),
  )
  named('disable', 'let nobody log in with it; its session ends at once').action(
    (name: string, _options: unknown, command: Command) =>
      run(command, context, 'account.disable', { name }, accountLine),
  )
  named('enable', 'let its owner log in again').action(
    (name: string, _options: unknown, command: Command) =>
      run(command, context, 'account.enable', { name }, accountLine),
  )
  named('reset', 'a code with which its owner sets a new password, once')
    .addOption(
      duration('--expires <time>', 'how long the code is good for', DEFAULT_RESET_MS, '1d'),
    )
    .action((name: string, { expires }: { readonly expires: number }, command: Command) =>
      run(command, context, 'account.reset', { name, expires_ms: expires }, resetText),
    )
  named('delete', 'for ever: its buddies lose it from their lists, its mail is gone')
    .option('--free-handle', 'let somebody else take the handle')
    .option('--yes', 'do it without asking')
    .action(
      (
        name: string,
        {
          freeHandle = false,
          yes = false,
        }: { readonly freeHandle?: boolean; readonly yes?: boolean },
        command: Command,
      ) => {
        if (!yes)
          command.error(`error: this cannot be undone; say it with --yes to delete "${name}"`)
        const wish = { name, free_handle: freeHandle }
        return run(command, context, 'account.delete', wish, deletedText)
      },
    )
}

function declareInvites(program: Command, context: AdminContext): void {
  const invite = program.command('invite').description('let people in who have an invitation')
  withAsking(invite.command('create'), context)
    .description('a new invitation; it is shown this once')
    .addOption(
      new Option('--uses <number>', 'how many accounts it makes').default(1).argParser(readUses),
    )
    .addOption(
      new Option('--expires <time>', '90s, 15m, 36h, 7d, or never')
        .default(DEFAULT_INVITE_MS, '7d')
        .argParser((text) => (text === 'never' ? null : readTime(text))),
    )
    .option('--note <text>', 'for your own memory', '')
    .action((options: InviteOptions, command: Command) => {
      const wish = { uses: options.uses, expires_ms: options.expires, note: options.note }
      return run(command, context, 'invite.create', wish, invitationText)
    })
  withAsking(invite.command('list'), context)
    .description('all invitations, the oldest first')
    .action((_options: unknown, command: Command) =>
      run(command, context, 'invite.list', {}, ({ invites }) => inviteTable(invites)),
    )
  withAsking(invite.command('revoke'), context)
    .description('nobody comes in by it any more; who has come stays')
    .argument('<id>', 'as the list shows it, or the invitation itself')
    .action((id: string, _options: unknown, command: Command) =>
      run(command, context, 'invite.revoke', { id }, inviteLine),
    )
}

interface InviteOptions {
  readonly uses: number
  readonly expires: number | null
  readonly note: string
}

function declareServer(program: Command, context: AdminContext): void {
  withAsking(program.command('stats'), context)
    .description('how many are there, and how the server is')
    .action((_options: unknown, command: Command) => run(command, context, 'stats', {}, statsText))
  withAsking(program.command('drain'), context)
    .description('take no new sessions, send all clients away for a while, then end')
    .addOption(duration('--after <time>', 'when the first may come back', 0, '0s'))
    .option('--spread <time>', 'within which they come back (default: by their number)', readTime)
    .addOption(duration('--linger <time>', 'how long STUN and relay go on', 0, '0s'))
    .action((options: DrainOptions, command: Command) => {
      const { after, spread, linger } = options
      const wish = {
        after_ms: after,
        linger_ms: linger,
        ...(spread === undefined ? {} : { spread_ms: spread }),
      }
      return run(command, context, 'drain', wish, drainText)
    })
}

interface DrainOptions {
  readonly after: number
  readonly spread?: number
  readonly linger: number
}

function withAsking(command: Command, { placed }: AdminContext): Command {
  return placed(command).option('--json', 'for programs')
}

async function run<M extends AdminMethod>(
  command: Command,
  context: AdminContext,
  method: M,
  params: AdminParams<M>,
  text: (result: AdminResult<M>) => string,
): Promise<void> {
  const socket = adminSocketOf(await context.settings(command))
  const result = await askServer(socket, method, params)
  tell(command, context, result, () => text(result))
}

function tell(
  command: Command,
  { outside }: AdminContext,
  result: object,
  text: () => string,
): void {
  const { json } = command.opts<{ readonly json?: boolean }>()
  outside.stdout.write(json === true ? `${JSON.stringify(result)}\n` : `${text()}\n`)
}

async function allAccounts(
  command: Command,
  context: AdminContext,
): Promise<AdminResult<'account.list'>['accounts']> {
  const socket = adminSocketOf(await context.settings(command))
  const accounts: AdminResult<'account.list'>['accounts'] = []
  for (let isLast = false; !isLast;) {
    const after = accounts.at(-1)?.number ?? 0
    const page = await askServer(socket, 'account.list', { after })
    accounts.push(...page.accounts)
    isLast = page.isLast
  }
  return accounts
}

function duration(flag: string, help: string, defaultMs: number, shown: string): Option {
  return new Option(flag, help).default(defaultMs, shown).argParser(readTime)
}

function readTime(text: string): number {
  const result = readDuration(text)
  if (!result.ok) throw new InvalidArgumentError(result.why)
  return result.value
}

function readUses(text: string): number {
  if (!/^[1-9]\d{0,4}$/.test(text)) throw new InvalidArgumentError('Expected a number from 1.')
  return Number(text)
}
