/** What a running server offers to those who run it: figures, health, administration, and an orderly end. */
import type { Endpoint } from '../core/endpoint.ts'
import { after, type Instant } from '../core/instant.ts'
import { AdminDesk, type Drain } from './admin/admin-desk.ts'
import { type AdminServer, openAdminServer } from './admin/admin-server.ts'
import { type Figures, openFigures } from './figures.ts'
import type { HostPort } from './host-port.ts'
import type { Metrics } from './metrics.ts'
import type { Outside } from './outside.ts'
import type { ServerStore } from './store/server-store.ts'
import type { Switchboard } from './switchboard.ts'
import type { UdpServiceStats } from './udp-service.ts'

/** A disk that is full is emptied by people, in minutes. */
const CHECK_EVERY_MS = 5_000

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
  readonly metrics: Metrics
  readonly metricsAt?: HostPort
  readonly certificateEndsAtMs: () => number
}

export class Operation {
  readonly #options: OperationOptions
  readonly #startedAtMs: number
  /** Resolves when the server was drained, and has lingered for as long as it was to. */
  readonly drained: Promise<void>
  #drainEnded: () => void = () => undefined
  #isDraining = false
  #admin: AdminServer | undefined
  #figures: Figures | undefined
  #check: Promise<void> | undefined
  #checkAgainAt: Instant

  /** @throws HollerError `ALREADY_RUNNING`, `CONFIG_INVALID`; nothing stays open then. */
  static async open(options: OperationOptions): Promise<Operation> {
    const operation = new Operation(options)
    try {
      await operation.#openFigures()
      await operation.#openAdmin()
    } catch (error) {
      await operation.close()
      throw error
    }
    return operation
  }

  private constructor(options: OperationOptions) {
    this.#options = options
    this.#startedAtMs = options.outside.clock.wallNow()
    this.#checkAgainAt = options.outside.clock.now()
    this.drained = new Promise((resolve) => {
      this.#drainEnded = resolve
    })
  }

  /** Where the figures are served. */
  get metricsAt(): Endpoint | undefined {
    return this.#figures?.local
  }

  async close(): Promise<void> {
    await Promise.all([this.#admin?.close(), this.#figures?.close()])
  }

  async #openFigures(): Promise<void> {
    const { metricsAt, metrics, store, switchboard, udpStats, certificateEndsAtMs, outside } =
      this.#options
    if (metricsAt === undefined) return
    metrics.watchServer({
      tally: switchboard.tally,
      sessions: () => switchboard.stats,
      mail: () => store.mail.total,
      udp: udpStats,
      certificateEndsAtMs,
      isDraining: () => this.#isDraining,
    })
    this.#figures = await openFigures({
      at: metricsAt,
      metrics,
      logger: outside.logger,
      whyUnready: () => this.#whyUnready(),
    })
  }

  /** Ready is who lets people in and can keep what they send. */
  async #whyUnready(): Promise<string | undefined> {
    if (this.#isDraining) return 'draining'
    try {
      await this.#checkStore()
      return undefined
    } catch {
      return 'the store cannot be written'
    }
  }

  /** The same answer for some seconds: nobody wears out the disk by asking. */
  async #checkStore(): Promise<void> {
    const now = this.#options.outside.clock.now()
    if (this.#check === undefined || now >= this.#checkAgainAt) {
      this.#checkAgainAt = after(now, CHECK_EVERY_MS)
      this.#check = this.#options.store.admin.checkWritable()
    }
    await this.#check
  }

  async #openAdmin(): Promise<void> {
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
    this.#admin = await openAdminServer({
      path: adminSocket,
      handlers: desk.handlers,
      logger: outside.logger,
    })
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
