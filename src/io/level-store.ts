/**
 * The `Store` port on LevelDB (npm `level`): every write is one synced, atomic batch.
 *
 * Three things LevelDB does not do by itself:
 *
 * - Its own lock is lost when the same process tries to open the database twice, and even by reading its LOCK file; so
 *   a store takes a lock of its own first: an abstract Unix socket named after the directory, which the kernel releases
 *   when the process dies however it dies.
 * - After a write that failed half-way (disk full), it would append the next behind the torn one, say that it is safe,
 *   and not find it again. So one batch is written at a time, and after a failure the database is opened anew before
 *   the next: then the torn end is dropped, and a new log begun. Until the disk takes writes again it stays open as it
 *   is, so that reads go on.
 * - It opens what has lost its CURRENT file as an empty database, and drops unreadable parts of its log, without a word.
 */
import { once } from 'node:events'
import { open, realpath, rm, statfs } from 'node:fs/promises'
import { createServer, type Server } from 'node:net'
import { join } from 'node:path'
import { Level } from 'level'
import { sha256 } from '../crypto/hash.ts'
import { toHex, utf8 } from '../core/bytes.ts'
import { HollerError } from '../core/holler-error.ts'
import type { Store, StoreChange, StoreRange } from '../core/store.ts'
import { GatheredReads } from './gathered-reads.ts'
import { GroupCommit } from './group-commit.ts'
import {
  type Aside,
  droppedBytes,
  hasLostItsCurrent,
  isHalfMade,
  isNew,
  setAside,
} from './level-files.ts'
import { makeDirectory } from './make-directory.ts'

type Database = Level<string, Uint8Array>

/** What had to be done to open a store; `aside` holds the files as they were. */
export type StoreRepair =
  | { readonly kind: 'repaired'; readonly why: string; readonly aside: string }
  /** Part of what was written last could not be read. */
  | { readonly kind: 'dropped'; readonly bytes: number; readonly aside: string | undefined }

export interface OpenLevelStore {
  /** With it a damaged database is repaired, as far as that goes; without it, refused. */
  readonly onRepair?: (repair: StoreRepair) => void
  /** What was found wrong with an opened store, where that is why it is opened anew. */
  readonly damage?: string
}

/** A buddy list has some dozen records of some hundred bytes; looking through the whole store is a third faster so. */
const READ_AT_ONCE = 1_000
const READ_BYTES_AT_ONCE = 256 * 1024

/** LevelDB writes its log out as a table when it is opened, up to 4 MiB, and a manifest; and then there is a log again. */
const ROOM_TO_REOPEN_BYTES = 16 * 1024 * 1024

/**
 * Opens, or makes, the store in `directory` (0700: what is inside is private).
 *
 * @throws HollerError `ALREADY_RUNNING` when another store holds the directory, `STORE_UNUSABLE` when it cannot be opened.
 */
export async function openLevelStore(
  directory: string,
  { onRepair, damage }: OpenLevelStore = {},
): Promise<Store> {
  const lock = await takeLock(await makePrivate(directory))
  try {
    const database =
      onRepair === undefined
        ? await openIntact(directory)
        : await openOrRepair(directory, onRepair, damage)
    return new LevelStore(directory, database, lock)
  } catch (error) {
    lock.close()
    throw error instanceof HollerError ? error : unusable(directory, error)
  }
}

class LevelStore implements Store {
  readonly #directory: string
  readonly #lock: Server
  readonly #commits = new GroupCommit((changes) => this.#writeGroup(changes))
  readonly #reads = new GatheredReads({
    one: async (key) => (await this.#opened()).get(key),
    many: async (keys) => (await this.#opened()).getMany(keys),
  })
  #database: Database
  /** Whether the last batch is in the log, and what the log ends with, is not known. */
  #isUnsure = false
  #reopening: Promise<Database> | undefined
  #isClosed = false

  constructor(directory: string, database: Database, lock: Server) {
    this.#directory = directory
    this.#database = database
    this.#lock = lock
  }

  get(key: string): Promise<Uint8Array | undefined> {
    return this.#reads.get(key)
  }

  async *range(range: StoreRange): AsyncIterable<readonly [key: string, value: Uint8Array]> {
    const { from, before, reverse, limit } = range
    const database = await this.#opened()
    const iterator = database.iterator({
      highWaterMarkBytes: READ_BYTES_AT_ONCE,
      ...(from === undefined ? {} : { gte: from }),
      ...(before === undefined ? {} : { lt: before }),
      ...(reverse === undefined ? {} : { reverse }),
      ...(limit === undefined ? {} : { limit }),
    })
    try {
      // Left to itself an iterator reads one first, and then a thousand: a short list is a single task this way. It may
      // give fewer than it was asked for; none is the end.
      for (;;) {
        const entries = await iterator.nextv(READ_AT_ONCE)
        if (entries.length === 0) return
        yield* entries
      }
    } finally {
      await iterator.close()
    }
  }

  async write(changes: readonly StoreChange[]): Promise<void> {
    await this.#commits.write(changes)
  }

  async close(): Promise<void> {
    await this.#commits.idle()
    this.#isClosed = true
    await this.#database.close()
    this.#lock.close()
  }

