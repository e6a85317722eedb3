/**
 * The command line of `holler-server`: what may be said, and which exit status says how it went. `main.ts` ties it to
 * the real process.
 */
import { readFileSync } from 'node:fs'
import { Command, CommanderError, InvalidArgumentError, Option } from 'commander'
import { type ErrorCode, HollerError } from '../core/holler-error.ts'
import { AdminFailure, type AdminFailureKind } from './admin/admin-client.ts'
import { declareAdmin } from './admin/commands.ts'
import type { CommandOutside } from './command-outside.ts'
import { DamagedData } from './damaged-data.ts'
import { DataDirectory, LINK_FILE, TICKET_KEY_FILE } from './data-directory.ts'
import {
  dataOf,
  DataNotNamed,
  readSettings,
  serverSettings,
  SETTING_KEYS,
  type SettingKey,
  type Settings,
  SETTINGS,
  type SettingsInput,
  type SettingValues,
  shownSetting,
  SYSTEM_CONFIG,
} from './settings.ts'

/** As commander gives them. */
type Flags = { readonly config?: string } & Readonly<Record<string, unknown>>

/** sysexits.h: what a service manager or a script can tell from the exit status. */
const exits = {
  usage: 64, // EX_USAGE
  damaged: 65, // EX_DATAERR
  noInput: 66, // EX_NOINPUT
  unavailable: 69, // EX_UNAVAILABLE
  software: 70, // EX_SOFTWARE
  cannotCreate: 73, // EX_CANTCREAT
  tryLater: 75, // EX_TEMPFAIL
  notPermitted: 77, // EX_NOPERM
  configuration: 78, // EX_CONFIG
} as const

const exitOfError: Partial<Record<ErrorCode, number>> = {
  PORT_TAKEN: exits.unavailable,
  STORE_UNUSABLE: exits.cannotCreate,
  ALREADY_RUNNING: exits.tryLater,
  CONFIG_INVALID: exits.configuration,
  NOT_FOUND: exits.noInput,
}

const exitOfFailure: Partial<Record<AdminFailureKind, number>> = {
  invalid_params: exits.usage,
  unsupported: exits.usage,
  not_found: exits.noInput,
  unreachable: exits.unavailable,
  too_large: exits.tryLater,
  busy: exits.tryLater,
  not_permitted: exits.notPermitted,
}

const EXAMPLES = `
Examples:
  holler-server --data /var/lib/holler-server
  holler-server --data ./community --listen 192.0.2.10:7443 --open-registration
  holler-server --data ./community --udp 192.0.2.10:3478 --udp-alt 192.0.2.11:3479
  holler-server link --data ./community
  holler-server --role relay --data ./relay --trust "$(ssh home holler-server relay-key)"
  holler-server backup --data /var/lib/holler-server --to /backup/holler
  holler-server config check --config ./server.toml
  holler-server invite create --uses 5 --expires 2d --data ./community
  holler-server account list --data ./community

A flag comes before the variable HOLLER_SERVER_NAME, that before the file, that before the default.
SIGHUP reads the file again; a bad one is told in the log, and the old settings stay.

Exit status: 0 ended by SIGTERM or SIGINT, 64 usage, 65 damaged store or backup, 66 no such account,
  invitation, link or store, 69 port taken or no server answers, 70 internal error, 73 data
  directory unusable, 75 another server uses the data directory, 77 not permitted,
  78 configuration or address unusable.`

/** Runs one command line to its end. The result is the exit status; failures have been told on stderr. */
export async function runCommandLine(
  args: readonly string[],
  outside: CommandOutside,
): Promise<number> {
  try {
    await createProgram(outside).parseAsync([...args], { from: 'user' })
    return 0
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : exits.usage
    if (error instanceof AdminFailure) {
      outside.stderr.write(`holler-server: ${error.message}\n`)
      return exitOfFailure[error.kind] ?? exits.software
    }
    if (error instanceof HollerError) {
      outside.stderr.write(`holler-server: ${error.message}\n`)
      if (error instanceof DataNotNamed) return exits.usage
      if (error instanceof DamagedData) return exits.damaged
      return exitOfError[error.code] ?? exits.software
    }
    const why = error instanceof Error ? (error.stack ?? error.message) : String(error)
    outside.stderr.write(`holler-server: ${why}\n`)
    return exits.software
  }
}

async function serve(flags: Flags, outside: CommandOutside): Promise<void> {
  const read = (): Promise<Settings> => readSettings(inputOf(flags, outside))
  const settings = await read()
  const wanted = serverSettings(settings)
  // Loaded only to serve: the other commands are quick.
  const { serveUntilEnd } = await import('./serve.ts')
  await serveUntilEnd({ settings, wanted, read, outside, version: version() })
}

/** Prints what the last start has left, whether the server runs now or not. */
async function printFile(name: string, flags: Flags, outside: CommandOutside): Promise<void> {
  const data = dataOf((await readSettings(inputOf(flags, outside))).values)
  const text = await new DataDirectory(data).read(name)
  if (text === undefined) {
    throw new HollerError(
      'NOT_FOUND',
      `No server has listened yet with the data directory "${data}"`,
    )
  }
  outside.stdout.write(text)
}

