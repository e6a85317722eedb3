/** One line for a terminal: which tests run, and how long it still takes. */
import type { NatProbeEvent, TestName } from './nat-probe.ts'
import type { Mode } from './timing.ts'

/** What a run takes where nothing is lost and nothing is far; it says "about". */
const USUAL_MS: Readonly<Record<Mode, number>> = { full: 4500, quick: 1200 }

export class Progress {
  readonly #usualMs: number
  readonly #running: TestName[] = []

  constructor(mode: Mode) {
    this.#usualMs = USUAL_MS[mode]
  }

  note(event: NatProbeEvent): void {
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
