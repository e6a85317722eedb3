/**
 * What `holler-server` was told: flags before environment, before the configuration file, before defaults. There is
 * one table of settings; a setting's key in the file is its flag without the dashes, and its variable is
 * `HOLLER_SERVER_` and the key in capitals.
 */
import { join, resolve } from 'node:path'
import { type Decoded, decoded, malformed } from '../core/decoded.ts'
import { HollerError } from '../core/holler-error.ts'
import { type ConfigFile, readConfigFile, readConfigFileIfThere } from '../io/config-file.ts'
import { type LogFormat, type LogLevel, logLevels } from '../io/log.ts'
import { parseRelayLink, parseTicketKey, type RelayLink } from '../protocol/relay/link.ts'
import { DEFAULT_SERVER_PORT } from '../protocol/server/link.ts'
import { MAX_RELAYS } from '../protocol/server/messages.ts'
import { type HostPort, parseHostPort } from './host-port.ts'

export type Environment = Readonly<Record<string, string | undefined>>

/** Read when no `--config` names another. */
export const SYSTEM_CONFIG = '/etc/holler/server.toml'

/** RFC 8489 §2: STUN's own port. */
export const DEFAULT_UDP_PORT = 3478
const DEFAULT_LISTEN: HostPort = { host: '0.0.0.0', port: DEFAULT_SERVER_PORT }

/** Registered with nobody, and next to none of Prometheus' own. */
const DEFAULT_METRICS_PORT = 9478

/** As many as `natprobe` asks for, and some. */
const MAX_EGRESS_PORTS = 12

const ROLES = ['server', 'relay'] as const
export type ServerRole = (typeof ROLES)[number]

/** Servers that share a relay: each costs a signature check of 0.1 ms for a forged ticket. */
const MAX_TRUSTED = 16

const LOG_FORMATS = ['text', 'json'] as const

/** What can be set, as typed values. Absent is not set. */
export interface SettingValues {
  readonly data: string
  readonly listen: HostPort
  readonly udp: HostPort
  readonly 'udp-alt': HostPort
  readonly 'udp-egress': readonly number[]
  readonly 'public-host': string
  readonly 'open-registration': boolean
  readonly 'admin-socket': string
  readonly metrics: HostPort
  readonly cert: string
  readonly key: string
  readonly role: ServerRole
  readonly trust: readonly string[]
  readonly relay: readonly string[]
  readonly 'log-level': LogLevel
  readonly 'log-format': LogFormat
}

export type SettingKey = keyof SettingValues

interface Setting<T> {
  /** As commander wants it; without a value it is a yes. */
  readonly flag: string
  readonly help: string
  /** Reads a value of the file; text of a flag or of the environment is one too. `why` says what is allowed. */
  readonly read: (value: unknown) => Decoded<T>
  /** Whether a running server takes a new value at SIGHUP. */
  readonly isReloadable?: true
}

