import { mkdir, open, stat } from 'node:fs/promises'
import { dirname, resolve } from 'node:path'

/**
 * Makes a directory and what is missing above it, all with the same mode. One that is there stays as it is.
 *
 * Node's own `recursive` never ends below a directory that takes no entries, `/proc` for example.
 *
 * @throws the system's error
 */
export async function makeDirectory(path: string, mode: number): Promise<void> {
  const parent = dirname(resolve(path))
  if (!(await exists(parent))) await makeDirectory(parent, mode)
  if (!(await exists(path))) await mkdir(path, { mode })
}

async function exists(path: string): Promise<boolean> {
  try {
    await stat(path)
    return true
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return false
    throw error
  }
}

/** A name that was given in a directory survives a power cut only when the directory is synced too. */
export async function syncDirectory(path: string): Promise<void> {
  const directory = await open(path, 'r')
  try {
    await directory.sync()
  } finally {
    await directory.close()
  }
}
