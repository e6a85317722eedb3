import { after, type Instant } from '../core/instant.ts'
import type { AccountNumber } from '../protocol/server/messages.ts'
import { Deadlines } from './deadlines.ts'
import type { Epoch } from './store/session-store.ts'

/** A daemon that is restarted, or a laptop carried to another room, is back within it. */
export const RESUME_WITHIN_MS = 60_000

export interface Departure {
  readonly number: AccountNumber
  readonly epoch: Epoch
}

/** Whose connection is gone and whose session is not over yet. */
export class Departures {
  readonly #epochs = new Map<AccountNumber, Epoch>() // BOUNDED: sessions that ended within RESUME_WITHIN_MS
  readonly #deadlines = new Deadlines<AccountNumber>()

  left(now: Instant, { number, epoch }: Departure): void {
    this.#epochs.set(number, epoch)
    this.#deadlines.set(number, after(now, RESUME_WITHIN_MS))
  }

  cameBack(number: AccountNumber): void {
    this.#epochs.delete(number)
    this.#deadlines.delete(number)
  }

  /** One who has been away for too long, taken out. */
  takeOver(now: Instant): Departure | undefined {
    const number = this.#deadlines.takeDue(now)
    if (number === undefined) return undefined
    const epoch = this.#epochs.get(number) ?? 0
    this.#epochs.delete(number)
    return { number, epoch }
  }

  get nextAt(): Instant | undefined {
    return this.#deadlines.earliest
  }
}
