import { spawn } from 'node:child_process'
import type { Logger } from '../core/logger.ts'

/**
 * Tells systemd how the service stands (`READY=1`, `STATUS=…`), where systemd asked for it. Node has no Unix datagram
 * sockets, so its own tool does it; the unit needs `NotifyAccess=all`, because the message comes from a child.
 */
export class ServiceManager {
  readonly #environment: NodeJS.ProcessEnv
  readonly #logger: Logger

  constructor(environment: NodeJS.ProcessEnv, logger: Logger) {
    this.#environment = environment
    this.#logger = logger
  }

  /** Resolves when it has been told; a failure is logged, for the service itself is not worse for it. */
  async tell(...assignments: readonly string[]): Promise<void> {
    const env = this.#environment
    if ((env['NOTIFY_SOCKET'] ?? '') === '') return
    await new Promise<void>((resolve) => {
      const child = spawn('systemd-notify', assignments, { env, stdio: 'ignore' })
      child.on('error', (error) => {
        this.#logger.warn('Cannot run systemd-notify', { error: error.message })
        resolve()
      })
      child.on('exit', () => resolve())
    })
  }
}
