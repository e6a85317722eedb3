import assert from 'node:assert/strict'
import { silentLogger } from '../../../src/core/logger.ts'
import type { Store } from '../../../src/core/store.ts'
import { serverConnector } from '../../../src/daemon/connect-server.ts'
import { Daemon } from '../../../src/daemon/daemon.ts'
import type { StoredMessage } from '../../../src/daemon/history.ts'
import type { ConnectServer } from '../../../src/daemon/server-session.ts'
import { systemRandom } from '../../../src/io/random.ts'
import { systemClock } from '../../../src/io/system-clock.ts'
import type { ControlEvent } from '../../../src/protocol/control/schema.ts'
import { RELAY_ALPN } from '../../../src/protocol/relay/frames.ts'
import { SESSION_ALPN } from '../../../src/protocol/server/link.ts'
import { memoryStore } from '../../support/memory-store.ts'
import { Waiters } from '../../support/waiters.ts'

export const PASSWORD = 'correct horse battery staple'
export const PATIENCE_MS = 8_000

/** A daemon in this process, and what its journal says. */
export class Somebody {
  readonly store: Store
  readonly events: ControlEvent[] = []
  readonly #connect: ConnectServer
  readonly #udpAddress: string
  readonly #waiters = new Waiters()
  #daemon: Daemon | undefined

  constructor(
    store: Store = memoryStore(),
    connect: ConnectServer = serverConnector(SESSION_ALPN),
    udpAddress = '127.0.0.1',
  ) {
    this.store = store
    this.#connect = connect
    this.#udpAddress = udpAddress
  }

  get daemon(): Daemon {
    assert.ok(this.#daemon)
    return this.#daemon
  }

  async start(): Promise<void> {
    const daemon = await Daemon.start({
      store: this.store,
      clock: systemClock,
      random: systemRandom,
      logger: silentLogger,
      version: '1.2.3',
      connect: this.#connect,
      connectRelay: serverConnector(RELAY_ALPN),
      bind: { address: this.#udpAddress, port: 0 },
    })
    this.#daemon = daemon
    this.events.length = 0
    daemon.journal.onGrown(() => void this.#look(daemon))
    daemon.statusChanges.add(() => this.#waiters.notify())
    daemon.ephemeral.add(() => this.#waiters.notify())
    await this.#look(daemon)
  }

  async stop(): Promise<void> {
    await this.#daemon?.stop()
    this.#daemon = undefined
  }

  async until<T>(look: () => T | undefined, what: string): Promise<T> {
    return await this.#waiters.until(look, PATIENCE_MS, () => `never: ${what}`)
  }

  async event(type: string, matches: (event: ControlEvent) => boolean = () => true): Promise<void> {
    const look = (): ControlEvent | undefined =>
      this.events.find((event) => event.type === type && matches(event))
    await this.until(look, `${type} in ${JSON.stringify(this.events)}`)
  }

  async state(state: string): Promise<void> {
    const look = (): true | undefined => (this.daemon.status.state === state ? true : undefined)
    await this.until(look, `${state}, it is ${this.daemon.status.state}`)
  }

  async say(to: string, text: string): Promise<StoredMessage> {
    const { archive, sessions } = this.daemon.requireAccount()
    return await sessions.conversations.send({ to: archive.roster.require(to), text })
  }

  /** Resolves when a message of ours has got so far. */
  async hasState({ id }: StoredMessage, state: string): Promise<void> {
    await this.event('message.state', ({ data }) => data['id'] === id && data['state'] === state)
  }

  heard(): unknown[] {
    return this.events
      .filter(({ type }) => type === 'message.received')
      .map(({ data }) => data['text'])
  }

  async #look(daemon: Daemon): Promise<void> {
    const seen = this.events.at(-1)?.seq ?? 0
    for await (const event of daemon.journal.read(seen, 1000)) {
      if (event.seq > (this.events.at(-1)?.seq ?? 0)) this.events.push(event)
    }
    this.#waiters.notify()
  }
}
