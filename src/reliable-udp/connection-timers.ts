/** What a connected session does when time has passed, and when it wants to be asked next. */
import { after, type Instant } from '../core/instant.ts'
import type { PacketSending } from './connection-sending.ts'
import type { Session } from './connection-session.ts'
import type { DeadlineTable } from './deadline-table.ts'

export class SessionTimers {
  readonly #session: Session
  readonly #sending: PacketSending
  readonly #table: DeadlineTable
  #keepAliveMs: number | undefined

  constructor(session: Session, sending: PacketSending, table: DeadlineTable) {
    this.#session = session
    this.#sending = sending
    this.#table = table
  }

  keepAlive(intervalMs: number | undefined): void {
    this.#keepAliveMs = intervalMs
  }

  /** Enters every deadline as it stands after the change just made. */
  refresh(): void {
    const { recovery, received, repeats, paths, forgetKeyAt, idleAt } = this.#session
    const table = this.#table
    table.set('loss-or-probe', recovery.deadline)
    table.set('acknowledgement', received.deadline)
    table.set('pacing', this.#sending.pacingDeadline)
    table.set('chat-repeat', repeats.deadline)
    table.set('path-validation', paths.deadline)
    table.set('key-discard', forgetKeyAt)
    table.set('keep-alive', this.#keepAliveAt)
    table.set('idle', idleAt)
  }

  /** False when the idle time is over. */
  handleTimeout(now: Instant): boolean {
    const { recovery, received, repeats, paths, protection, streams } = this.#session
    const table = this.#table
    if (table.isDue('idle', now)) return false
    if (table.isDue('loss-or-probe', now)) {
      recovery.handleTimeout(now)
      if (recovery.ptoCount >= 2) repeats.clear() // nothing comes back: more of the same would not either
    }
    if (table.isDue('acknowledgement', now)) received.handleTimeout()
    if (table.isDue('path-validation', now)) paths.handleTimeout()
    if (table.isDue('keep-alive', now)) this.#session.owesPing = true
    if (table.isDue('key-discard', now)) {
      protection.forgetPreviousKey()
      this.#session.forgetKeyAt = undefined
    }
    streams.setCongestionWindow(recovery.windowBytes)
    return true
  }

  get #keepAliveAt(): Instant | undefined {
    const { owesPing, lastSentAt } = this.#session
    if (this.#keepAliveMs === undefined || owesPing) return undefined
    return after(lastSentAt, this.#keepAliveMs)
  }
}