  async #writeGroup(changes: readonly StoreChange[]): Promise<void> {
    if (changes.length === 0) return
    if (this.#isUnsure) {
      await mustTakeWrites(this.#directory)
      await this.#reopen()
    }
    try {
      await (await this.#opened()).batch(changes.map(asOperation), { sync: true })
    } catch (error) {
      this.#isUnsure = true
      throw error
    }
  }

  /** Reads wait while it is opened anew, and try it themselves where that has failed. */
  async #opened(): Promise<Database> {
    if (this.#reopening === undefined && this.#database.status === 'open') return this.#database
    return await (this.#reopening ?? this.#reopen())
  }

  async #reopen(): Promise<Database> {
    if (this.#isClosed) throw new Error('The store is closed')
    this.#reopening = closeAndOpen(this.#directory, this.#database)
    try {
      this.#database = await this.#reopening
      this.#isUnsure = false
      return this.#database
    } finally {
      this.#reopening = undefined
    }
  }
}

async function closeAndOpen(directory: string, database: Database): Promise<Database> {
  await database.close()
  return await openDatabase(directory)
}

async function openDatabase(directory: string): Promise<Database> {
  const database: Database = new Level(directory, { keyEncoding: 'utf8', valueEncoding: 'view' })
  await database.open()
  return database
}

/** @throws where LevelDB would start anew on top of what is there */
async function openIntact(directory: string): Promise<Database> {
  if (await hasLostItsCurrent(directory)) throw new Error('Its file CURRENT is missing')
  try {
    return await openDatabase(directory)
  } catch (error) {
    if (!isDamage(error) || !(await isHalfMade(directory))) throw error
    await rm(join(directory, 'CURRENT')) // and LevelDB makes it from the beginning
    return await openDatabase(directory)
  }
}

async function openOrRepair(
  directory: string,
  onRepair: (repair: StoreRepair) => void,
  damage: string | undefined,
): Promise<Database> {
  if (await isNew(directory)) return await openIntact(directory)
  // What LevelDB has read of a log, it deletes: so the files are kept until it is known that it has read all.
  const aside = await setAside(directory)
  if (damage !== undefined) return await repair(directory, damage, aside, onRepair)
  try {
    const database = await openIntact(directory)
    const bytes = await droppedBytes(directory)
    if (bytes > 0) onRepair({ kind: 'dropped', bytes, aside: await aside.keep() })
    else await aside.forget()
    return database
  } catch (error) {
    if (isDamage(error)) return await repair(directory, reasonOf(error), aside, onRepair)
    await aside.forget()
    throw error
  }
}

/** @throws HollerError `STORE_UNUSABLE` when it does not help, or would not be the first time */
async function repair(
  directory: string,
  why: string,
  aside: Aside,
  onRepair: (repair: StoreRepair) => void,
): Promise<Database> {
  const kept = await aside.keep()
  if (kept === undefined) {
    throw new HollerError(
      'STORE_UNUSABLE',
      `The store in "${directory}" is damaged again (${why}): look at the disk, and restore a backup or move ` +
        `"${directory}.damaged-1" and its like away`,
    )
  }
  try {
    await repairing.repair(directory)
    await rm(join(directory, 'lost'), { recursive: true, force: true }) // LevelDB's own aside: the same files
    const database = await openIntact(directory)
    onRepair({ kind: 'repaired', why, aside: kept })
    return database
  } catch (error) {
    throw new HollerError(
      'STORE_UNUSABLE',
      `The store in "${directory}" is damaged (${why}) and cannot be repaired (${reasonOf(error)}); ` +
        `its files are kept in "${kept}": restore a backup`,
      { cause: error },
    )
  }
}

/** On Node, `level` is classic-level, whose types alone know this. */
const repairing = Level as unknown as { repair(directory: string): Promise<void> }

/** Not that it is locked, unreadable or on a full disk: then nothing is to be mended. */
function isDamage(error: unknown): boolean {
  const { cause } = error as Error
  const isCorrupt = (cause as NodeJS.ErrnoException | undefined)?.code === 'LEVEL_CORRUPTION'
  const why = reasonOf(error)
  return isCorrupt || /CURRENT is missing|No such file/.test(why)
}

/** @throws the system's error when nothing can be written, or there is too little room to open the database anew */
async function mustTakeWrites(directory: string): Promise<void> {
  const { bavail, bsize } = await statfs(directory)
  if (bavail * bsize < ROOM_TO_REOPEN_BYTES) throw new Error('ENOSPC: no space left on device')
  const path = join(directory, 'probe') // LevelDB leaves names alone that are not its own
  const file = await open(path, 'w', 0o600)
  try {
    await file.write('probe')
    await file.sync()
  } finally {
    await file.close()
    await rm(path, { force: true })
  }
}

function asOperation(
  change: StoreChange,
): { type: 'put'; key: string; value: Uint8Array } | { type: 'del'; key: string } {
  return change.kind === 'put'
    ? { type: 'put', key: change.key, value: change.value }
    : { type: 'del', key: change.key }
}

async function makePrivate(directory: string): Promise<string> {
  try {
    await makeDirectory(directory, 0o700)
    return await realpath(directory)
  } catch (error) {
    throw unusable(directory, error)
  }
}

async function takeLock(directory: string): Promise<Server> {
  const server = createServer((socket) => socket.destroy())
  server.listen(`\0holler-store-${toHex(sha256(utf8(directory))).slice(0, 32)}`)
  try {
    await once(server, 'listening')
  } catch (error) {
    throw new HollerError('ALREADY_RUNNING', `"${directory}" is in use by another process`, {
      cause: error,
    })
  }
  server.unref()
  return server
}

function unusable(directory: string, error: unknown): HollerError {
  return new HollerError(
    'STORE_UNUSABLE',
    `Cannot open the store in "${directory}": ${reasonOf(error)}`,
    { cause: error },
  )
}

function reasonOf(error: unknown): string {
  const { message, cause } = error as Error
  return cause instanceof Error ? cause.message : message
}
