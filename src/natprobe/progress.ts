/** One line for a terminal: which tests run, and how long it still takes. */
import { bucketsOf, type LifetimeMode } from './lifetime-probe.ts'
import type { NatProbeEvent, TestName } from './nat-probe.ts'
import type { Pace } from './timing.ts'

/** What a run takes where nothing is lost and nothing is far; it says "about". */
const USUAL_MS: Readonly<Record<Pace, number>> = { full: 5500, quick: 1200 }

/** Before the longest idle time and after it. */
const LIFETIME_EXTRA_SECONDS = 4

export class Progress {
  #usualMs: number
  readonly #perUplinkMs: number
  readonly #lifetimeMs: number
  readonly #running: TestName[] = []
  #isWaiting = false

  constructor(mode: Pace, lifetime: LifetimeMode) {
    this.#perUplinkMs = USUAL_MS[mode]
    this.#usualMs = this.#perUplinkMs
    this.#lifetimeMs = ((bucketsOf(lifetime).at(-1) ?? 0) + LIFETIME_EXTRA_SECONDS) * 1000
  }

  /** The tests begin once more, through another interface. */
  noteUplink(): void {
    this.#usualMs += this.#perUplinkMs
  }

  note(event: NatProbeEvent): void {
    // Known only now: it is left out without a NAT.
    if (event.kind === 'test-started' && event.test === 'lifetime' && !this.#isWaiting) {
      this.#isWaiting = true
      this.#usualMs += this.#lifetimeMs
    }
    if (event.kind === 'test-started' && !this.#running.includes(event.test)) {
      this.#running.push(event.test)
    } else if (event.kind === 'test-finished') {
      const at = this.#running.indexOf(event.test)
      if (at >= 0) this.#running.splice(at, 1)
    }
  }

  line(elapsedMs: number): string {
    const leftMs = this.#usualMs - elapsedMs
    const left =
      leftMs > 0 ? `about ${Math.ceil(leftMs / 1000)} s left` : 'waiting for late answers'
    return `testing ${this.#running.join(', ') || 'sockets'}: ${left}`
  }
}