export const SETTINGS: { readonly [K in SettingKey]: Setting<SettingValues[K]> } = {
  data: {
    flag: '--data <directory>',
    help: 'where everything is kept; made at the first start',
    read: readPath,
  },
  listen: {
    flag: '--listen <host:port>',
    help: `TCP with TLS 1.3 (default: ${shown(DEFAULT_LISTEN)})`,
    read: hostPort(DEFAULT_SERVER_PORT),
  },
  udp: {
    flag: '--udp <host:port>',
    help: `STUN and relay (default: the host of --listen, port ${DEFAULT_UDP_PORT})`,
    read: hostPort(DEFAULT_UDP_PORT),
  },
  'udp-alt': {
    flag: '--udp-alt <host:port>',
    help: 'second STUN address and port, so that clients can find out what their NAT does',
    read: hostPort(DEFAULT_UDP_PORT + 1),
  },
  'udp-egress': {
    flag: '--udp-egress <ports>',
    help: 'more UDP ports on the --udp address, for clients that reach no other: 53,443',
    read: readPorts,
  },
  'public-host': {
    flag: '--public-host <name>',
    help: 'what clients are told to connect to, if not the --listen host',
    read: readText,
  },
  'open-registration': {
    flag: '--open-registration',
    help: 'let anybody who can connect make an account',
    read: readYes,
    isReloadable: true,
  },
  'admin-socket': {
    flag: '--admin-socket <path>',
    help: 'where administration is served (default: admin.sock in the data directory)',
    read: readPath,
  },
  metrics: {
    flag: '--metrics <host:port>',
    help: 'HTTP for Prometheus and health checks (default: none)',
    read: hostPort(DEFAULT_METRICS_PORT),
  },
  cert: {
    flag: '--cert <file>',
    help: 'a certificate (PEM, with its chain) instead of the self-made one; needs --key',
    read: readPath,
  },
  key: { flag: '--key <file>', help: 'its private key (PEM)', read: readPath },
  role: {
    flag: '--role <role>',
    help: 'server: everything; relay: STUN and the relay alone, for servers elsewhere (default: server)',
    read: oneOf(ROLES),
  },
  trust: {
    flag: '--trust <keys>',
    help: 'of a relay: the servers whose tickets it takes, as their "holler-server relay-key" prints them',
    read: listOf(MAX_TRUSTED, parseTicketKey),
  },
  relay: {
    flag: '--relay <links>',
    help: 'of a server: relays elsewhere that take its tickets, by the links that they print',
    read: listOf(MAX_RELAYS, parseRelayLink),
  },
  'log-level': {
    flag: '--log-level <level>',
    help: `how much to log: ${logLevels.join(', ')} (default: info)`,
    read: oneOf(logLevels),
    isReloadable: true,
  },
  'log-format': {
    flag: '--log-format <format>',
    help: 'for people or for machines: text, json (default: text)',
    read: oneOf(LOG_FORMATS),
  },
}

export const SETTING_KEYS = Object.keys(SETTINGS) as readonly SettingKey[]

/** Where a value comes from: for people. */
export type Source = string

export interface Settings {
  readonly values: Partial<SettingValues>
  readonly sources: Readonly<Partial<Record<SettingKey, Source>>>
}

/** What a running server needs, with defaults filled in. */
export interface ServerSettings {
  readonly data: string
  readonly listen: HostPort
  readonly udp: HostPort
  readonly udpAlternate?: HostPort
  readonly udpEgress: readonly number[]
  readonly publicHost?: string
  readonly isRegistrationOpen: boolean
  readonly adminSocket: string
  readonly metrics?: HostPort
  readonly certificate?: { readonly certificateFile: string; readonly keyFile: string }
  readonly role: ServerRole
  /** Ed25519 public keys. */
  readonly trusted: readonly Uint8Array[]
  readonly relays: readonly RelayLink[]
  readonly logLevel: LogLevel
  readonly logFormat: LogFormat
}

export interface SettingsInput {
  /** Read already, by `readFlag`. */
  readonly flags: Partial<SettingValues>
  /** `--config`. */
  readonly config?: string
  readonly environment: Environment
}

