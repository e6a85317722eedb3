/** One question to the gateway, repeated as its schedule says until it is answered or given up. */
import { after, type Instant } from '../../core/instant.ts'
import type { Schedule } from '../../stun/transactions.ts'

const NOTHING = new Uint8Array()

export class Asking {
  /** What is sent, each time the same; nothing where the asker has several things to send. */
  readonly bytes: Uint8Array
  readonly #startedAt: Instant
  readonly #schedule: Schedule
  #dueAt: Instant

  constructor(now: Instant, schedule: Schedule, bytes: Uint8Array = NOTHING) {
    this.bytes = bytes
    this.#startedAt = now
    this.#schedule = schedule
    this.#dueAt = now
  }

  get dueAt(): Instant {
    return this.#dueAt
  }

  /** What the time says. However late the wake-up, it is one transmission: a pause is no reason for a burst. */
  step(now: Instant): 'wait' | 'send' | 'give-up' {
    if (now < this.#dueAt) return 'wait'
    if (now >= after(this.#startedAt, this.#schedule.giveUpAtMs)) return 'give-up'
    const next = this.#schedule.sendAtMs.find((offset) => after(this.#startedAt, offset) > now)
    this.#dueAt = after(this.#startedAt, next ?? this.#schedule.giveUpAtMs)
    return 'send'
  }
}
