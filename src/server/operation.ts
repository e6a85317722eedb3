/** What a running server offers to those who run it: administration over a socket, and an orderly end. */
import { after } from '../core/instant.ts'
import { AdminDesk, type Drain } from './admin/admin-desk.ts'
import { type AdminServer, openAdminServer } from './admin/admin-server.ts'
import type { Outside } from './outside.ts'
import type { ServerStore } from './store/server-store.ts'
import type { Switchboard } from './switchboard.ts'
import type { UdpServiceStats } from './udp-service.ts'

export interface OperationOptions {
  readonly store: ServerStore
  readonly switchboard: Switchboard
  readonly outside: Outside
  readonly link: string
  readonly version: string
  readonly udpStats: () => UdpServiceStats
  readonly isRegistrationOpen: () => boolean
  /** No new connections from now on. */
  readonly stopAccepting: () => void
  readonly adminSocket?: string
}

export class Operation {
  readonly #options: OperationOptions
  readonly #startedAtMs: number
  /** Resolves when the server was drained, and has lingered for as long as it was to. */
  readonly drained: Promise<void>
  #drainEnded: () => void = () => undefined
  #isDraining = false
  #admin: AdminServer | undefined

  /** @throws HollerError `ALREADY_RUNNING`, `CONFIG_INVALID`; nothing stays open then. */
  static async open(options: OperationOptions): Promise<Operation> {
    const operation = new Operation(options)
    await operation.#open()
    return operation
  }

  private constructor(options: OperationOptions) {
    this.#options = options
    this.#startedAtMs = options.outside.clock.wallNow()
    this.drained = new Promise((resolve) => {
      this.#drainEnded = resolve
    })
  }

  async close(): Promise<void> {
    await this.#admin?.close()
  }

  async #open(): Promise<void> {
    const { store, switchboard, outside, link, adminSocket } = this.#options
    if (adminSocket === undefined) return
    const desk = new AdminDesk({
      store,
      switchboard,
      outside,
      link,
      stats: () => this.#stats(),
      drain: (wish) => this.#drain(wish),
    })
    this.#admin = await openAdminServer({ path: adminSocket, desk, logger: outside.logger })
  }

  #stats(): ReturnType<ConstructorParameters<typeof AdminDesk>[0]['stats']> {
    const { version, udpStats, isRegistrationOpen } = this.#options
    return {
      version,
      startedAt: new Date(this.#startedAtMs).toISOString(),
      relaySessions: udpStats().relay.sessions,
      memoryBytes: process.memoryUsage.rss(),
      isDraining: this.#isDraining,
      isRegistrationOpen: isRegistrationOpen(),
    }
  }

  #drain({ afterMs, spreadMs, lingerMs }: Parameters<Drain>[0]): ReturnType<Drain> {
    const { switchboard, outside, stopAccepting } = this.#options
    const sessions = switchboard.stats.online
    const spread = spreadMs ?? switchboard.usualSpreadMs
    this.#isDraining = true
    stopAccepting()
    switchboard.close({ afterMs, spreadMs: spread })
    outside.logger.info('draining', { sessions, afterMs, spreadMs: spread, lingerMs })
    outside.makeAlarm(this.#drainEnded).set(after(outside.clock.now(), lingerMs))
    return { sessions, spreadMs: spread }
  }
}
