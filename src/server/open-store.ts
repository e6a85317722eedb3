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
  readonly onRepair: (repair: StoreRepair) => void
}

/** @throws HollerError `STORE_UNUSABLE`, `ALREADY_RUNNING` */
export async function openStore(
  directory: DataDirectory,
  {
    clock,
    logger,
    wrap = (store) => store,
  }: {
    readonly clock: Clock
    readonly logger: Logger
    /** What stands between the records and the disk. */
    readonly wrap?: (store: Store) => Store
  },
): Promise<ServerStore> {
  const repairs: StoreRepair[] = [] // ≤ 2
  const { store, report } = await openChecked(directory.storePath, {
    clock,
    withinMs: CHECK_AT_START_MS,
    mends: true,
    onRepair: (repair) => repairs.push(repair),
  })
  try {
    await tell({ directory, clock, logger, repairs, report })
  } catch (error) {
    await store.close()
    throw error
  }
  const told = new Set<string>() // ≤ MOST_TOLD
  return await openServerStore(wrap(store), STORE_LIMITS, (key) => {
    if (told.has(key) || told.size >= MOST_TOLD) return
    told.add(key)
    logger.error(`${wordsOf(key)} is damaged, and was passed over`, { key })
  })
}

/** Opens and looks through a store; what cannot be read to its end is repaired and looked through again. */
export async function openChecked(path: string, options: CheckOptions): Promise<CheckedStore> {
  const { onRepair } = options
  const store = await openLevelStore(path, { onRepair })
  try {
    return { store, report: await check(store, options) }
  } catch (error) {
    await store.close()
    const why = error instanceof Error ? error.message : String(error)
    // A disk that does not answer is not mended by writing to it.
    if (/Input\/output error|No space left/.test(why)) {
      throw new HollerError('STORE_UNUSABLE', `Cannot read the store in "${path}": ${why}`, {
        cause: error,
      })
    }
    const repaired = await openLevelStore(path, { onRepair, damage: why })
    return { store: repaired, report: await checkOrClose(repaired, options) }
  }
}

async function checkOrClose(store: Store, options: CheckOptions): Promise<IntegrityReport> {
  try {
    return await check(store, options)
  } catch (error) {
    await store.close()
    throw error
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

async function tell(found: {
  readonly directory: DataDirectory
  readonly clock: Clock
  readonly logger: Logger
  readonly repairs: readonly StoreRepair[]
  readonly report: IntegrityReport
}): Promise<void> {
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
