import { destination, pino } from 'pino'
import type { Logger } from '../core/logger.ts'

export const logLevels = ['debug', 'info', 'warn', 'error'] as const
export type LogLevel = (typeof logLevels)[number]
export type LogFormat = 'text' | 'json'

/** syslog's severities (RFC 5424): a line that begins with `<N>` gets that priority in the systemd journal. */
const JOURNAL_PRIORITY: Readonly<Record<LogLevel, number>> = {
  debug: 7,
  info: 6,
  warn: 4,
  error: 3,
}

const PINO_LEVELS: Readonly<Record<number, LogLevel>> = {
  20: 'debug',
  30: 'info',
  40: 'warn',
  50: 'error',
}

/** A logger whose level can be changed while it is in use. */
export interface AdjustableLogger extends Logger {
  setLevel(level: LogLevel): void
}

/** A logger on stderr. Text is one line per record, for people; JSON is one object per line, for machines. */
export function createLogger(options: {
  readonly name: string
  readonly level: LogLevel
  readonly format: LogFormat
}): AdjustableLogger {
  const stderr = destination({ dest: 2, sync: true })
  const sink =
    options.format === 'json' ? stderr : { write: (line: string) => stderr.write(asText(line)) }
  const log = pino({ name: options.name, level: options.level, base: { name: options.name } }, sink)
  return {
    debug: (message, fields) => log.debug(fields ?? {}, message),
    info: (message, fields) => log.info(fields ?? {}, message),
    warn: (message, fields) => log.warn(fields ?? {}, message),
    error: (message, fields) => log.error(fields ?? {}, message),
    setLevel: (level) => {
      log.level = level
    },
  }
}

function asText(line: string): string {
  const { level, time, msg, ...rest } = JSON.parse(line) as Record<string, unknown>
  const fields = Object.entries(rest).filter(([key]) => key !== 'name')
  const levelName = PINO_LEVELS[level as number] ?? 'info'
  const details = fields.map(([key, value]) => ` ${key}=${JSON.stringify(value)}`)
  // Under systemd the journal adds time and name, and understands the priority.
  const prefix =
    process.env['JOURNAL_STREAM'] === undefined
      ? `${new Date(time as number).toISOString()} ${levelName.padEnd(5)} `
      : `<${JOURNAL_PRIORITY[levelName]}>`
  return `${prefix}${escapeControls(String(msg))}${details.join('')}\n`
}

// Peers choose some of what is logged: nothing of it may steer a terminal.
function escapeControls(text: string): string {
  // eslint-disable-next-line no-control-regex -- control characters are exactly what is looked for
  return text.replace(/[\u0000-\u001f\u007f-\u009f]/g, (character) =>
    JSON.stringify(character).slice(1, -1),
  )
}
