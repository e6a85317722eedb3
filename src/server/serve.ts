/** A server from its start to its end, as a service: it tells the service manager how it stands, and reloads. */
import { createLogger } from '../io/log.ts'
import { systemRandom } from '../io/random.ts'
import { ServiceManager } from '../io/service-manager.ts'
import { systemClock } from '../io/system-clock.ts'
import type { CommandOutside } from './command-outside.ts'
import { startRelay } from './relay-server.ts'
import { startServer } from './server.ts'
import {
  changedForNextStart,
  type ServerSettings,
  serverSettings,
  type Settings,
} from './settings.ts'

export interface ServeOptions {
  readonly settings: Settings
  readonly wanted: ServerSettings
  /** Reads the settings again. */
  readonly read: () => Promise<Settings>
  readonly outside: CommandOutside
  readonly version: string
}

/** Resolves when the server has ended. @throws HollerError as `startServer` does. */
export async function serveUntilEnd(options: ServeOptions): Promise<void> {
  const { settings, wanted, read, outside } = options
  const logger = createLogger({
    name: 'holler-server',
    level: wanted.logLevel,
    format: wanted.logFormat,
  })
  const manager = new ServiceManager(outside.environment, logger)
  const start = wanted.role === 'relay' ? startRelay : startServer
  const server = await start({
    ...wanted,
    dataDirectory: wanted.data,
    clock: systemClock,
    random: systemRandom,
    logger,
    version: options.version,
  })
  let changes: Promise<void> = Promise.resolve()
  outside.onReload(() => {
    changes = changes.then(reload)
  })
  outside.stdout.write(`${server.link}\n`)
  await manager.tell('READY=1', `STATUS=Serving ${server.link}`)
  const why = await Promise.race([outside.ending(), server.drained.then(() => 'drained')])
  logger.info('ending', { why })
  await manager.tell('STOPPING=1')
  await server.close()

  async function reload(): Promise<void> {
    await manager.tell('RELOADING=1')
    try {
      const next = await read()
      const { isRegistrationOpen, logLevel, certificate } = serverSettings(next)
      await server.reload({
        isRegistrationOpen,
        ...(certificate === undefined ? {} : { certificate }),
      })
      logger.setLevel(logLevel)
      const later = changedForNextStart(settings.values, next.values)
      logger.info('reloaded', later.length === 0 ? {} : { atTheNextStart: later })
    } catch (error) {
      // The old settings stay: a slip in a file must not end a server that runs.
      const reason = error instanceof Error ? error.message : String(error)
      logger.error('Cannot reload; the settings stay as they are', { why: reason })
    }
    await manager.tell('READY=1')
  }
}
