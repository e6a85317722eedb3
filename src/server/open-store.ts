/**
 * The server's store at a start: opened, repaired where LevelDB cannot open it, looked through, mended. What was found
 * is in the log, and in full in a file of the data directory.
 */
import type { Clock } from '../core/clock.ts'
import { HollerError } from '../core/holler-error.ts'
import type { Logger } from '../core/logger.ts'
import type { Store } from '../core/store.ts'
import { openLevelStore, type StoreRepair } from '../io/level-store.ts'
import type { DataDirectory } from './data-directory.ts'
import { checkIntegrity, type IntegrityReport, wordsOf } from './store/integrity.ts'
import { openServerStore, STORE_LIMITS } from './store/kv-server-store.ts'
import type { ServerStore } from './store/server-store.ts'

/** What was found wrong with the store, and when. */
export const DAMAGE_FILE = 'store-damage.json'

/** A start may take so much longer; what is not looked at by then is mail, and is checked when it is read. */
const CHECK_AT_START_MS = 10_000

/** Findings that the log has in full: it is for noticing, the file is for reading. */
const LOGGED = 20

/** Damaged records that are met while the server runs are told once each. */
const MOST_TOLD = 10_000

export interface CheckedStore {
  readonly store: Store
  readonly report: IntegrityReport
}

export interface CheckOptions {
  readonly clock: Clock
  /** How long it may take; without it, as long as it takes. */
  readonly withinMs?: number
  readonly mends: boolean
}

/** The server's own from here on; it is of use when it is `ready`. @throws HollerError `STORE_UNUSABLE`, `ALREADY_RUNNING` */
export async function openStore(
  directory: DataDirectory,
  { clock, logger }: StoreAtStartOptions,
): Promise<StoreAtStart> {
  const repairs: StoreRepair[] = [] // ≤ 2
  const unchecked = await UncheckedStore.open(directory.storePath, (repair) => repairs.push(repair))
  return new StoreAtStart(unchecked, { directory, clock, logger, repairs })
}

interface StoreAtStartOptions {
  readonly clock: Clock
  readonly logger: Logger
}

/** Opening is soon done; looking it through takes seconds where there is much in it. */
export class StoreAtStart {
  readonly #unchecked: UncheckedStore
  readonly #found: Omit<Found, 'report'>
  #store: ServerStore | undefined

  constructor(unchecked: UncheckedStore, found: Omit<Found, 'report'>) {
    this.#unchecked = unchecked
    this.#found = found
  }

  /** Looked through, mended, and told of. `wrap` makes what stands between the records and the disk. */
  async ready(wrap = (store: Store): Store => store): Promise<ServerStore> {
    const { clock, logger } = this.#found
    const { store, report } = await this.#unchecked.check({
      clock,
      withinMs: CHECK_AT_START_MS,
      mends: true,
    })
    await tell({ ...this.#found, report })
    const told = new Set<string>() // ≤ MOST_TOLD
    this.#store = await openServerStore(wrap(store), STORE_LIMITS, (key) => {
      if (told.has(key) || told.size >= MOST_TOLD) return
      told.add(key)
      logger.error(`${wordsOf(key)} is damaged, and was passed over`, { key })
    })
    return this.#store
  }

  async close(): Promise<void> {
    await (this.#store ?? this.#unchecked).close()
  }
}

/** Opens and looks through a store. @throws HollerError `STORE_UNUSABLE`, `ALREADY_RUNNING`; nothing stays open then. */
export async function openChecked(
  path: string,
  { onRepair, ...options }: CheckOptions & { readonly onRepair: OnRepair },
): Promise<CheckedStore> {
  const unchecked = await UncheckedStore.open(path, onRepair)
  try {
    return await unchecked.check(options)
  } catch (error) {
    await unchecked.close()
    throw error
  }
}

type OnRepair = (repair: StoreRepair) => void

class UncheckedStore {
  readonly #path: string
  readonly #onRepair: OnRepair
  #store: Store

  static async open(path: string, onRepair: OnRepair): Promise<UncheckedStore> {
    return new UncheckedStore(path, onRepair, await openLevelStore(path, { onRepair }))
  }

  private constructor(path: string, onRepair: OnRepair, store: Store) {
    this.#path = path
    this.#onRepair = onRepair
    this.#store = store
  }

  /** What cannot be read to its end is repaired and looked through again. */
  async check(options: CheckOptions): Promise<CheckedStore> {
    try {
      return { store: this.#store, report: await check(this.#store, options) }
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error)
      // A disk that does not answer is not mended by writing to it.
      if (/Input\/output error|No space left/.test(why)) {
        throw new HollerError(
          'STORE_UNUSABLE',
          `Cannot read the store in "${this.#path}": ${why}`,
          {
            cause: error,
          },
        )
      }
      await this.#store.close()
      this.#store = await openLevelStore(this.#path, { onRepair: this.#onRepair, damage: why })
      return { store: this.#store, report: await check(this.#store, options) }
    }
  }

  async close(): Promise<void> {
    await this.#store.close()
  }
}

async function check(
  store: Store,
  { clock, withinMs, mends }: CheckOptions,
): Promise<IntegrityReport> {
  const start = clock.now()
  return await checkIntegrity(store, {
    mends,
    isTimeUp: () => withinMs !== undefined && clock.now() - start > withinMs,
  })
}

interface Found {
  readonly directory: DataDirectory
  readonly clock: Clock
  readonly logger: Logger
  readonly repairs: readonly StoreRepair[]
  readonly report: IntegrityReport
}

async function tell(found: Found): Promise<void> {
  const { directory, clock, logger, repairs, report } = found
  for (const repair of repairs) logger.error(wordsOfRepair(repair), { ...repair })
  for (const { what, how, done, key } of report.findings.slice(0, LOGGED)) {
    logger.error(`${what} was ${how}: ${done}`, { key })
  }
  const { records, isComplete, found: count } = report
  const level = count > 0 || repairs.length > 0 ? 'error' : 'info'
  logger[level]('store checked', { records, found: count, isComplete })
  if (level === 'info') return
  const at = new Date(clock.wallNow()).toISOString()
  await directory.write(
    DAMAGE_FILE,
    `${JSON.stringify({ at, repairs, ...report }, undefined, 2)}\n`,
  )
}

export function wordsOfRepair(repair: StoreRepair): string {
  switch (repair.kind) {
    case 'repaired':
      return 'The store was damaged, and was repaired as far as possible'
    case 'dropped':
      return 'Part of what was written last to the store cannot be read'
  }
}
