import { type Instant } from '../core/instant.ts'

/** Everything in a connection that waits for time to pass. */
export const timerNames = [
  'handshake',
  'loss-or-probe',
  'acknowledgement',
  'pacing',
  'chat-repeat',
  'path-validation',
  'key-discard',
  'keep-alive',
  'idle',
  'closing',
] as const
export type TimerName = (typeof timerNames)[number]

const INDEX = Object.fromEntries(timerNames.map((name, index) => [name, index])) as Readonly<
  Record<TimerName, number>
>

/** One deadline for each name, and so one timer for a connection. */
export class DeadlineTable {
  readonly #at = new Float64Array(timerNames.length).fill(Infinity)

  set(name: TimerName, at: Instant | undefined): void {
    this.#at[INDEX[name]] = at ?? Infinity
  }

  clear(): void {
    this.#at.fill(Infinity)
  }

  get(name: TimerName): Instant | undefined {
    const at = this.#at[INDEX[name]] ?? Infinity
    return at === Infinity ? undefined : (at as Instant)
  }

  isDue(name: TimerName, now: Instant): boolean {
    return (this.#at[INDEX[name]] ?? Infinity) <= now
  }

  get earliest(): Instant | undefined {
    let earliest = Infinity
    for (const at of this.#at) if (at < earliest) earliest = at
    return earliest === Infinity ? undefined : (earliest as Instant)
  }
}
