/** What a relay of its own offers to those who run it: figures, health, `stats` and an orderly end. */
import type { Endpoint } from '../core/endpoint.ts'
import { HollerError } from '../core/holler-error.ts'
import { after } from '../core/instant.ts'
import type { RpcHandlers } from '../protocol/control/rpc-server.ts'
import type { adminMethods, AdminParams, AdminResult } from './admin/admin-schema.ts'
import { type AdminServer, openAdminServer } from './admin/admin-server.ts'
import { type Figures, openFigures } from './figures.ts'
import type { HostPort } from './host-port.ts'
import { Metrics } from './metrics.ts'
import type { Outside } from './outside.ts'
import type { Tally } from './tally.ts'
import type { UdpServiceStats } from './udp-service.ts'

export interface RelayOperationOptions {
  readonly outside: Outside
  readonly link: string
  readonly version: string
  readonly tally: Tally
  readonly udpStats: () => UdpServiceStats
  readonly certificateEndsAtMs: () => number
  /** Nobody new from now on: whoever asks is sent to another relay. */
  readonly stopAccepting: () => void
  readonly adminSocket?: string
  readonly metricsAt?: HostPort
}

export class RelayOperation {
  readonly #options: RelayOperationOptions
  readonly #startedAtMs: number
  /** Resolves when the relay was drained, and has lingered for as long as it was to. */
  readonly drained: Promise<void>
  #drainEnded: () => void = () => undefined
  #isDraining = false
  #admin: AdminServer | undefined
  #figures: Figures | undefined

  /** @throws HollerError `ALREADY_RUNNING`, `CONFIG_INVALID`, `PORT_TAKEN`; nothing stays open then. */
  static async open(options: RelayOperationOptions): Promise<RelayOperation> {
    const operation = new RelayOperation(options)
    try {
      await operation.#openFigures()
      await operation.#openAdmin()
    } catch (error) {
      await operation.close()
      throw error
    }
    return operation
  }

  private constructor(options: RelayOperationOptions) {
    this.#options = options
    this.#startedAtMs = options.outside.clock.wallNow()
    this.drained = new Promise((resolve) => {
      this.#drainEnded = resolve
    })
  }

  get metricsAt(): Endpoint | undefined {
    return this.#figures?.local
  }

  async close(): Promise<void> {
    await Promise.all([this.#admin?.close(), this.#figures?.close()])
  }

  async #openFigures(): Promise<void> {
    const { metricsAt, tally, udpStats, certificateEndsAtMs, outside } = this.#options
    if (metricsAt === undefined) return
    const metrics = new Metrics()
    metrics.watchRelay({
      tally,
      udp: udpStats,
      certificateEndsAtMs,
      isDraining: () => this.#isDraining,
    })
    this.#figures = await openFigures({
      at: metricsAt,
      metrics,
      logger: outside.logger,
      whyUnready: () => Promise.resolve(this.#isDraining ? 'draining' : undefined),
    })
  }

  async #openAdmin(): Promise<void> {
    const { adminSocket, outside } = this.#options
    if (adminSocket === undefined) return
    const { logger } = outside
    this.#admin = await openAdminServer({ path: adminSocket, handlers: this.#handlers, logger })
  }

  get #handlers(): RpcHandlers<typeof adminMethods, undefined> {
    return {
      'account.list': knowsNobody,
      'account.show': knowsNobody,
      'account.disable': knowsNobody,
      'account.enable': knowsNobody,
      'account.reset': knowsNobody,
      'account.delete': knowsNobody,
      'invite.create': knowsNobody,
      'invite.list': knowsNobody,
      'invite.revoke': knowsNobody,
      stats: () => this.#stats(),
      drain: (wish) => this.#drain(wish),
    }
  }

  #stats(): AdminResult<'stats'> {
    const { link, version, udpStats } = this.#options
    const { sessions, channels, streams } = udpStats().relay
    return {
      role: 'relay',
      version,
      startedAt: new Date(this.#startedAtMs).toISOString(),
      link,
      relaySessions: sessions,
      relayChannels: channels,
      relayStreams: streams,
      memoryBytes: process.memoryUsage.rss(),
      isDraining: this.#isDraining,
    }
  }

  /** Pairs cannot be told when to come back, so `after` and `spread` mean nothing here. */
  #drain({ linger_ms: lingerMs = 0 }: AdminParams<'drain'>): AdminResult<'drain'> {
    const { outside, stopAccepting, udpStats } = this.#options
    const { sessions } = udpStats().relay
    this.#isDraining = true
    stopAccepting()
    outside.logger.info('draining', { sessions, lingerMs })
    outside.makeAlarm(this.#drainEnded).set(after(outside.clock.now(), lingerMs))
    return { sessions, spreadMs: 0 }
  }
}

function knowsNobody(): never {
  throw new HollerError('UNSUPPORTED', 'This is a relay: it has no accounts and no invitations')
}