/** @throws HollerError `CONFIG_INVALID` naming file and place, or the variable, and what is allowed. */
export async function readSettings(input: SettingsInput): Promise<Settings> {
  const { flags, environment } = input
  const chosen = input.config ?? nonEmpty(environment['HOLLER_SERVER_CONFIG'])
  const file =
    chosen === undefined ? await readConfigFileIfThere(SYSTEM_CONFIG) : await readConfigFile(chosen)
  const values: Record<string, unknown> = {}
  const sources: Partial<Record<SettingKey, Source>> = {}
  const take = (key: SettingKey, value: unknown, source: Source): void => {
    values[key] = value
    sources[key] = source
  }
  const directory = firstDirectory(environment['STATE_DIRECTORY'])
  if (directory !== undefined) take('data', directory, 'STATE_DIRECTORY')
  if (file !== undefined) {
    for (const key of Object.keys(file.values)) takeFromFile(file, key, take)
  }
  for (const key of SETTING_KEYS) {
    const name = variableOf(key)
    const text = nonEmpty(environment[name])
    if (text === undefined) continue
    const result = SETTINGS[key].read(text)
    if (!result.ok) throw new HollerError('CONFIG_INVALID', `${name}="${text}": ${result.why}`)
    take(key, result.value, name)
  }
  for (const key of SETTING_KEYS) {
    if (flags[key] !== undefined) take(key, flags[key], `--${key}`)
  }
  return { values: values, sources }
}

function takeFromFile(
  file: ConfigFile,
  key: string,
  take: (key: SettingKey, value: unknown, source: Source) => void,
): void {
  if (!isSettingKey(key)) throw file.unknownKey(key, SETTING_KEYS)
  const result = SETTINGS[key].read(file.values[key])
  if (!result.ok) throw file.fault(key, result.why)
  take(key, result.value, file.at(key))
}

/** @throws HollerError `CONFIG_INVALID` where settings do not go together, or the data directory is not named. */
export function serverSettings({ values, sources }: Settings): ServerSettings {
  const listen = values.listen ?? DEFAULT_LISTEN
  const { cert, key } = values
  if ((cert === undefined) !== (key === undefined)) {
    const there = cert === undefined ? 'key' : 'cert'
    const missing = cert === undefined ? 'cert' : 'key'
    throw new HollerError(
      'CONFIG_INVALID',
      `${sources[there] ?? there}: "${there}" needs "${missing}" beside it`,
    )
  }
  const role = values.role ?? 'server'
  if (role === 'relay' && values.trust === undefined) {
    throw new HollerError('CONFIG_INVALID', 'A relay needs "trust": the keys of its servers')
  }
  const data = dataOf(values)
  return {
    data,
    listen,
    udp: values.udp ?? { host: listen.host, port: DEFAULT_UDP_PORT },
    udpEgress: values['udp-egress'] ?? [],
    isRegistrationOpen: values['open-registration'] ?? false,
    adminSocket: values['admin-socket'] ?? adminSocketIn(data),
    role,
    trusted: valuesOf(values.trust, parseTicketKey),
    relays: valuesOf(values.relay, parseRelayLink),
    logLevel: values['log-level'] ?? 'info',
    logFormat: values['log-format'] ?? 'text',
    ...(values['udp-alt'] === undefined ? {} : { udpAlternate: values['udp-alt'] }),
    ...(values['public-host'] === undefined ? {} : { publicHost: values['public-host'] }),
    ...(values.metrics === undefined ? {} : { metrics: values.metrics }),
    ...(cert === undefined || key === undefined
      ? {}
      : { certificate: { certificateFile: cert, keyFile: key } }),
  }
}

/** Where the administration of a server is served, as far as that can be known from outside. */
export function adminSocketOf({ values }: Settings): string {
  return values['admin-socket'] ?? adminSocketIn(dataOf(values))
}

/** @throws HollerError `CONFIG_INVALID` where nothing names it. */
export function dataOf({ data }: Partial<SettingValues>): string {
  if (data !== undefined) return data
  const how = '--data DIRECTORY, HOLLER_SERVER_DATA, or "data" in the configuration file'
  throw new DataNotNamed(`No data directory is named: ${how}`)
}

/** Told as a wrong command line: nearly always the flag was forgotten. */
export class DataNotNamed extends HollerError {
  constructor(message: string) {
    super('CONFIG_INVALID', message)
  }
}

/** Settings that differ and that a running server does not take: they wait for its next start. */
export function changedForNextStart(
  before: Partial<SettingValues>,
  after: Partial<SettingValues>,
): readonly SettingKey[] {
  return SETTING_KEYS.filter(
    (key) =>
      SETTINGS[key].isReloadable !== true &&
      JSON.stringify(before[key]) !== JSON.stringify(after[key]),
  )
}

