/**
 * What is not delivered yet: for each buddy the ids of our messages in the order they were written. A message enters
 * with the same write that puts it into the history, and leaves with the one that says how it ended.
 */
import { z } from 'zod'
import type { Store, StoreChange } from '../core/store.ts'
import type { MessageId } from '../protocol/peer/peer-message.ts'
import type { AccountNumber } from '../protocol/server/messages.ts'
import type { StoredMessage } from './history.ts'
import {
  deleteRecord,
  everyKeyUnder,
  lastNumberOf,
  putRecord,
  readRecord,
  sortable,
} from './records.ts'

const record = z.object({ id: z.custom<MessageId>((value) => typeof value === 'string') })

export interface OutboxEntry {
  readonly id: MessageId
  readonly sequence: number
}

export class Outbox {
  readonly #store: Store
  readonly #prefix: string
  readonly #counts: Map<AccountNumber, number> // buddies with something to send

  static async open(store: Store, slot: string): Promise<Outbox> {
    const prefix = `${slot}/outbox/`
    const counts = new Map<AccountNumber, number>()
    for await (const [key] of store.range(everyKeyUnder(prefix))) {
      const buddy = Number(key.slice(prefix.length).split('/', 1)[0])
      counts.set(buddy, (counts.get(buddy) ?? 0) + 1)
    }
    return new Outbox(store, prefix, counts)
  }

  private constructor(store: Store, prefix: string, counts: Map<AccountNumber, number>) {
    this.#store = store
    this.#prefix = prefix
    this.#counts = counts
  }

  /** How many messages wait for all buddies together. */
  get size(): number {
    let size = 0
    for (const count of this.#counts.values()) size += count
    return size
  }

  buddies(): readonly AccountNumber[] {
    return [...this.#counts.keys()]
  }

  has(buddy: AccountNumber): boolean {
    return this.#counts.has(buddy)
  }

  /** A buddy's waiting messages after `sequence`, oldest first. */
  async *after(buddy: AccountNumber, sequence: number): AsyncIterable<OutboxEntry> {
    const prefix = this.#prefixOf(buddy)
    const range = { ...everyKeyUnder(prefix), from: prefix + sortable(sequence + 1) }
    for await (const [key, bytes] of this.#store.range(range)) {
      yield { id: readRecord(record, key, bytes).id, sequence: lastNumberOf(key) }
    }
  }

  added({ buddy, id, sequence }: StoredMessage): StoreChange {
    return putRecord(record, this.#prefixOf(buddy) + sortable(sequence), { id })
  }

  removed({ buddy, sequence }: StoredMessage): StoreChange {
    return deleteRecord(this.#prefixOf(buddy) + sortable(sequence))
  }

  /** To be told after the write that changed it: `by` is 1 or less. */
  count(buddy: AccountNumber, by: number): void {
    const count = (this.#counts.get(buddy) ?? 0) + by
    if (count > 0) this.#counts.set(buddy, count)
    else this.#counts.delete(buddy)
  }

  #prefixOf(buddy: AccountNumber): string {
    return `${this.#prefix}${sortable(buddy)}/`
  }
}
