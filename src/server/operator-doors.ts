/** What a server and a relay have alike for those who run them: figures and health, administration, and an orderly end. */
import type { Endpoint } from '../core/endpoint.ts'
import { after } from '../core/instant.ts'
import type { RpcHandlers } from '../protocol/control/rpc-server.ts'
import type { adminMethods } from './admin/admin-schema.ts'
import { type AdminServer, openAdminServer } from './admin/admin-server.ts'
import { type Figures, type FiguresOptions, openFigures } from './figures.ts'
import type { Outside } from './outside.ts'

export interface Doors {
  /** Its `whyUnready` is asked while there is no drain. */
  readonly figures?: Omit<FiguresOptions, 'logger'>
  readonly admin?: {
    readonly path: string
    readonly handlers: RpcHandlers<typeof adminMethods, undefined>
  }
}

export class OperatorDoors {
  /** ISO 8601. */
  readonly startedAt: string
  /** Resolves when there was a drain, and it has lingered for as long as it was to. */
  readonly drained: Promise<void>
  readonly #outside: Outside
  #drainEnded: () => void = () => undefined
  #isDraining = false
  #admin: AdminServer | undefined
  #figures: Figures | undefined

  constructor(outside: Outside) {
    this.#outside = outside
    this.startedAt = new Date(outside.clock.wallNow()).toISOString()
    this.drained = new Promise((resolve) => {
      this.#drainEnded = resolve
    })
  }

  /** Where the figures are served. */
  get metricsAt(): Endpoint | undefined {
    return this.#figures?.local
  }

  get isDraining(): boolean {
    return this.#isDraining
  }

  /** @throws HollerError `ALREADY_RUNNING`, `CONFIG_INVALID`, `PORT_TAKEN`; nothing stays open then. */
  async open({ figures, admin }: Doors): Promise<void> {
    const { logger } = this.#outside
    try {
      if (figures !== undefined) {
        const whyUnready = async (): Promise<string | undefined> =>
          this.#isDraining ? 'draining' : await figures.whyUnready()
        this.#figures = await openFigures({ ...figures, logger, whyUnready })
      }
      if (admin !== undefined) this.#admin = await openAdminServer({ ...admin, logger })
    } catch (error) {
      await this.close()
      throw error
    }
  }

  drain(lingerMs: number): void {
    const { clock, makeAlarm } = this.#outside
    this.#isDraining = true
    makeAlarm(this.#drainEnded).set(after(clock.now(), lingerMs))
  }

  async close(): Promise<void> {
    await Promise.all([this.#admin?.close(), this.#figures?.close()])
  }
}
