/** What a relay of its own offers to those who run it: figures, health, `stats` and an orderly end. */
import type { Endpoint } from '../core/endpoint.ts'
import { HollerError } from '../core/holler-error.ts'
import type { RpcHandlers } from '../protocol/control/rpc-server.ts'
import type { adminMethods, AdminParams, AdminResult } from './admin/admin-schema.ts'
import type { HostPort } from './host-port.ts'
import { Metrics } from './metrics.ts'
import { OperatorDoors } from './operator-doors.ts'
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
  readonly #doors: OperatorDoors

  /** @throws HollerError `ALREADY_RUNNING`, `CONFIG_INVALID`, `PORT_TAKEN`; nothing stays open then. */
  static async open(options: RelayOperationOptions): Promise<RelayOperation> {
    const operation = new RelayOperation(options)
    await operation.#open()
    return operation
  }

  private constructor(options: RelayOperationOptions) {
    this.#options = options
    this.#doors = new OperatorDoors(options.outside)
  }

  /** Resolves when the relay was drained, and has lingered for as long as it was to. */
  get drained(): Promise<void> {
    return this.#doors.drained
  }

  get metricsAt(): Endpoint | undefined {
    return this.#doors.metricsAt
  }

  close(): Promise<void> {
    return this.#doors.close()
  }

  async #open(): Promise<void> {
    const { metricsAt, adminSocket } = this.#options
    const whyUnready = (): Promise<undefined> => Promise.resolve(undefined)
    await this.#doors.open({
      ...(metricsAt && { figures: { at: metricsAt, metrics: this.#metrics(), whyUnready } }),
      ...(adminSocket !== undefined && { admin: { path: adminSocket, handlers: this.#handlers } }),
    })
  }

  #metrics(): Metrics {
    const { tally, udpStats, certificateEndsAtMs } = this.#options
    const metrics = new Metrics()
    metrics.watchRelay({
      tally,
      udp: udpStats,
      certificateEndsAtMs,
      isDraining: () => this.#doors.isDraining,
    })
    return metrics
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
      startedAt: this.#doors.startedAt,
      link,
      relaySessions: sessions,
      relayChannels: channels,
      relayStreams: streams,
      memoryBytes: process.memoryUsage.rss(),
      isDraining: this.#doors.isDraining,
    }
  }

  /** Pairs cannot be told when to come back, so `after` and `spread` mean nothing here. */
  #drain({ linger_ms: lingerMs = 0 }: AdminParams<'drain'>): AdminResult<'drain'> {
    const { outside, stopAccepting, udpStats } = this.#options
    const { sessions } = udpStats().relay
    this.#doors.drain(lingerMs)
    stopAccepting()
    outside.logger.info('draining', { sessions, lingerMs })
    return { sessions, spreadMs: 0 }
  }
}

function knowsNobody(): never {
  throw new HollerError('UNSUPPORTED', 'This is a relay: it has no accounts and no invitations')
}
