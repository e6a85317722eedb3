import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { HollerError } from '../../../src/core/holler-error.ts'
import { silentLogger } from '../../../src/core/logger.ts'
import type { Store } from '../../../src/core/store.ts'
import { Accounts } from '../../../src/daemon/accounts.ts'
import { ControlServer } from '../../../src/daemon/control-server.ts'
import { Daemon } from '../../../src/daemon/daemon.ts'
import type { DurableEvent } from '../../../src/daemon/events.ts'
import { Journal } from '../../../src/daemon/journal.ts'
import { Roster } from '../../../src/daemon/roster.ts'
import type { ConnectServer } from '../../../src/daemon/server-session.ts'
import { systemRandom } from '../../../src/io/random.ts'
import { systemClock } from '../../../src/io/system-clock.ts'
import { memoryStore } from '../../support/memory-store.ts'
import { RawClient } from './raw-client.ts'

const nowhere: ConnectServer = () =>
  Promise.reject(new HollerError('SERVER_UNREACHABLE', 'No server here'))

export interface RunningOptions {
  readonly store?: Store
  readonly slowConsumerMs?: number
}

/** A daemon with its control socket in a directory of its own, and no server to be found anywhere. */
export class RunningDaemon {
  readonly daemon: Daemon
  readonly control: ControlServer
  readonly path: string
  readonly #directory: string
  readonly #clients: RawClient[] = []
  shutdowns = 0

  static async start(options: RunningOptions = {}): Promise<RunningDaemon> {
    const directory = await mkdtemp(join(tmpdir(), 'holler-test-'))
    const daemon = await Daemon.start({
      store: options.store ?? memoryStore(),
      clock: systemClock,
      random: systemRandom,
      logger: silentLogger,
      version: '1.2.3',
      connect: nowhere,
      connectRelay: nowhere,
      bind: { address: '127.0.0.1', port: 0 },
    })
    const path = join(directory, 'control.sock')
    const running: RunningDaemon = new RunningDaemon(
      daemon,
      await ControlServer.open({
        daemon,
        logger: silentLogger,
        path,
        onShutdown: () => (running.shutdowns += 1),
        ...(options.slowConsumerMs === undefined ? {} : { slowConsumerMs: options.slowConsumerMs }),
      }),
      path,
      directory,
    )
    return running
  }

  private constructor(daemon: Daemon, control: ControlServer, path: string, directory: string) {
    this.daemon = daemon
    this.control = control
    this.path = path
    this.#directory = directory
  }

  async client(): Promise<RawClient> {
    const client = await RawClient.connect(this.path)
    this.#clients.push(client)
    return client
  }

  /** Something that is worth an event. */
  async notice(...texts: readonly string[]): Promise<void> {
    const events = texts.map((text): DurableEvent => ({ type: 'server.notice', data: { text } }))
    await this.daemon.journal.commit([], events)
  }

  async stop(): Promise<void> {
    for (const client of this.#clients) client.destroy()
    await this.control.close()
    await this.daemon.stop()
    await rm(this.#directory, { recursive: true, force: true })
  }
}

/** A store in which alice is logged in and has bob and carol on her list. */
export async function storeOfAlice(): Promise<Store> {
  const store = memoryStore()
  const { slot } = await new Accounts(store).login({
    serverLink: 'holler://server.invalid:7443',
    serverIdentity: 'name:server.invalid:7443',
    number: 10001,
    handle: 'alice',
    secret: {
      salt: new Uint8Array(16),
      hashing: { memoryKiB: 19456, passes: 2, lanes: 1 },
      saltedPassword: new Uint8Array(32),
    },
  })
  const roster = await Roster.open(store, await Journal.open({ store, clock: systemClock }), slot)
  await roster.change({ number: 10002, handle: 'bob', state: 'accepted' }, '')
  await roster.change({ number: 10003, handle: 'carol', state: 'pending-in' }, 'it is me, carol')
  return store
}
