/**
 * What can be told of a LevelDB directory by its files alone, without opening it.
 *
 * | file | holds |
 * |---|---|
 * | `CURRENT` | the name of the manifest that counts |
 * | `MANIFEST-N` | which tables there are, and from which log on |
 * | `N.ldb`, `N.sst` | tables: sorted records, never changed once written |
 * | `N.log` | what was written last, and is in no table yet |
 * | `LOG`, `LOG.old` | what LevelDB says of itself since it was opened, and the time before |
 */
import { existsSync } from 'node:fs'
import { mkdir, readdir, readFile, rename, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { linkOrCopy } from './level-snapshot.ts'

const RECORD_FILE = /^\d+\.(ldb|sst|log)$/

/** Damaged directories that are kept: the operator moves them away, or the store is not opened any more. */
const MOST_KEPT = 3

/**
 * Without `CURRENT` LevelDB takes the directory for a new one, starts an empty database and deletes every table in it.
 */
export async function hasLostItsCurrent(directory: string): Promise<boolean> {
  return !existsSync(join(directory, 'CURRENT')) && !(await isNew(directory))
}

/** Nothing was ever stored in it. */
export async function isNew(directory: string): Promise<boolean> {
  for (const name of await readdir(directory)) {
    if (RECORD_FILE.test(name) && (await stat(join(directory, name))).size > 0) return false
  }
  return true
}

/**
 * Power was lost while it was made: LevelDB does not sync its first manifest before `CURRENT` names it. By the time it
 * can be written to, it has a second one, which is synced.
 */
export async function isHalfMade(directory: string): Promise<boolean> {
  if (!(await isNew(directory)) || !existsSync(join(directory, 'CURRENT'))) return false
  return (await readFile(join(directory, 'CURRENT'), 'utf8')) === 'MANIFEST-000001\n'
}

/**
 * Bytes of logs that LevelDB could not read when it opened the directory. It says so nowhere but in `LOG`; the torn
 * end of a log, which a crash leaves, is not among them.
 */
export async function droppedBytes(directory: string): Promise<number> {
  const said = await readFile(join(directory, 'LOG'), 'utf8')
  const drops = said.matchAll(/dropping (\d+) bytes/g)
  return [...drops].reduce((sum, [, bytes]) => sum + Number(bytes), 0)
}

/**
 * Keeps the files as they are now beside the directory, as hard links: they cost nothing until LevelDB lets go of its
 * own, and LevelDB changes no file of records in place.
 */
export async function setAside(directory: string): Promise<Aside> {
  const path = `${directory}.before`
  await rm(path, { recursive: true, force: true }) // of a start that did not come to its end
  await mkdir(path, { mode: 0o700 })
  for (const entry of await readdir(directory, { withFileTypes: true })) {
    // LOCK is never touched: to read it is to lose the lock.
    if (entry.isFile() && entry.name !== 'LOCK') {
      await linkOrCopy(join(directory, entry.name), join(path, entry.name))
    }
  }
  return new Aside(directory, path)
}

/** Files that were set aside: given up again when nothing was wrong, or kept for a person to look at. */
export class Aside {
  readonly #directory: string
  readonly #path: string

  constructor(directory: string, path: string) {
    this.#directory = directory
    this.#path = path
  }

  async forget(): Promise<void> {
    await rm(this.#path, { recursive: true, force: true })
  }

  /** The name they are kept under; `undefined` when so many are kept already that a person has to look first. */
  async keep(): Promise<string | undefined> {
    for (let n = 1; n <= MOST_KEPT; n++) {
      const kept = `${this.#directory}.damaged-${n}`
      if (existsSync(kept)) continue
      await rename(this.#path, kept)
      return kept
    }
    await this.forget()
    return undefined
  }
}
