import { readdir, rm } from 'node:fs/promises'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { HollerError } from '../../core/holler-error.ts'
import type { Store } from '../../core/store.ts'
import { openLevelStore } from '../../io/level-store.ts'
import { snapshotLevelStore } from '../../io/level-snapshot.ts'
import type { DataDirectory } from '../data-directory.ts'

const SNAPSHOT = /^store\.snapshot-(\d+)$/

/**
 * Runs `use` with a store that is what the server's was at one instant, whether it runs or not, and which is gone
 * afterwards. It lies in the data directory: there its tables are links.
 *
 * @throws HollerError `NOT_FOUND`, `STORE_UNUSABLE`, and what `use` throws
 */
export async function withSnapshot<T>(
  data: DataDirectory,
  use: (store: Store, path: string) => Promise<T>,
): Promise<T> {
  if (!existsSync(data.storePath)) {
    throw new HollerError('NOT_FOUND', `There is no store in the data directory "${data.path}"`)
  }
  await forgetThoseOfTheDead(data)
  const path = join(data.path, `store.snapshot-${process.pid}`)
  try {
    await snapshotLevelStore(data.storePath, path)
    const store = await openLevelStore(path)
    try {
      return await use(store, path)
    } finally {
      await store.close()
    }
  } finally {
    await rm(path, { recursive: true, force: true })
  }
}

/** A backup that was killed leaves its copy, whose links keep tables from being deleted. */
async function forgetThoseOfTheDead(data: DataDirectory): Promise<void> {
  for (const name of await readdir(data.path)) {
    const pid = Number(SNAPSHOT.exec(name)?.[1] ?? process.pid)
    if (!isRunning(pid)) await rm(join(data.path, name), { recursive: true, force: true })
  }
}

function isRunning(pid: number): boolean {
  return existsSync(`/proc/${pid}`)
}
