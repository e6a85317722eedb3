/**
 * The journal: durable events with a rising sequence number, on disk before anybody hears of them.
 *
 * Every change of the daemon's records that somebody may want to hear of goes through `commit`, together with its
 * events, as one atomic write: "store, then announce" has no gap in between. Commits are written in the order they
 * were asked for, many at a time where they come faster than the disk (group commit), so event n+1 is never on disk
 * before event n and a reader's cursor never passes over one.
 */
import { z } from 'zod'
import type { Clock } from '../core/clock.ts'
import type { Store, StoreChange } from '../core/store.ts'
import type { ControlEvent } from '../protocol/control/schema.ts'
import type { DurableEvent } from './events.ts'
import { Listeners } from './listeners.ts'
import {
  deleteRecord,
  everyKeyUnder,
  lastNumberOf,
  putRecord,
  readRecord,
  sortable,
} from './records.ts'

/**
 * The oldest events beyond this many are forgotten: a busy year of chat, some 50 MB. Messages stay in the history;
 * a consumer that comes later than that is told of the gap.
 */
export const MAX_EVENTS = 100_000

/** How many are forgotten in one write, so that not each commit has to. */
const FORGET_AT_ONCE = 1_000

/** Commits written in one batch; a batch of 100 costs hardly more than one synced write. */
const MAX_GROUP = 256

const PREFIX = 'journal/'

const record = z.object({
  type: z.string(),
  at: z.string(),
  data: z.record(z.string(), z.unknown()),
})

interface Commit {
  readonly changes: readonly StoreChange[]
  readonly events: readonly DurableEvent[]
  readonly done: () => void
  readonly failed: (error: unknown) => void
}

export interface JournalOptions {
  readonly store: Store
  readonly clock: Clock
  readonly maxEvents?: number
}

export class Journal {
  readonly #store: Store
  readonly #clock: Clock
  readonly #maxEvents: number
  readonly #grown = new Listeners<number>()
  #waiting: Commit[] = [] // as many as callers wait for: each of them bounds its own
  #writing: Promise<void> | undefined
  #firstSeq: number
  #lastSeq: number

  static async open(options: JournalOptions): Promise<Journal> {
    const first = await seqAtEnd(options.store, false)
    const last = await seqAtEnd(options.store, true)
    return new Journal(options, first ?? 1, last ?? 0)
  }

  private constructor({ store, clock, maxEvents }: JournalOptions, first: number, last: number) {
    this.#store = store
    this.#clock = clock
    this.#maxEvents = maxEvents ?? MAX_EVENTS
    this.#firstSeq = first
    this.#lastSeq = last
  }

  /** The latest event's number; 0 before the first. */
  get lastSeq(): number {
    return this.#lastSeq
  }

  /** The oldest event that is still kept (or the first to come). */
  get firstSeq(): number {
    return this.#firstSeq
  }

  /** Resolves when the changes and the events are on disk; then, and not before, the events are announced. */
  async commit(
    changes: readonly StoreChange[],
    events: readonly DurableEvent[] = [],
  ): Promise<void> {
    await new Promise<void>((done, failed) => {
      this.#waiting.push({ changes, events, done, failed })
      this.#writing ??= this.#writeAll()
    })
  }

  /** The events after `seq`, oldest first. */
  async *read(seq: number, limit: number): AsyncIterable<ControlEvent> {
    const range = { ...everyKeyUnder(PREFIX), from: keyOf(seq + 1), limit }
    for await (const [key, bytes] of this.#store.range(range)) {
      yield { seq: lastNumberOf(key), ...readRecord(record, key, bytes) }
    }
  }

  /** Tells the latest sequence number whenever there are new events. The returned function ends it. */
  onGrown(listener: (lastSeq: number) => void): () => void {
    return this.#grown.add(listener)
  }

  /** Resolves when everything committed so far is on disk or has failed. */
  async settled(): Promise<void> {
    await this.#writing
  }

  async #writeAll(): Promise<void> {
    // Commits of the same turn of the event loop share a write.
    await Promise.resolve()
    while (this.#waiting.length > 0) {
      const group = this.#waiting.slice(0, MAX_GROUP)
      this.#waiting = this.#waiting.slice(MAX_GROUP)
      await this.#write(group)
    }
    this.#writing = undefined
  }

  async #write(group: readonly Commit[]): Promise<void> {
    const at = new Date(this.#clock.wallNow()).toISOString()
    const events = group.flatMap((commit) => commit.events)
    const lastSeq = this.#lastSeq + events.length
    const firstSeq = this.#firstToKeep(lastSeq)
    const changes = [
      ...group.flatMap((commit) => commit.changes),
      ...events.map(({ type, data }, index) =>
        putRecord(record, keyOf(this.#lastSeq + 1 + index), { type, at, data: { ...data } }),
      ),
      ...keysBetween(this.#firstSeq, firstSeq).map(deleteRecord),
    ]
    try {
      await this.#store.write(changes)
    } catch (error) {
      for (const commit of group) commit.failed(error)
      return
    }
    this.#firstSeq = firstSeq
    this.#lastSeq = lastSeq
    for (const commit of group) commit.done()
    if (events.length > 0) this.#grown.tell(lastSeq)
  }

  #firstToKeep(lastSeq: number): number {
    const surplus = lastSeq - this.#firstSeq + 1 - this.#maxEvents
    return surplus < Math.min(FORGET_AT_ONCE, this.#maxEvents)
      ? this.#firstSeq
      : this.#firstSeq + surplus
  }
}

function keyOf(seq: number): string {
  return PREFIX + sortable(seq)
}

function keysBetween(first: number, before: number): string[] {
  return Array.from({ length: before - first }, (_, index) => keyOf(first + index))
}

async function seqAtEnd(store: Store, reverse: boolean): Promise<number | undefined> {
  for await (const [key] of store.range({ ...everyKeyUnder(PREFIX), reverse, limit: 1 })) {
    return lastNumberOf(key)
  }
  return undefined
}
