/**
 * The `Store` port on LevelDB (npm `level`): every write is one synced, atomic batch.
 *
 * LevelDB's own lock is lost when the same process tries to open the database twice, and even by reading its LOCK
 * file; so a store takes a lock of its own first: an abstract Unix socket named after the directory, which the
 * kernel releases when the process dies however it dies.
 */
import { once } from 'node:events'
import { realpath } from 'node:fs/promises'
import { createServer, type Server } from 'node:net'
import { Level } from 'level'
import { sha256 } from '../crypto/hash.ts'
import { toHex, utf8 } from '../core/bytes.ts'
import { HollerError } from '../core/holler-error.ts'
import type { Store, StoreChange, StoreRange } from '../core/store.ts'
import { makeDirectory } from './make-directory.ts'

/**
 * Opens, or makes, the store in `directory` (0700: what is inside is private).
 *
 * @throws HollerError `ALREADY_RUNNING` when another store holds the directory, `STORE_UNUSABLE` when it cannot be opened.
 */
export async function openLevelStore(directory: string): Promise<Store> {
  const lock = await takeLock(await makePrivate(directory))
  const database = new Level<string, Uint8Array>(directory, {
    keyEncoding: 'utf8',
    valueEncoding: 'view',
  })
  try {
    await database.open()
  } catch (error) {
    lock.close()
    throw unusable(directory, error)
  }
  return new LevelStore(database, lock)
}

class LevelStore implements Store {
  readonly #database: Level<string, Uint8Array>
  readonly #lock: Server

  constructor(database: Level<string, Uint8Array>, lock: Server) {
    this.#database = database
    this.#lock = lock
  }

  async get(key: string): Promise<Uint8Array | undefined> {
    return await this.#database.get(key)
  }

  async *range(range: StoreRange): AsyncIterable<readonly [key: string, value: Uint8Array]> {
    const { from, before, reverse, limit } = range
    yield* this.#database.iterator({
      ...(from === undefined ? {} : { gte: from }),
      ...(before === undefined ? {} : { lt: before }),
      ...(reverse === undefined ? {} : { reverse }),
      ...(limit === undefined ? {} : { limit }),
    })
  }

  async write(changes: readonly StoreChange[]): Promise<void> {
    await this.#database.batch(changes.map(asOperation), { sync: true })
  }

  async close(): Promise<void> {
    await this.#database.close()
    this.#lock.close()
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
  const { message, cause } = error as Error
  const why = cause instanceof Error ? cause.message : message
  return new HollerError('STORE_UNUSABLE', `Cannot open the store in "${directory}": ${why}`, {
    cause: error,
  })
}
