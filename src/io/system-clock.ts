import type { Clock } from '../core/clock.ts'
import { instant } from '../core/instant.ts'

/** The machine's clocks. `now` stands still while the machine sleeps (CLOCK_MONOTONIC). */
export const systemClock: Clock = {
  now: () => instant(performance.now()),
  wallNow: () => Date.now(),
}
