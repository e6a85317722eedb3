/** What the server's parts are handed instead of fetching it themselves: time, randomness, a timer, the log. */
import type { Clock } from '../core/clock.ts'
import type { Instant } from '../core/instant.ts'
import type { Logger } from '../core/logger.ts'
import type { Random } from '../core/random.ts'

/** One timer for one deadline that moves (`io/alarm.ts`; in tests turned by hand). */
export interface DeadlineAlarm {
  set(deadline: Instant | undefined): void
  clear(): void
}

export interface Outside {
  readonly clock: Clock
  readonly random: Random
  readonly logger: Logger
  /** `onDue` gets an instant that is never before the deadline; a new deadline must then be set. */
  readonly makeAlarm: (onDue: (now: Instant) => void) => DeadlineAlarm
}
