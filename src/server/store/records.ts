/**
 * Records in an ordered key-value store, for the ports built on it: read by their schema, written in one step, changed
 * one change after another. Whatever goes wrong below is `STORE_UNUSABLE`.
 */
import type { z } from 'zod'
import type { Store, StoreChange, StoreRange } from '../../core/store.ts'
import { isIntact, readIntact, readRecord, storeFailure, type StorePut } from './record.ts'

/** Told of a damaged record that was passed over. */
export type OnDamage = (key: string) => void

export class Records {
  readonly #store: Store
  readonly #onDamage: OnDamage
  #lastChange: Promise<unknown> = Promise.resolve()

  constructor(store: Store, onDamage: OnDamage = () => undefined) {
    this.#store = store
    this.#onDamage = onDamage
  }

  /** @throws HollerError `STORE_UNUSABLE`, also when the record is damaged */
  async read<S extends z.ZodType>(schema: S, key: string): Promise<z.output<S> | undefined> {
    const value = await this.bytes(key)
    return value === undefined ? undefined : readRecord(schema, key, value)
  }

  /**
   * The same, in the time that it takes where there is a record: the work is done on `likeness` where there is none.
   * For whoever must not tell by the time what is there.
   */
  async readAlike<S extends z.ZodType>(
    schema: S,
    key: string,
    likeness: StorePut,
  ): Promise<z.output<S> | undefined> {
    const value = await this.bytes(key)
    const record = readRecord(
      schema,
      value === undefined ? likeness.key : key,
      value ?? likeness.value,
    )
    return value === undefined ? undefined : record
  }

  /** What is under the key, unread. @throws HollerError `STORE_UNUSABLE` */
  async bytes(key: string): Promise<Uint8Array | undefined> {
    try {
      return await this.#store.get(key)
    } catch (error) {
      throw storeFailure(error)
    }
  }

  /** Damaged records are told and passed over: one must not take the whole list with it. @throws as above */
  async *range<S extends z.ZodType>(
    schema: S,
    range: StoreRange,
  ): AsyncIterable<{ readonly key: string; readonly value: z.output<S> }> {
    try {
      for await (const [key, bytes] of this.#store.range(range)) {
        if (isIntact(key, bytes)) yield { key, value: readIntact(schema, key, bytes) }
        else this.#onDamage(key)
      }
    } catch (error) {
      throw storeFailure(error)
    }
  }

  /** The keys of a range, whatever is under them. @throws HollerError `STORE_UNUSABLE` */
  async keys(range: StoreRange): Promise<readonly string[]> {
    const keys: string[] = [] // ≤ the range's limit, or what its caller bounds
    try {
      for await (const [key] of this.#store.range(range)) keys.push(key)
    } catch (error) {
      throw storeFailure(error)
    }
    return keys
  }

  tellDamage(key: string): void {
    this.#onDamage(key)
  }

  /** Resolves when the changes are on disk. @throws HollerError `STORE_UNUSABLE` */
  async write(changes: readonly StoreChange[]): Promise<void> {
    try {
      await this.#store.write(changes)
    } catch (error) {
      throw storeFailure(error)
    }
  }

  /** Runs a change when those before it have ended, so that what it reads still holds when it writes. */
  inOrder<T>(change: () => Promise<T>): Promise<T> {
    const result = this.#lastChange.then(change)
    this.#lastChange = result.catch(() => undefined) // whoever asked for the change hears of its failure
    return result
  }

  /** Resolves when the changes asked for so far have ended. */
  async idle(): Promise<void> {
    await this.#lastChange
  }
}
