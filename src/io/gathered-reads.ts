/**
 * Reads that are asked for in one turn of the event loop, by whomever, are done as one: each on its own costs a task of
 * the thread pool, and most of its price is the way there and back.
 */
import { atEndOfTurn } from './end-of-turn.ts'

type Value = Uint8Array | undefined

interface Waiting {
  readonly key: string
  readonly found: (value: Value) => void
  readonly failed: (error: unknown) => void
}

export interface Reading {
  one(key: string): Promise<Value>
  /** In the order of the keys. */
  many(keys: string[]): Promise<readonly Value[]>
}

export class GatheredReads {
  readonly #reading: Reading
  #waiting: Waiting[] = [] // as many as were asked for in a turn

  constructor(reading: Reading) {
    this.#reading = reading
  }

  get(key: string): Promise<Value> {
    return new Promise((found, failed) => {
      this.#waiting.push({ key, found, failed })
      if (this.#waiting.length === 1) atEndOfTurn(() => void this.#readAll()) // never rejects
    })
  }

  async #readAll(): Promise<void> {
    const waiting = this.#waiting
    this.#waiting = []
    const values = waiting.length === 1 ? undefined : await this.#many(waiting)
    if (values === undefined)
      for (const each of waiting) void this.#readOne(each) // never rejects
    else for (const [index, { found }] of waiting.entries()) found(values[index])
  }

  /** `undefined` when one of them cannot be read: it must not take the others with it. */
  async #many(waiting: readonly Waiting[]): Promise<readonly Value[] | undefined> {
    try {
      return await this.#reading.many(waiting.map(({ key }) => key))
    } catch {
      return undefined
    }
  }

  async #readOne({ key, found, failed }: Waiting): Promise<void> {
    try {
      found(await this.#reading.one(key))
    } catch (error) {
      failed(error)
    }
  }
}
