/**
 * The commands of `holler`, and how a run of it ends.
 *
 * A command is declared (name, arguments, options, help) in `declare/`; the code that does its work is in
 * `commands/` and is loaded only when it is chosen: the program starts fast, and most runs need one of them.
 */
import { readFileSync } from 'node:fs'
import { Command, CommanderError, InvalidArgumentError } from 'commander'
import { CommandContext } from './context.ts'
import { declareAccount } from './declare/account.ts'
import { declareBuddy } from './declare/buddy.ts'
import { declareIdentity } from './declare/identity.ts'
import { declareMessages } from './declare/messages.ts'
import { declareNet } from './declare/net.ts'
import type { Run } from './declare/run.ts'
import { declareStatus } from './declare/status.ts'
import { parseDuration } from './duration.ts'
import { CommandFailure, failureFrom, usageFailure } from './failure.ts'
import type { Outside } from './outside.ts'
import { Output } from './output.ts'
import { Interrupted } from './password.ts'
import { controlSocketPath } from '../io/control-socket-path.ts'

interface ParsedGlobals {
  readonly json?: boolean
  readonly quiet?: boolean
  readonly socket?: string
  readonly timeout?: number
}

const EXAMPLES = `
Examples:
  holler account login --server 'holler://chat.example.org:7443?pin=sha256-…' --user alice
  holler buddy add bob --note 'It is me, Alice'
  holler send bob 'Are you there?' --wait delivered
  uptime | holler send bob -
  holler events --follow --name my-bot | jq -r '.data.text'
  holler net path bob

Exit status: 0 done, 1 internal error, 2 usage, 3 no daemon, 4 not logged in, 5 forbidden, 6 not found, 7 timeout,
  8 identity changed, 9 busy, 10 server unreachable, 11 conflict, 12 too large, 13 rejected, 14 session replaced,
  15 unsupported.`

/** Runs one command line to its end. The result is the exit status; failures have been told on stderr. */
export async function runHoller(
  args: readonly string[],
  outside: Outside,
): Promise<number | 'interrupted'> {
  try {
    await createProgram(outside).parseAsync([...args], { from: 'user' })
    return 0
  } catch (error) {
    if (error instanceof Interrupted) return 'interrupted'
    if (isReaderGone(error)) return 0
    if (error instanceof CommanderError && error.exitCode === 0) return 0 // --help, --version
    return await told(asFailure(error), args, outside)
  }
}

function createProgram(outside: Outside): Command {
  const program = new Command('holler')
    .description('Talks to people through hollerd, the daemon that runs in the background')
    .version(version(), '-V, --version')
    .option('--json', 'answer in JSON on stdout, errors in JSON on stderr')
    .option('-q, --quiet', 'print nothing but errors')
    .option('--socket <path>', "the daemon's control socket (environment: HOLLER_SOCKET)")
    .option('--timeout <duration>', 'wait this long for an answer: 500ms, 30s, 2m', duration)
    .helpCommand('help [command]', 'show a command’s options and examples')
    .configureHelp({ showGlobalOptions: true })
    .configureOutput({
      writeOut: (text) => outside.stdout.write(text),
      writeErr: (text) => outside.stderr.write(text),
      outputError: () => undefined, // told by `runHoller`, as text or JSON
    })
    .exitOverride()
    .addHelpText('after', EXAMPLES)
  const run = runner(program, outside)
  for (const declare of [
    declareStatus,
    declareAccount,
    declareBuddy,
    declareIdentity,
    declareMessages,
    declareNet,
  ]) {
    declare(program, run)
  }
  return program
}

function runner(program: Command, outside: Outside): Run {
  return async (work) => {
    const { json, quiet, socket, timeout } = program.opts<ParsedGlobals>()
    const context = new CommandContext(outside, {
      json: json === true,
      quiet: quiet === true,
      socketPath: controlSocketPath(socket, outside.env),
      timeoutMs: timeout,
    })
    try {
      await work(context)
    } finally {
      await context.close()
    }
  }
}

function asFailure(error: unknown): CommandFailure {
  if (!(error instanceof CommanderError)) return failureFrom(error)
  if (error.code === 'commander.help') return usageFailure('Which command? See above')
  return usageFailure(error.message.replace(/^error: /, ''))
}

async function told(
  failure: CommandFailure,
  args: readonly string[],
  outside: Outside,
): Promise<number> {
  // The options may not have been read yet: a mistake in the command line is told in JSON too.
  const json = args.slice(0, endOfOptions(args)).includes('--json')
  await new Output(outside, { json, quiet: false }).failure(failure).catch(() => undefined)
  return failure.exitStatus
}

function endOfOptions(args: readonly string[]): number {
  const end = args.indexOf('--')
  return end === -1 ? args.length : end
}

function isReaderGone(error: unknown): boolean {
  return (error as NodeJS.ErrnoException | undefined)?.code === 'EPIPE'
}

function duration(text: string): number {
  const ms = parseDuration(text)
  if (ms === undefined)
    throw new InvalidArgumentError('Examples: 500ms, 30s, 2m, 1h (a day at most).')
  return ms
}

function version(): string {
  const file = readFileSync(new URL('../../package.json', import.meta.url), 'utf8')
  return (JSON.parse(file) as { version: string }).version
}
