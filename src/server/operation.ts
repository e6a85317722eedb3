/** What a running server offers to those who run it: figures, health, administration, and an orderly end. */
import type { Endpoint } from '../core/endpoint.ts'
import { after, type Instant } from '../core/instant.ts'
import { AdminDesk, type Drain } from './admin/admin-desk.ts'
import type { HostPort } from './host-port.ts'
import type { Metrics } from './metrics.ts'
import { OperatorDoors } from './operator-doors.ts'
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
  readonly #doors: OperatorDoors
  #check: Promise<void> | undefined
  #checkAgainAt: Instant

  /** @throws HollerError `ALREADY_RUNNING`, `CONFIG_INVALID`, `PORT_TAKEN`; nothing stays open then. */
  static async open(options: OperationOptions): Promise<Operation> {
    const operation = new Operation(options)
    await operation.#open()
    return operation
  }

  private constructor(options: OperationOptions) {
    this.#options = options
    this.#doors = new OperatorDoors(options.outside)
    this.#checkAgainAt = options.outside.clock.now()
  }

  /** Resolves when the server was drained, and has lingered for as long as it was to. */
  get drained(): Promise<void> {
    return this.#doors.drained
  }

  /** Where the figures are served. */
  get metricsAt(): Endpoint | undefined {
    return this.#doors.metricsAt
  }

  close(): Promise<void> {
    return this.#doors.close()
  }

  async #open(): Promise<void> {
    const { metrics, metricsAt, adminSocket } = this.#options
    if (metricsAt !== undefined) this.#watch(metrics)
    const whyUnready = (): Promise<string | undefined> => this.#whyUnready()
    await this.#doors.open({
      ...(metricsAt && { figures: { at: metricsAt, metrics, whyUnready } }),
      ...(adminSocket !== undefined && {
        admin: { path: adminSocket, handlers: this.#desk().handlers },
      }),
    })
  }

  #watch(metrics: Metrics): void {
    const { store, switchboard, udpStats, certificateEndsAtMs } = this.#options
    metrics.watchServer({
      tally: switchboard.tally,
      sessions: () => switchboard.stats,
      mail: () => store.mail.total,
      udp: udpStats,
      certificateEndsAtMs,
      isDraining: () => this.#doors.isDraining,
    })
  }

  /** Ready is who lets people in and can keep what they send. */
  async #whyUnready(): Promise<string | undefined> {
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

  #desk(): AdminDesk {
    const { store, switchboard, outside, link } = this.#options
    return new AdminDesk({
      store,
      switchboard,
      outside,
      link,
      stats: () => this.#stats(),
      drain: (wish) => this.#drain(wish),
    })
  }

  #stats(): ReturnType<ConstructorParameters<typeof AdminDesk>[0]['stats']> {
    const { version, udpStats, isRegistrationOpen } = this.#options
    return {
      version,
      startedAt: this.#doors.startedAt,
      relaySessions: udpStats().relay.sessions,
      memoryBytes: process.memoryUsage.rss(),
      isDraining: this.#doors.isDraining,
      isRegistrationOpen: isRegistrationOpen(),
    }
  }

  #drain({ afterMs, spreadMs, lingerMs }: Parameters<Drain>[0]): ReturnType<Drain> {
    const { switchboard, outside, stopAccepting } = this.#options
    const sessions = switchboard.stats.online
    const spread = spreadMs ?? switchboard.usualSpreadMs
    this.#doors.drain(lingerMs)
    stopAccepting()
    switchboard.close({ afterMs, spreadMs: spread })
    outside.logger.info('draining', { sessions, afterMs, spreadMs: spread, lingerMs })
    return { sessions, spreadMs: spread }
  }
}