/** Prints each setting that something names, and what names it; the rest are defaults. */
async function checkConfig(flags: Flags, outside: CommandOutside): Promise<void> {
  const settings = await readSettings(inputOf(flags, outside))
  serverSettings(settings)
  for (const key of SETTING_KEYS) {
    const value = settings.values[key]
    if (value === undefined) continue
    outside.stdout.write(`${key} = ${shownSetting(value)}  # ${settings.sources[key] ?? ''}\n`)
  }
}

/** Loaded only for these: all else is quick. */
async function withStoreCommands(
  flags: Flags,
  outside: CommandOutside,
  run: (commands: typeof import('./store-commands.ts'), data: string) => Promise<void>,
): Promise<void> {
  const data = dataOf((await readSettings(inputOf(flags, outside))).values)
  await run(await import('./store-commands.ts'), data)
}

function addStoreCommands(program: Command, outside: CommandOutside): void {
  placed(program.command('check'))
    .description('look through the whole store; a server may be running')
    .option('--repair', 'mend what can be mended; no server may be running')
    .action(async (_options: unknown, command: Command) => {
      const flags = flagsOf(command)
      await withStoreCommands(flags, outside, ({ checkStore }, data) =>
        checkStore(data, flags['repair'] === true, outside),
      )
    })
  placed(program.command('backup'))
    .description('write everything a server keeps into one file; it may be running')
    .requiredOption(
      '--to <file>',
      'the file; one that is there is replaced when the new one is whole',
    )
    .action(async ({ to }: { to: string }, command: Command) => {
      await withStoreCommands(flagsOf(command), outside, ({ backUp }, data) =>
        backUp(data, { to, program: `holler-server ${version()}` }, outside),
      )
    })
  placed(program.command('restore'))
    .description('put a backup into an empty data directory')
    .requiredOption('--from <file>', 'the file that backup has written')
    .action(async ({ from }: { from: string }, command: Command) => {
      await withStoreCommands(flagsOf(command), outside, ({ restore }, data) =>
        restore(data, from, outside),
      )
    })
}

function inputOf({ config, ...flags }: Flags, { environment }: CommandOutside): SettingsInput {
  const values = Object.fromEntries(
    SETTING_KEYS.map((key) => [key, flags[camelCased(key)]]).filter(
      ([, value]) => value !== undefined,
    ),
  ) as Partial<SettingValues>
  return { flags: values, environment, ...(config === undefined ? {} : { config }) }
}

/** As commander names an option. */
function camelCased(key: string): string {
  return key.replace(/-(\w)/g, (_match, letter: string) => letter.toUpperCase())
}

function createProgram(outside: CommandOutside): Command {
  const program = new Command('holler-server')
    .description('Accounts, presence, introductions, STUN and relay for hollerd')
    .version(version(), '-V, --version')
    .exitOverride()
    .configureOutput({
      writeOut: (text) => outside.stdout.write(text),
      writeErr: (text) => outside.stderr.write(text),
    })
    .addHelpText('after', EXAMPLES)
  program.option('--config <file>', `TOML; its keys are these flags (default: ${SYSTEM_CONFIG})`)
  for (const key of SETTING_KEYS) program.addOption(settingOption(key))
  program.action((_options: unknown, command: Command) => serve(flagsOf(command), outside))
  placed(program.command('link'))
    .description('print the link that people need to find and to trust this server')
    .action((_options: unknown, command: Command) =>
      printFile(LINK_FILE, flagsOf(command), outside),
    )
  placed(program.command('relay-key'))
    .description('print the key that a relay elsewhere must trust (its --trust)')
    .action((_options: unknown, command: Command) =>
      printFile(TICKET_KEY_FILE, flagsOf(command), outside),
    )
  program
    .command('config')
    .description('look at the configuration')
    .command('check')
    .description('check every setting, and show where each comes from')
    .option('--config <file>', 'the file to check')
    .action((_options: unknown, command: Command) => checkConfig(flagsOf(command), outside))
  declareAdmin(program, {
    outside,
    placed: (command) => placed(command).addOption(settingOption('admin-socket')),
    settings: (command) => readSettings(inputOf(flagsOf(command), outside)),
  })
  addStoreCommands(program, outside)
  return program
}

/** With the options by which a subcommand finds the server; they may stand before or after its name. */
function placed(command: Command): Command {
  return command
    .option('--config <file>', 'the configuration file of the server')
    .addOption(settingOption('data'))
}

function flagsOf(command: Command): Flags {
  return command.optsWithGlobals<Flags>()
}

function settingOption(key: SettingKey): Option {
  const { flag, help, read } = SETTINGS[key]
  const option = new Option(flag, help)
  if (!flag.includes('<')) return option
  return option.argParser((text) => {
    const result = read(text)
    if (!result.ok) throw new InvalidArgumentError(result.why)
    return result.value
  })
}

function version(): string {
  const url = new URL('../../package.json', import.meta.url)
  return (JSON.parse(readFileSync(url, 'utf8')) as { version: string }).version
}
