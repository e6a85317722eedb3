import type { ControlClient } from './control-client.ts'

/** The daemon takes 100 requests a second; a busy stream of events may use a fifth of them. */
const SPACING_MS = 50

/**
 * Tells the daemon how far a named consumer has got: the latest sequence number at once when it is quiet, and at
 * most every `SPACING_MS` when events pour in. An acknowledgement that fails is made good by the next one.
 */
export class Acknowledger {
  readonly #client: ControlClient
  readonly #name: string
  readonly #timeoutMs: number
  #seq = 0
  #acknowledged = 0
  #timer: NodeJS.Timeout | undefined

  constructor(client: ControlClient, name: string, timeoutMs: number) {
    this.#client = client
    this.#name = name
    this.#timeoutMs = timeoutMs
  }

  /** Passing events carry the number of the lasting one before them: nothing new to tell. */
  acknowledge(seq: number): void {
    if (seq <= this.#seq) return
    this.#seq = seq
    if (this.#timer === undefined) this.#tellNow()
  }

  /** Resolves when everything so far is acknowledged. */
  async flush(): Promise<void> {
    clearTimeout(this.#timer)
    if (this.#seq > this.#acknowledged) await this.#tell()
  }

  #tellNow(): void {
    this.#tell().catch(() => undefined) // told again with the next event, or by `flush`
    this.#timer = setTimeout(() => {
      this.#timer = undefined
      if (this.#seq > this.#acknowledged) this.#tellNow()
    }, SPACING_MS)
    this.#timer.unref()
  }

  async #tell(): Promise<void> {
    const seq = this.#seq
    await this.#client.request('events.ack', { name: this.#name, seq }, this.#timeoutMs)
    this.#acknowledged = Math.max(this.#acknowledged, seq)
  }
}
