/**
 * A copy of a LevelDB directory as it stands at one instant, whether somebody writes to it or not, made from outside
 * and in milliseconds: tables never change, so they are linked; manifest and logs only grow, so what is copied of them
 * is what was true at some instant. A batch is in the copy whole or not at all, and all that was acknowledged before
 * is in it.
 *
 * An iterator of the running database would do the same and hold its snapshot for as long as the reader needs; but in
 * the LevelDB that npm `level` contains, overwritten records can come back when tables are compacted meanwhile
 * (google/leveldb issue 320), and that would be in the database itself. docs/adr/0019.
 */
import { link, copyFile, mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { HollerError } from '../core/holler-error.ts'

/** The manifest changes when a log is full or tables are compacted: at most some times a second. */
const MOST_TRIES = 20

/** @throws HollerError `STORE_UNUSABLE`; nothing is left in `target` then. */
export async function snapshotLevelStore(directory: string, target: string): Promise<void> {
  for (let n = 0; n < MOST_TRIES; n++) {
    try {
      if (await copied(directory, target)) return
    } catch (error) {
      await rm(target, { recursive: true, force: true })
      throw unusable(directory, (error as Error).message, error)
    }
    await rm(target, { recursive: true, force: true })
  }
  throw unusable(directory, 'it changes too fast')
}

/** `false` when tables came or went meanwhile: then manifest and tables may not fit. */
async function copied(directory: string, target: string): Promise<boolean> {
  await mkdir(target, { mode: 0o700 })
  const current = await readFile(join(directory, 'CURRENT'), 'utf8')
  const manifestName = current.trim()
  const manifest = await readFile(join(directory, manifestName))
  const names = await readdir(directory)
  for (const name of names.filter((each) => /^\d+\.(ldb|sst)$/.test(each))) {
    if (!(await isThere(linkOrCopy(join(directory, name), join(target, name))))) return false
  }
  // In their order: what is in a later log was written after all that is in an earlier one.
  for (const name of names.filter((each) => /^\d+\.log$/.test(each)).sort()) {
    if (!(await isThere(copyFile(join(directory, name), join(target, name))))) return false
  }
  const isSame =
    (await readFile(join(directory, 'CURRENT'), 'utf8')) === current &&
    (await readFile(join(directory, manifestName))).equals(manifest)
  if (!isSame) return false
  await writeFile(join(target, manifestName), manifest, { mode: 0o600 })
  await writeFile(join(target, 'CURRENT'), current, { mode: 0o600 })
  return true
}

async function isThere(copying: Promise<void>): Promise<boolean> {
  try {
    await copying
    return true
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return false
    throw error
  }
}

/** Some file systems have no hard links. @throws the system's error */
export async function linkOrCopy(from: string, to: string): Promise<void> {
  try {
    await link(from, to)
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code !== 'EPERM' && code !== 'ENOTSUP' && code !== 'EMLINK') throw error
    await copyFile(from, to)
  }
}

function unusable(directory: string, why: string, cause?: unknown): HollerError {
  return new HollerError('STORE_UNUSABLE', `Cannot copy the store in "${directory}": ${why}`, {
    cause,
  })
}
