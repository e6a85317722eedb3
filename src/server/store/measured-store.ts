import type { Clock } from '../../core/clock.ts'
import type { Store } from '../../core/store.ts'

export type StoreOperation = 'get' | 'range' | 'write'

/** The same store, which tells how long each of its calls took. A range is measured to the end of its reading. */
export function measuredStore(
  store: Store,
  clock: Clock,
  onDone: (operation: StoreOperation, ms: number) => void,
): Store {
  const timed = async <T>(operation: StoreOperation, call: () => Promise<T>): Promise<T> => {
    const start = clock.now()
    try {
      return await call()
    } finally {
      onDone(operation, clock.now() - start)
    }
  }
  return {
    get: (key) => timed('get', () => store.get(key)),
    write: (changes) => timed('write', () => store.write(changes)),
    async *range(range) {
      const start = clock.now()
      try {
        yield* store.range(range)
      } finally {
        onDone('range', clock.now() - start)
      }
    },
    close: () => store.close(),
  }
}
