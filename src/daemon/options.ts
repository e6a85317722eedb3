/**
 * What `hollerd` was told: flags before environment, before the user's file, before the one in /etc, before defaults.
 * The keys of a file are the names of the flags.
 */
import { join } from 'node:path'
import { Command, InvalidArgumentError, Option } from 'commander'
import { z } from 'zod'
import { type Decoded, decoded, malformed } from '../core/decoded.ts'
import { endpoint, parseEndpoint } from '../core/endpoint.ts'
import { HollerError } from '../core/holler-error.ts'
import { type ConfigFile, readConfigFile, readConfigFileIfThere } from '../io/config-file.ts'
import { type LogFormat, type LogLevel, logLevels } from '../io/log.ts'
import type { BindAddress } from './network.ts'

export interface DaemonSettings {
  readonly stateDirectory: string
  readonly socketPath: string
  readonly bind?: BindAddress
  /** Whether the gateway may be asked to forward a port. */
  readonly mapsPorts: boolean
  /** Whether ports may be guessed at where NATs give every destination another one. */
  readonly guessesPorts: boolean
  readonly logLevel: LogLevel
  readonly logFormat: LogFormat
}

export type Environment = Readonly<Record<string, string | undefined>>

const LOG_FORMATS = ['text', 'json'] as const
const SYSTEM_CONFIG = '/etc/holler/hollerd.toml'
const SYSTEM_RUNTIME_DIRECTORY = '/run/holler'
const SYSTEM_STATE_DIRECTORY = '/var/lib/holler'

const file = z.strictObject({
  'state-dir': z.exactOptional(z.string().min(1)),
  socket: z.exactOptional(z.string().min(1)),
  bind: z.exactOptional(z.string()),
  'port-mapping': z.exactOptional(z.boolean()),
  'port-guessing': z.exactOptional(z.boolean()),
  'log-level': z.exactOptional(z.enum(logLevels)),
  'log-format': z.exactOptional(z.enum(LOG_FORMATS)),
})

type Settings = z.output<typeof file>

interface Flags {
  readonly config?: string
  readonly stateDir?: string
  readonly socket?: string
  readonly bind?: string
  /** commander says `true` where `--no-port-mapping` is absent. */
  readonly portMapping: boolean
  readonly portGuessing: boolean
  readonly logLevel?: LogLevel
  readonly logFormat?: LogFormat
}

/**
 * @throws CommanderError for a wrong command line (and, with exit code 0, for `--help` and `--version`).
 * @throws HollerError `CONFIG_INVALID` naming the file and the key.
 */
export async function readSettings(
  args: readonly string[],
  environment: Environment,
  version: string,
): Promise<DaemonSettings> {
  const flags = commandLine(version)
    .parse([...args], { from: 'user' })
    .opts<Flags>()
  const { bind, ...settings } = {
    ...defaults(environment),
    ...(await fileSettings(flags.config, environment)),
    ...present({ socket: nonEmpty(environment['HOLLER_SOCKET']) }),
    ...present({
      'state-dir': flags.stateDir,
      socket: flags.socket,
      bind: flags.bind,
      'port-mapping': flags.portMapping ? undefined : false,
      'port-guessing': flags.portGuessing ? undefined : false,
      'log-level': flags.logLevel,
      'log-format': flags.logFormat,
    }),
  }
  return {
    stateDirectory: settings['state-dir'],
    socketPath: settings.socket,
    ...(bind === undefined ? {} : { bind: bindAddress(bind) }),
    mapsPorts: settings['port-mapping'],
    guessesPorts: settings['port-guessing'],
    logLevel: settings['log-level'],
    logFormat: settings['log-format'],
  }
}

function commandLine(version: string): Command {
  return new Command('hollerd')
    .description('The background daemon of one holler account; `holler` talks to it')
    .version(version, '-V, --version')
    .option('--config <file>', 'read settings from this TOML file alone')
    .option('--state-dir <dir>', 'where keys, history and queue live (made when missing)')
    .option('--socket <path>', 'the control socket (environment: HOLLER_SOCKET)')
    .option(
      '--bind <address[:port]>',
      'the UDP address and port; default: all, any port',
      checkBind,
    )
    .option('--no-port-mapping', 'ask no router to forward a port (by PCP, NAT-PMP or UPnP)')
    .option('--no-port-guessing', 'neither predict nor try ports of a peer’s router')
    .addOption(new Option('--log-level <level>', 'how much to log').choices([...logLevels]))
    .addOption(new Option('--log-format <format>', 'for people or programs').choices(LOG_FORMATS))
    .allowExcessArguments(false)
    .exitOverride()
}

