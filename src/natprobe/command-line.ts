/** What the user typed, as a typed request. Names are not looked up here. */
import { Command, CommanderError, Option } from 'commander'
import { type Decoded, decoded, malformed } from '../core/decoded.ts'
import { type Endpoint, endpoint, parseEndpoint } from '../core/endpoint.ts'
import type { LifetimeMode } from './lifetime-probe.ts'
import type { Pace } from './timing.ts'

/** RFC 8489 §8.1's default port. */
const STUN_PORT = 3478

/** A server as it was typed; the host may be a name or a literal address. */
export interface ServerName {
  readonly label: string
  readonly host: string
  readonly port: number
}

export interface ProbeRequest {
  readonly servers: readonly ServerName[]
  readonly mode: Pace
  readonly lifetime: LifetimeMode
  readonly isJson: boolean
  readonly families: readonly (4 | 6)[]
  /** Port 0 lets the system choose. */
  readonly bind?: Endpoint
  /** A report to compare with: the name of its file. */
  readonly compareWith?: string
  /** Another host's report: the name of its file; where there is no such file, a buddy. */
  readonly peer?: string
  readonly isAnonymized: boolean
  /** Where to write the page: the name of a file. */
  readonly pageFile?: string
  /** From the start of one run to the start of the next one; absent for a single run. */
  readonly everyMs?: number
}

export type CommandLine =
  | { readonly kind: 'probe'; readonly request: ProbeRequest }
  /** Help or version: to stdout, and done. */
  | { readonly kind: 'shown'; readonly text: string }
  | { readonly kind: 'usage'; readonly text: string }

interface Options {
  readonly json?: boolean
  readonly quick?: boolean
  readonly bind?: string
  readonly lifetime: LifetimeMode
  readonly compare?: string
  readonly peer?: string
  readonly anonymize?: boolean
  readonly every?: string
  readonly report?: string
  readonly '4'?: boolean
  readonly '6'?: boolean
}

const EXIT_CODES = `
Exit status:
  0   direct paths expected
  10  relay likely: the NAT maps by destination
  11  UDP blocked: no server answered, and TCP gets through
  12  captive portal: log in to this network first
  20  inconclusive: too few servers answered, or too much was lost
  2   wrong usage
  70  internal error`

export function readCommandLine(args: readonly string[], version: string): CommandLine {
  const shown: string[] = []
  const command = declared(version, (text) => shown.push(text))
  try {
    command.parse(args, { from: 'user' })
    const request = requestFrom(command.args, command.opts<Options>())
    if (request.ok) return { kind: 'probe', request: request.value }
    return { kind: 'usage', text: `natprobe: ${request.why}\n` }
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error
    return {
      kind: error.exitCode === 0 ? 'shown' : 'usage',
      text: shown.join('').replace(/^error: /, 'natprobe: '),
    }
  }
}

function declared(version: string, write: (text: string) => void): Command {
  return new Command('natprobe')
    .description('Tells what the NAT does between here and the internet, and what can be reached.')
    .argument(
      '[SERVER[:PORT]...]',
      'STUN servers to ask, best one with two addresses; else that of the account in use, else those of natprobe.toml',
    )
    .option('--json', 'print one JSON document (docs/natprobe.schema.json)')
    .option('--quick', 'public address, mapping and filtering only; no lifetimes')
    .addOption(
      new Option(
        '--lifetime <off|quick|full>',
        'how long idle mappings live: not tested, to 60 s, to 300 s',
      )
        .choices(['off', 'quick', 'full'])
        .default('quick'),
    )
    .option(
      '--bind <ADDRESS[:PORT]>',
      'the local address to test; else each interface with a default route',
    )
    .option('--compare <FILE>', 'tell what changed since that report (of --json)')
    .option(
      '--peer <FILE|BUDDY>',
      'predict the path to the host of that report, or to a buddy: strategy, chance, time',
    )
    .option('--anonymize', 'replace addresses and names of servers and interfaces, for bug reports')
    .option('--every <DURATION>', 'repeat (30s, 5m, 1h) and tell what changed')
    .option('--report <FILE.html>', 'write a page with pictures as well')
    .addOption(new Option('-4', 'IPv4 only').conflicts('6'))
    .addOption(new Option('-6', 'IPv6 only').conflicts('4'))
    .version(version)
    .addHelpText('after', EXIT_CODES)
    .configureOutput({ writeOut: write, writeErr: write })
    .exitOverride()
}

