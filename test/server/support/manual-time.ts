import type { Clock } from '../../../src/core/clock.ts'
import { after, type Instant, instant } from '../../../src/core/instant.ts'
import type { DeadlineAlarm } from '../../../src/server/outside.ts'

/** A clock and its alarms, turned by hand. It starts long after zero, as a machine's clock does. */
export class ManualTime implements Clock {
  #now = instant(1_000_000)
  readonly #alarms = new Set<ManualAlarm>()

  now(): Instant {
    return this.#now
  }

  wallNow(): number {
    return 1_800_000_000_000 + this.#now
  }

  makeAlarm(onDue: (now: Instant) => void): DeadlineAlarm {
    const alarm = new ManualAlarm(onDue)
    this.#alarms.add(alarm)
    return alarm
  }

  /** Lets time pass, from one alarm to the next, each with everything that follows from it. */
  async pass(ms: number): Promise<void> {
    const end = after(this.#now, ms)
    await settle()
    for (let next = this.#next(); next !== undefined && next.due <= end; next = this.#next()) {
      this.#now = instant(Math.max(this.#now, next.due))
      next.ring(this.#now)
      await settle()
    }
    this.#now = end
  }

  #next(): ManualAlarm | undefined {
    let first: ManualAlarm | undefined
    for (const alarm of this.#alarms) {
      if (alarm.due < (first?.due ?? Number.POSITIVE_INFINITY)) first = alarm
    }
    return first
  }
}

class ManualAlarm implements DeadlineAlarm {
  readonly #onDue: (now: Instant) => void
  due = Number.POSITIVE_INFINITY

  constructor(onDue: (now: Instant) => void) {
    this.#onDue = onDue
  }

  set(deadline: Instant | undefined): void {
    this.due = deadline ?? Number.POSITIVE_INFINITY
  }

  clear(): void {
    this.due = Number.POSITIVE_INFINITY
  }

  ring(now: Instant): void {
    this.due = Number.POSITIVE_INFINITY
    this.#onDue(now)
  }
}

/** One turn of the event loop: every promise that needs no outside has settled by then. */
export async function settle(): Promise<void> {
  await new Promise((resolve) => setImmediate(resolve))
}