function checkBind(text: string): string {
  if (!readBind(text).ok) throw new InvalidArgumentError('Not ADDRESS or ADDRESS:PORT.')
  return text
}

/** `192.0.2.1`, `192.0.2.1:5000`, `2001:db8::1`, `[2001:db8::1]:5000`; without a port the system chooses one. */
function readBind(text: string): Decoded<BindAddress> {
  const withoutPort = endpoint(text.replace(/^\[(.*)\]$/, '$1'), 0)
  const result = withoutPort.ok ? withoutPort : parseEndpoint(text)
  if (!result.ok) return malformed(result.why)
  return decoded({ address: result.value.address, port: result.value.port })
}

function bindAddress(text: string): BindAddress {
  const result = readBind(text)
  if (result.ok) return result.value
  throw new HollerError('CONFIG_INVALID', `"bind": ${notABind(text)}`)
}

function notABind(text: string): string {
  return `"${text}" is not ADDRESS or ADDRESS:PORT`
}

async function fileSettings(
  chosen: string | undefined,
  environment: Environment,
): Promise<Settings> {
  if (chosen !== undefined) return settingsOf(await readConfigFile(chosen))
  let settings: Settings = {}
  for (const path of defaultFiles(environment)) {
    const found = await readConfigFileIfThere(path)
    if (found !== undefined) settings = { ...settings, ...settingsOf(found) }
  }
  return settings
}

function settingsOf(config: ConfigFile): Settings {
  const result = file.safeParse(config.values)
  if (result.success) {
    const { bind } = result.data
    if (bind !== undefined && !readBind(bind).ok) throw config.fault('bind', notABind(bind))
    return result.data
  }
  const [issue] = result.error.issues
  if (issue?.code === 'unrecognized_keys') {
    throw config.unknownKey(issue.keys[0] ?? '', Object.keys(file.shape))
  }
  throw config.fault(issue?.path.join('.') ?? '', issue?.message ?? 'cannot be used')
}

/** The more important file last. */
function defaultFiles(environment: Environment): readonly string[] {
  const home = nonEmpty(environment['HOME'])
  const user =
    nonEmpty(environment['XDG_CONFIG_HOME']) ??
    (home === undefined ? undefined : join(home, '.config'))
  return [SYSTEM_CONFIG, ...(user === undefined ? [] : [join(user, 'holler', 'hollerd.toml')])]
}

function defaults(environment: Environment): Required<Omit<Settings, 'bind'>> & Settings {
  return {
    'state-dir': defaultStateDirectory(environment),
    socket: join(defaultRuntimeDirectory(environment), 'control.sock'),
    'port-mapping': true,
    'port-guessing': true,
    'log-level': 'info',
    'log-format': 'text',
  }
}

/** systemd's directory (the first, where the unit names several), the user's by XDG, or the system's. */
function defaultStateDirectory(environment: Environment): string {
  const home = nonEmpty(environment['HOME'])
  const xdg =
    nonEmpty(environment['XDG_STATE_HOME']) ??
    (home === undefined ? undefined : join(home, '.local', 'state'))
  return (
    firstDirectory(environment['STATE_DIRECTORY']) ??
    (xdg === undefined ? SYSTEM_STATE_DIRECTORY : join(xdg, 'holler'))
  )
}

function defaultRuntimeDirectory(environment: Environment): string {
  const xdg = nonEmpty(environment['XDG_RUNTIME_DIR'])
  return (
    firstDirectory(environment['RUNTIME_DIRECTORY']) ??
    (xdg === undefined ? SYSTEM_RUNTIME_DIRECTORY : join(xdg, 'holler'))
  )
}

function firstDirectory(list: string | undefined): string | undefined {
  return nonEmpty(list?.split(':', 1)[0])
}

function nonEmpty(text: string | undefined): string | undefined {
  return text === '' ? undefined : text
}

/** Only what was said: an absent setting must not hide a less important one. */
function present<T extends object>(settings: T): { [K in keyof T]?: NonNullable<T[K]> } {
  const entries = Object.entries(settings).filter(([, value]) => value !== undefined)
  return Object.fromEntries(entries) as { [K in keyof T]?: NonNullable<T[K]> }
}
