import type { Clock } from '../core/clock.ts'
import { type Instant, instant } from '../core/instant.ts'

/** setTimeout takes 32 bits; a later deadline is reached in several steps. */
const LONGEST_TIMER_MS = 2 ** 31 - 1

/** Node's timers may fire so much before their time. */
const TIMER_EARLY_MS = 1

/**
 * One timer for one deadline that moves. It is rearmed only when the deadline becomes earlier than the timer, so a
 * deadline that moves away with each datagram costs nothing; a timer that fires early just sleeps on. A deadline that
 * has come already is met at the end of the event loop's turn, when all that arrived with it is in: a timer would take
 * a millisecond.
 */
export class Alarm {
  readonly #clock: Clock
  readonly #onDue: (now: Instant) => void
  #deadline: Instant | undefined
  #timer: NodeJS.Timeout | undefined
  #timerDue: Instant | undefined
  #isTurnAwaited = false

  /** `onDue` gets an instant that is never before the deadline. */
  constructor(clock: Clock, onDue: (now: Instant) => void) {
    this.#clock = clock
    this.#onDue = onDue
  }

  set(deadline: Instant | undefined): void {
    this.#deadline = deadline
    if (deadline === undefined) return
    if (deadline <= this.#clock.now()) this.#awaitTurn()
    else if (this.#timerDue === undefined || this.#timerDue > deadline) this.#arm(deadline)
  }

  clear(): void {
    this.#deadline = undefined
    clearTimeout(this.#timer)
    this.#timerDue = undefined
  }

  #arm(deadline: Instant): void {
    clearTimeout(this.#timer)
    const wait = Math.min(Math.max(0, deadline - this.#clock.now()), LONGEST_TIMER_MS)
    this.#timerDue = deadline
    this.#timer = setTimeout(() => this.#handleTimer(), wait)
  }

  #awaitTurn(): void {
    if (this.#isTurnAwaited) return
    this.#isTurnAwaited = true
    setImmediate(() => {
      this.#isTurnAwaited = false
      this.#handleDue(0)
    })
  }

  #handleTimer(): void {
    this.#timerDue = undefined
    this.#handleDue(TIMER_EARLY_MS)
  }

  #handleDue(earlyMs: number): void {
    const deadline = this.#deadline
    if (deadline === undefined) return
    const now = this.#clock.now()
    if (deadline - now > earlyMs) {
      if (this.#timerDue === undefined || this.#timerDue > deadline) this.#arm(deadline)
      return
    }
    this.#deadline = undefined
    this.#onDue(instant(Math.max(deadline, now)))
  }
}