function requestFrom(names: readonly string[], options: Options): Decoded<ProbeRequest> {
  const servers: ServerName[] = []
  for (const name of names) {
    const server = parseServerName(name)
    if (!server.ok) return malformed(`"${name}" is no SERVER[:PORT]: ${server.why}`)
    servers.push(server.value)
  }
  const families =
    options['4'] === true
      ? [4 as const]
      : options['6'] === true
        ? [6 as const]
        : [4 as const, 6 as const]
  const everyMs = options.every === undefined ? undefined : parseDuration(options.every)
  if (everyMs?.ok === false) return malformed(`"${options.every}" is no DURATION: ${everyMs.why}`)
  const request = {
    servers,
    mode: options.quick === true ? 'quick' : 'full',
    lifetime: options.quick === true ? 'off' : options.lifetime,
    isJson: options.json === true,
    isAnonymized: options.anonymize === true,
    ...(options.compare === undefined ? {} : { compareWith: options.compare }),
    ...(options.peer === undefined ? {} : { peer: options.peer }),
    ...(options.report === undefined ? {} : { pageFile: options.report }),
    ...(everyMs === undefined ? {} : { everyMs: everyMs.value }),
  } as const
  if (options.bind === undefined) return decoded({ ...request, families })
  const bind = parseBind(options.bind)
  if (!bind.ok) return malformed(`"${options.bind}" is no ADDRESS[:PORT]: ${bind.why}`)
  if (!families.includes(bind.value.family)) {
    return malformed(`--bind ${options.bind} is not of the family that -4 or -6 wants`)
  }
  return decoded({ ...request, families: [bind.value.family], bind: bind.value })
}

const UNITS_MS: Readonly<Record<string, number>> = { s: 1000, m: 60_000, h: 3_600_000 }

/** Public servers are asked about sixty questions a run: not oftener than this. */
const MIN_EVERY_MS = 10_000
/** What a timer can wait. */
const MAX_EVERY_MS = 24 * 3_600_000

function parseDuration(text: string): Decoded<number> {
  const match = /^(\d{1,6})([smh])$/.exec(text)
  const unitMs = UNITS_MS[match?.[2] ?? '']
  if (match === null || unitMs === undefined) return malformed('write 30s, 5m or 1h')
  const ms = Number(match[1]) * unitMs
  if (ms < MIN_EVERY_MS || ms > MAX_EVERY_MS) return malformed('from 10s to 24h')
  return decoded(ms)
}

/** `stun.example.org`, `stun.example.org:3479`, `192.0.2.1:3479`, `2001:db8::1`, `[2001:db8::1]:3479`. */
export function parseServerName(label: string): Decoded<ServerName> {
  const literal = endpoint(label.replace(/^\[(.*)\]$/, '$1'), STUN_PORT)
  if (literal.ok) return decoded({ label, host: literal.value.address, port: STUN_PORT })
  const match = /^(?:\[([0-9a-fA-F:.]+)\]|([^\s:[\]/@]+))(?::(\d{1,5}))?$/.exec(label)
  const host = match?.[1] ?? match?.[2]
  if (host === undefined) return malformed('neither a host name nor an address')
  const port = match?.[3] === undefined ? STUN_PORT : Number(match[3])
  if (port < 1 || port > 65_535) return malformed('port out of range')
  return decoded({ label, host, port })
}

function parseBind(text: string): Decoded<Endpoint> {
  const address = endpoint(text.replace(/^\[(.*)\]$/, '$1'), 0)
  return address.ok ? address : parseEndpoint(text)
}
