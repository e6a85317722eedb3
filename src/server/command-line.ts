/**
 * The command line of `holler-server`: what may be said, and which exit status says how it went. `main.ts` ties it to
 * the real process.
 */
import { readFileSync } from 'node:fs'
import { Command, CommanderError, InvalidArgumentError, Option } from 'commander'
import { type ErrorCode, HollerError } from '../core/holler-error.ts'
import { createLogger, type LogFormat, type LogLevel, logLevels } from '../io/log.ts'
import { systemRandom } from '../io/random.ts'
import { systemClock } from '../io/system-clock.ts'
import { DEFAULT_SERVER_PORT } from '../protocol/server/link.ts'
import { DataDirectory, LINK_FILE } from './data-directory.ts'
import { type HostPort, parseHostPort } from './host-port.ts'

/** The process that the command line is run by. */
export interface CommandOutside {
  readonly stdout: { write(text: string): unknown }
  readonly stderr: { write(text: string): unknown }
  /** Resolves when the server is asked to end, with the signal's name. */
  readonly ending: () => Promise<string>
}

/** RFC 8489 §2: STUN's own port. */
const DEFAULT_UDP_PORT = 3478
const DEFAULT_LISTEN = `0.0.0.0:${DEFAULT_SERVER_PORT}`

/** sysexits.h: what a service manager or a script can tell from the exit status. */
const exits = {
  usage: 64, // EX_USAGE
  noInput: 66, // EX_NOINPUT
  unavailable: 69, // EX_UNAVAILABLE
  software: 70, // EX_SOFTWARE
  cannotCreate: 73, // EX_CANTCREAT
  tryLater: 75, // EX_TEMPFAIL
  configuration: 78, // EX_CONFIG
} as const

const exitOfError: Partial<Record<ErrorCode, number>> = {
  PORT_TAKEN: exits.unavailable,
  STORE_UNUSABLE: exits.cannotCreate,
  ALREADY_RUNNING: exits.tryLater,
  CONFIG_INVALID: exits.configuration,
  NOT_FOUND: exits.noInput,
}

const EXAMPLES = `
Examples:
  holler-server --data /var/lib/holler-server
  holler-server --data ./community --listen 192.0.2.10:7443 --open-registration
  holler-server --data ./community --udp 192.0.2.10:3478 --udp-alt 192.0.2.11:3479
  holler-server link --data ./community

Exit status: 0 ended by SIGTERM or SIGINT, 64 usage, 66 no link yet, 69 port taken, 70 internal error,
  73 data directory unusable, 75 another server uses the data directory, 78 address unusable.`

interface RunOptions {
  readonly data?: string
  readonly listen: HostPort
  readonly udp?: HostPort
  readonly udpAlt?: HostPort
  readonly udpEgress?: readonly number[]
  readonly publicHost?: string
  readonly openRegistration?: boolean
  readonly logLevel: LogLevel
  readonly logFormat: LogFormat
}

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
    if (error instanceof HollerError) {
      outside.stderr.write(`holler-server: ${error.message}\n`)
      return exitOfError[error.code] ?? exits.software
    }
    const why = error instanceof Error ? (error.stack ?? error.message) : String(error)
    outside.stderr.write(`holler-server: ${why}\n`)
    return exits.software
  }
}

async function serve(
  options: RunOptions,
  command: Command,
  outside: CommandOutside,
): Promise<void> {
  const dataDirectory = dataOf(command)
  // Loaded only to serve: `link` and `--help` are quick.
  const { startServer } = await import('./server.ts')
  const logger = createLogger({
    name: 'holler-server',
    level: options.logLevel,
    format: options.logFormat,
  })
  const server = await startServer({
    dataDirectory,
    listen: options.listen,
    udp: options.udp ?? { host: options.listen.host, port: DEFAULT_UDP_PORT },
    isRegistrationOpen: options.openRegistration === true,
    clock: systemClock,
    random: systemRandom,
    logger,
    ...(options.udpAlt === undefined ? {} : { udpAlternate: options.udpAlt }),
    ...(options.udpEgress === undefined ? {} : { udpEgress: options.udpEgress }),
    ...(options.publicHost === undefined ? {} : { publicHost: options.publicHost }),
  })
  outside.stdout.write(`${server.link}\n`)
  const signal = await outside.ending()
  logger.info('ending', { signal })
  await server.close()
}

/** Prints the link of the last start, whether the server runs now or not. */
async function printLink(command: Command, { stdout }: CommandOutside): Promise<void> {
  const data = dataOf(command)
  const link = await new DataDirectory(data).read(LINK_FILE)
  if (link === undefined) {
    throw new HollerError(
      'NOT_FOUND',
      `No server has listened yet with the data directory "${data}"`,
    )
  }
  stdout.write(link)
}

/** Before or after the subcommand's name; so neither of the two can require it by itself. */
function dataOf(command: Command): string {
  const { data } = command.optsWithGlobals<{ readonly data?: string }>()
  return data ?? command.error("error: required option '--data <directory>' not specified")
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
  program
    .option('--data <directory>', 'where everything is kept; made at the first start')
    .addOption(
      address('--listen <host:port>', 'TCP with TLS 1.3', DEFAULT_SERVER_PORT).default(
        hostPort(DEFAULT_SERVER_PORT)(DEFAULT_LISTEN),
        DEFAULT_LISTEN,
      ),
    )
    .addOption(
      address(
        '--udp <host:port>',
        `STUN and relay (default: the host of --listen, port ${DEFAULT_UDP_PORT})`,
        DEFAULT_UDP_PORT,
      ),
    )
    .addOption(
      address(
        '--udp-alt <host:port>',
        'second STUN address and port, so that clients can find out what their NAT does',
        DEFAULT_UDP_PORT + 1,
      ),
    )
    .option(
      '--udp-egress <ports>',
      'more UDP ports on the --udp address, for clients that reach no other: 53,443',
      portList,
    )
    .option('--public-host <name>', 'what clients are told to connect to, if not the --listen host')
    .option('--open-registration', 'let anybody who can connect make an account')
    .addOption(
      new Option('--log-level <level>', 'how much to log').choices(logLevels).default('info'),
    )
    .addOption(
      new Option('--log-format <format>', 'for people or for machines')
        .choices(['text', 'json'])
        .default('text'),
    )
    .action((options: RunOptions, command: Command) => serve(options, command, outside))
  program
    .command('link')
    .description('print the link that people need to find and to trust this server')
    .option('--data <directory>', 'the data directory of the server')
    .action((_options: unknown, command: Command) => printLink(command, outside))
  return program
}

function address(flags: string, help: string, defaultPort: number): Option {
  return new Option(flags, help).argParser(hostPort(defaultPort))
}

function hostPort(defaultPort: number): (text: string) => HostPort {
  return (text) => {
    const parsed = parseHostPort(text, defaultPort)
    if (parsed === undefined) throw new InvalidArgumentError('Expected HOST:PORT or [IPV6]:PORT.')
    return parsed
  }
}

/** As many as `natprobe` asks for, and some. */
const MAX_EGRESS_PORTS = 12

function portList(text: string): readonly number[] {
  const ports = text.split(',').map((part) => (/^\d{1,5}$/.test(part) ? Number(part) : -1))
  if (ports.length > MAX_EGRESS_PORTS || ports.some((port) => port < 0 || port > 65_535)) {
    throw new InvalidArgumentError(`Expected at most ${MAX_EGRESS_PORTS} ports: 53,443.`)
  }
  return ports
}

function version(): string {
  const url = new URL('../../package.json', import.meta.url)
  return (JSON.parse(readFileSync(url, 'utf8')) as { version: string }).version
}
