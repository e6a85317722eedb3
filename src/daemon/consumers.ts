import { z } from 'zod'
import { HollerError } from '../core/holler-error.ts'
import type { Store } from '../core/store.ts'
import { everyKeyUnder, putRecord, readRecord } from './records.ts'

/** Scripts, bots and front-ends of one person; more means that somebody makes up a name for each run. */
export const MAX_CONSUMERS = 256

const PREFIX = 'consumer/'

const record = z.object({ seq: z.number().int().nonnegative() })

/** How far each named reader of the journal has acknowledged it: at least once, across crashes of either side. */
export class Consumers {
  readonly #store: Store
  readonly #acknowledged: Map<string, number> // ≤ MAX_CONSUMERS

  static async open(store: Store): Promise<Consumers> {
    const acknowledged = new Map<string, number>()
    for await (const [key, bytes] of store.range(everyKeyUnder(PREFIX))) {
      acknowledged.set(key.slice(PREFIX.length), readRecord(record, key, bytes).seq)
    }
    return new Consumers(store, acknowledged)
  }

  private constructor(store: Store, acknowledged: Map<string, number>) {
    this.#store = store
    this.#acknowledged = acknowledged
  }

  /** 0 for a name that has acknowledged nothing: it gets everything that the journal still holds. */
  acknowledged(name: string): number {
    return this.#acknowledged.get(name) ?? 0
  }

  /**
   * Resolves when it is on disk. An older acknowledgement that comes late changes nothing.
   *
   * @throws HollerError `TOO_LARGE` when there are too many names.
   */
  async acknowledge(name: string, seq: number): Promise<void> {
    const known = this.#acknowledged.get(name)
    if (known !== undefined && known >= seq) return
    if (known === undefined && this.#acknowledged.size >= MAX_CONSUMERS) {
      throw new HollerError('TOO_LARGE', `There are ${MAX_CONSUMERS} named consumers already`)
    }
    this.#acknowledged.set(name, seq)
    await this.#store.write([putRecord(record, PREFIX + name, { seq })])
  }
}
