import { copyOf } from '../../src/core/bytes.ts'
import type { Store, StoreChange, StoreRange } from '../../src/core/store.ts'

/** The `Store` port's in-memory twin: same contract, nothing on disk. */
export function memoryStore(): Store {
  return new MemoryStore()
}

class MemoryStore implements Store {
  readonly #records = new Map<string, Uint8Array>()

  get(key: string): Promise<Uint8Array | undefined> {
    const value = this.#records.get(key)
    return Promise.resolve(value === undefined ? undefined : copyOf(value))
  }

  // eslint-disable-next-line @typescript-eslint/require-await -- the port is asynchronous
  async *range(range: StoreRange): AsyncIterable<readonly [key: string, value: Uint8Array]> {
    const inside = (key: string): boolean =>
      (range.from === undefined || compareUtf8(key, range.from) >= 0) &&
      (range.before === undefined || compareUtf8(key, range.before) < 0)
    const keys = [...this.#records.keys()].filter(inside).sort(compareUtf8)
    if (range.reverse === true) keys.reverse()
    const records = new Map(this.#records)
    for (const key of keys.slice(0, range.limit)) {
      const value = records.get(key)
      if (value !== undefined) yield [key, copyOf(value)]
    }
  }

  write(changes: readonly StoreChange[]): Promise<void> {
    for (const change of changes) {
      if (change.kind === 'put') this.#records.set(change.key, copyOf(change.value))
      else this.#records.delete(change.key)
    }
    return Promise.resolve()
  }

  close(): Promise<void> {
    return Promise.resolve()
  }
}

function compareUtf8(a: string, b: string): number {
  return Buffer.compare(Buffer.from(a), Buffer.from(b))
}
