/**
 * One client's events: a cursor over the journal, not a queue. Events are read and written as long as the client
 * takes them; then the cursor waits, however long the journal grows. Ephemeral events wait beside it, the latest of
 * each kind and subject, and go out when the cursor has caught up.
 */
import type { Clock } from '../core/clock.ts'
import type { ControlEvent } from '../protocol/control/schema.ts'
import type { EphemeralEvent } from './events.ts'
import type { Journal } from './journal.ts'
import type { Listeners } from './listeners.ts'

/** Read from the journal at once; more is read when these are written. */
const PAGE = 64

/** Beyond this many subjects the client is told to look at everything again (`resync`). */
const MAX_EPHEMERAL = 1_000

export interface SubscriptionOptions {
  readonly clock: Clock
  readonly journal: Journal
  readonly ephemeral: Listeners<EphemeralEvent>
  /** The events after this one. */
  readonly after: number
  /** Only these types; the marks `events.gap` and `resync` come in any case. */
  readonly types?: readonly string[]
  readonly write: (event: ControlEvent) => void
  readonly hasRoom: () => boolean
  /** The journal cannot be read. */
  readonly onFailure: (error: unknown) => void
}

export class Subscription {
  readonly #options: SubscriptionOptions
  readonly #types: ReadonlySet<string> | undefined
  readonly #ephemeral = new Map<string, EphemeralEvent>() // ≤ MAX_EPHEMERAL, then `resync` instead
  readonly #forget: readonly (() => void)[]
  #cursor: number
  #isResyncDue = false
  #isPumping = false
  #isStopped = false

  constructor(options: SubscriptionOptions) {
    this.#options = options
    this.#types = options.types === undefined ? undefined : new Set(options.types)
    this.#cursor = options.after
    this.#forget = [
      options.journal.onGrown(() => this.resume()),
      options.ephemeral.add((event) => this.#keep(event)),
    ]
  }

  /** Goes on: there are new events, or there is room again. */
  resume(): void {
    if (this.#isPumping || this.#isStopped) return
    this.#isPumping = true
    this.#pump()
      .catch((error: unknown) => this.#options.onFailure(error))
      .finally(() => {
        this.#isPumping = false
        if (this.#hasWork()) this.resume() // it came while the last page was being read
      })
  }

  stop(): void {
    this.#isStopped = true
    for (const forget of this.#forget) forget()
  }

  async #pump(): Promise<void> {
    while (this.#isBehind()) {
      this.#passGap()
      const [before, { lastSeq }] = [this.#cursor, this.#options.journal]
      for await (const event of this.#options.journal.read(before, PAGE)) {
        if (!this.#canWrite()) return
        this.#cursor = event.seq
        if (this.#isWanted(event.type)) this.#options.write(event)
      }
      if (this.#cursor === before) this.#cursor = lastSeq // forgotten while we were about to read it
    }
    if (this.#canWrite()) this.#flushEphemeral()
  }

  /** What the journal does not hold any more is told, not passed over. */
  #passGap(): void {
    const { firstSeq } = this.#options.journal
    if (this.#cursor + 1 >= firstSeq) return
    const data = { from: this.#cursor + 1, to: firstSeq - 1 }
    this.#cursor = firstSeq - 1
    this.#mark('events.gap', data)
  }

  #flushEphemeral(): void {
    if (this.#isResyncDue) this.#mark('resync', {})
    this.#isResyncDue = false
    for (const [key, { type, data }] of this.#ephemeral) {
      if (!this.#canWrite()) return
      this.#ephemeral.delete(key)
      this.#mark(type, { ...data })
    }
  }

  /** An event that is in no journal carries the number of the last durable one before it. */
  #mark(type: string, data: Record<string, unknown>): void {
    const at = new Date(this.#options.clock.wallNow()).toISOString()
    this.#options.write({ seq: this.#cursor, type, at, data })
  }

  #keep(event: EphemeralEvent): void {
    if (!this.#isWanted(event.type)) return
    const key = `${event.type} ${event.key}`
    if (this.#ephemeral.size >= MAX_EPHEMERAL && !this.#ephemeral.has(key)) {
      this.#ephemeral.clear()
      this.#isResyncDue = true
    } else if (!this.#isResyncDue) {
      this.#ephemeral.set(key, event)
    }
    this.resume()
  }

  #hasWork(): boolean {
    const hasEphemeral = this.#ephemeral.size > 0 || this.#isResyncDue
    return this.#isBehind() || (hasEphemeral && this.#canWrite())
  }

  #isBehind(): boolean {
    return this.#canWrite() && this.#cursor < this.#options.journal.lastSeq
  }

  #canWrite(): boolean {
    return !this.#isStopped && this.#options.hasRoom()
  }

  #isWanted(type: string): boolean {
    return this.#types?.has(type) ?? true
  }
}
