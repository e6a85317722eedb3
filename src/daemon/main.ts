#!/usr/bin/env node
/**
 * `hollerd`: the background daemon of one account. It starts without an account and without a network, says READY
 * when its control socket answers, and prints nothing but its log on stderr.
 */
import { readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { CommanderError } from 'commander'
import { HollerError } from '../core/holler-error.ts'
import type { Logger } from '../core/logger.ts'
import type { Store } from '../core/store.ts'
import { openLevelStore } from '../io/level-store.ts'
import { createLogger } from '../io/log.ts'
import { makeDirectory } from '../io/make-directory.ts'
import { systemRandom } from '../io/random.ts'
import { systemClock } from '../io/system-clock.ts'
import { RELAY_ALPN } from '../protocol/relay/frames.ts'
import { SESSION_ALPN } from '../protocol/server/link.ts'
import { serverConnector, shownProxy } from './connect-server.ts'
import { ControlServer } from './control-server.ts'
import { Daemon } from './daemon.ts'
import { within } from './deadline.ts'
import { CannotCreate, EX_OK, exitStatusOf } from './exit-status.ts'
import { type DaemonSettings, readSettings } from './options.ts'
import { ServiceManager } from '../io/service-manager.ts'

/** Service managers kill after 10 s or later; what is not flushed by then would have been cut anyway. */
const STOP_MS = 8_000

/** Its group may pass through to the socket, whose own mode says who may connect. */
const SOCKET_DIRECTORY_MODE = 0o750

interface Running {
  readonly store: Store
  readonly daemon: Daemon
  readonly control: ControlServer
}

process.exit(await main())

async function main(): Promise<number> {
  const version = packageVersion()
  let logger = createLogger({ name: 'hollerd', level: 'info', format: 'text' })
  try {
    const settings = await readSettings(process.argv.slice(2), process.env, version)
    logger = createLogger({
      name: 'hollerd',
      level: settings.logLevel,
      format: settings.logFormat,
    })
    await run(settings, version, logger)
    return EX_OK
  } catch (error) {
    // Commander has said already what is wrong with a command line.
    if (!(error instanceof CommanderError)) logger.error(messageOf(error))
    return exitStatusOf(error)
  }
}

async function run(settings: DaemonSettings, version: string, logger: Logger): Promise<void> {
  const manager = new ServiceManager(process.env, logger)
  const stopAsked = signals(logger)
  const running = await start(settings, version, logger, stopAsked.ask)
  const { daemon } = running
  logger.info('hollerd is ready', {
    version,
    socket: settings.socketPath,
    udp: daemon.network.port,
    account: daemon.account?.person.number ?? null,
  })
  daemon.statusChanges.add(({ state }) => void manager.tell(`STATUS=${state}`))
  await manager.tell('READY=1', `STATUS=${daemon.status.state}`)
  const why = await stopAsked.asked
  logger.info('hollerd stops', { why })
  await manager.tell('STOPPING=1')
  await within(systemClock, STOP_MS, stop(running), () => new Error('It took too long to stop'))
}

async function start(
  { stateDirectory, socketPath, bind, mapsPorts, guessesPorts }: DaemonSettings,
  version: string,
  logger: Logger,
  onShutdown: (why: string) => void,
): Promise<Running> {
  const store = await openLevelStore(join(stateDirectory, 'store'))
  try {
    const daemon = await Daemon.start({
      store,
      clock: systemClock,
      random: systemRandom,
      logger,
      version,
      connect: serverConnector(SESSION_ALPN, process.env),
      proxyOf: (address) => shownProxy(address, process.env),
      mapsPorts,
      guessesPorts,
      testsNat: true,
      connectRelay: serverConnector(RELAY_ALPN, process.env),
      ...(bind === undefined ? {} : { bind }),
    })
    const control = await openControl(daemon, logger, socketPath, () => onShutdown('asked to'))
    return { store, daemon, control }
  } catch (error) {
    await store.close()
    throw error
  }
}

async function openControl(
  daemon: Daemon,
  logger: Logger,
  path: string,
  onShutdown: () => void,
): Promise<ControlServer> {
  try {
    await makeDirectory(dirname(path), SOCKET_DIRECTORY_MODE)
    return await ControlServer.open({ daemon, logger, path, onShutdown })
  } catch (error) {
    if (error instanceof HollerError && error.code === 'ALREADY_RUNNING') throw error
    throw new CannotCreate(`the control socket "${path}"`, error)
  }
}

/** Stops accepting, says goodbye to server and peers, writes what is to be written. */
async function stop({ store, daemon, control }: Running): Promise<void> {
  await Promise.all([control.close(), daemon.stop()])
  await store.close()
}

/** SIGTERM and SIGINT ask to stop; a second one does not wait any more. */
function signals(logger: Logger): {
  readonly asked: Promise<string>
  readonly ask: (why: string) => void
} {
  let ask: (why: string) => void = () => undefined
  const asked = new Promise<string>((resolve) => (ask = resolve))
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    process.once(signal, () => ask(signal))
  }
  process.on('SIGHUP', () => logger.info('SIGHUP: settings are read at the next start'))
  return { asked, ask: (why) => ask(why) }
}

function messageOf(error: unknown): string {
  if (error instanceof HollerError && error.code === 'ALREADY_RUNNING') {
    return `Another hollerd is running already: ${error.message}`
  }
  if (error instanceof HollerError || error instanceof CannotCreate) return error.message
  return error instanceof Error ? (error.stack ?? error.message) : String(error)
}

function packageVersion(): string {
  const file = readFileSync(new URL('../../package.json', import.meta.url), 'utf8')
  return (JSON.parse(file) as { version: string }).version
}
