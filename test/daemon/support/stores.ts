import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Store, StoreChange } from '../../../src/core/store.ts'
import { openLevelStore } from '../../../src/io/level-store.ts'
import { memoryStore } from '../../support/memory-store.ts'

/** A place where a store can be closed and opened again, as a restart of the daemon does it. */
export interface StorePlace {
  open(): Promise<Store>
  remove(): Promise<void>
}

/** What is written in memory survives `close`, like a disk does. */
export function memoryPlace(): StorePlace {
  const store = memoryStore()
  return { open: () => Promise.resolve(store), remove: () => Promise.resolve() }
}

export async function levelPlace(): Promise<StorePlace> {
  const directory = await mkdtemp(join(tmpdir(), 'holler-test-'))
  return {
    open: () => openLevelStore(join(directory, 'store')),
    remove: () => rm(directory, { recursive: true, force: true }),
  }
}

/** Runs a suite on both implementations of the `Store` port. */
export function onEveryStore(suite: (place: () => StorePlace) => void): void {
  for (const [name, make] of [
    ['memory', () => Promise.resolve(memoryPlace())],
    ['level', levelPlace],
  ] as const) {
    describe(`on the ${name} store`, () => {
      let place: StorePlace

      beforeEach(async () => {
        place = await make()
      })

      afterEach(async () => {
        await place.remove()
      })

      suite(() => place)
    })
  }
}

/** A disk that can be full. */
export class FaultyStore implements Store {
  readonly #store: Store
  isFull = false
  /** Writes so far, those that failed included. */
  writes = 0

  constructor(store: Store) {
    this.#store = store
  }

  get(key: string): Promise<Uint8Array | undefined> {
    return this.#store.get(key)
  }

  range(range: Parameters<Store['range']>[0]): ReturnType<Store['range']> {
    return this.#store.range(range)
  }

  async write(changes: readonly StoreChange[]): Promise<void> {
    this.writes += 1
    if (this.isFull) throw new Error('ENOSPC')
    await this.#store.write(changes)
  }

  close(): Promise<void> {
    return this.#store.close()
  }
}