/** A value as a line of a configuration file would say it. */
export function shownSetting(value: SettingValues[SettingKey]): string {
  if (typeof value === 'object' && 'host' in value) return JSON.stringify(shown(value))
  return JSON.stringify(value)
}

export function variableOf(key: SettingKey): string {
  return `HOLLER_SERVER_${key.toUpperCase().replaceAll('-', '_')}`
}

function shown({ host, port }: HostPort): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`
}

function isSettingKey(key: string): key is SettingKey {
  return Object.hasOwn(SETTINGS, key)
}

function adminSocketIn(data: string): string {
  return join(data, 'admin.sock')
}

function hostPort(defaultPort: number): (value: unknown) => Decoded<HostPort> {
  return (value) => {
    const parsed = typeof value === 'string' ? parseHostPort(value, defaultPort) : undefined
    return parsed === undefined ? malformed('Expected HOST:PORT or [IPV6]:PORT.') : decoded(parsed)
  }
}

function readText(value: unknown): Decoded<string> {
  return typeof value === 'string' && value !== ''
    ? decoded(value)
    : malformed('Expected some text.')
}

/** Made absolute: the log should name a place that can be found. */
function readPath(value: unknown): Decoded<string> {
  return typeof value === 'string' && value !== ''
    ? decoded(resolve(value))
    : malformed('Expected a path.')
}

function readYes(value: unknown): Decoded<boolean> {
  if (value === true || value === 'true') return decoded(true)
  if (value === false || value === 'false') return decoded(false)
  return malformed('Expected true or false.')
}

function readPorts(value: unknown): Decoded<readonly number[]> {
  const ports: readonly unknown[] =
    typeof value === 'string' ? value.split(',').map(portOf) : [value].flat()
  const areGood = ports.every(
    (port) => Number.isInteger(port) && (port as number) >= 0 && (port as number) <= 65_535,
  )
  return areGood && ports.length <= MAX_EGRESS_PORTS
    ? decoded(ports as readonly number[])
    : malformed(`Expected at most ${MAX_EGRESS_PORTS} ports: 53,443.`)
}

/** Several texts, with commas where they are one; each must read. */
function listOf(
  most: number,
  read: (text: string) => Decoded<unknown>,
): (value: unknown) => Decoded<readonly string[]> {
  return (value) => {
    const texts: readonly unknown[] = typeof value === 'string' ? value.split(',') : [value].flat()
    if (texts.length === 0 || texts.length > most) return malformed(`Expected 1 to ${most}.`)
    for (const text of texts) {
      const one = typeof text === 'string' ? read(text.trim()) : malformed('not a text')
      if (!one.ok) return malformed(`Cannot use "${String(text)}": ${one.why}.`)
    }
    return decoded(texts.map((text) => String(text).trim()))
  }
}

/** What `listOf` has seen to be readable. */
function valuesOf<T>(
  texts: readonly string[] = [],
  read: (text: string) => Decoded<T>,
): readonly T[] {
  return texts.flatMap((text) => {
    const one = read(text)
    return one.ok ? [one.value] : []
  })
}

function portOf(text: string): number {
  return /^\d{1,5}$/.test(text) ? Number(text) : -1
}

function oneOf<T extends string>(words: readonly T[]): (value: unknown) => Decoded<T> {
  return (value) => {
    const word = words.find((one) => one === value)
    return word === undefined ? malformed(`Expected one of ${words.join(', ')}.`) : decoded(word)
  }
}

function firstDirectory(list: string | undefined): string | undefined {
  return nonEmpty(list?.split(':', 1)[0])
}

function nonEmpty(text: string | undefined): string | undefined {
  return text === '' ? undefined : text
}
