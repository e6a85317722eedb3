/**
 * The directory that holds everything a server keeps: 0700, its files 0600.
 *
 * | name | holds |
 * |---|---|
 * | `store/` | accounts, buddy lists, device keys, the server's own secrets (LevelDB) |
 * | `tls-key.pem`, `tls-certificate.pem` | the identity that the server link pins |
 * | `tls-ticket-keys` | what clients come back by after a restart without a whole handshake; changed every week |
 * | `link` | the server link of the last start, for `holler-server link` |
 * | `relay-key` | whose tickets a relay elsewhere is to take, for `holler-server relay-key` |
 */
import { existsSync } from 'node:fs'
import { chmod, open, readFile, rename, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { HollerError } from '../core/holler-error.ts'
import { makeDirectory, syncDirectory } from '../io/make-directory.ts'

/** Holds the public key that relays know this server's tickets by, as one line. */
export const TICKET_KEY_FILE = 'relay-key'

/** Holds the server link, as one line. */
export const LINK_FILE = 'link'

/** Where a restore builds what it is about to restore. While it is there, what is beside it is not whole. */
export const RESTORING = 'restoring'

export class DataDirectory {
  readonly path: string

  constructor(path: string) {
    this.path = path
  }

  get storePath(): string {
    return join(this.path, 'store')
  }

  /**
   * Makes the directory, or closes an existing one to others.
   *
   * @throws HollerError `STORE_UNUSABLE`
   */
  async prepare(): Promise<void> {
    try {
      await makeDirectory(this.path, 0o700)
      const { mode } = await stat(this.path)
      if ((mode & 0o077) !== 0) await chmod(this.path, 0o700)
    } catch (error) {
      throw this.#unusable(error)
    }
    if (existsSync(join(this.path, RESTORING))) {
      throw new HollerError(
        'STORE_UNUSABLE',
        `A restore into "${this.path}" was interrupted: empty the directory and restore again`,
      )
    }
  }

  /**
   * A file's text; `undefined` when there is none.
   *
   * @throws HollerError `STORE_UNUSABLE`
   */
  async read(name: string): Promise<string | undefined> {
    try {
      return await readFile(join(this.path, name), 'utf8')
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
      throw this.#unusable(error)
    }
  }

  /**
   * Writes a file that only its owner can read: whole or not at all, whenever the power fails.
   *
   * @throws HollerError `STORE_UNUSABLE`
   */
  async write(name: string, text: string): Promise<void> {
    const path = join(this.path, name)
    try {
      const file = await open(`${path}.new`, 'w', 0o600)
      try {
        await file.writeFile(text)
        await file.sync()
      } finally {
        await file.close()
      }
      await rename(`${path}.new`, path)
      await syncDirectory(this.path)
    } catch (error) {
      throw this.#unusable(error)
    }
  }

  #unusable(error: unknown): HollerError {
    const code = (error as NodeJS.ErrnoException).code ?? 'unknown reason'
    return new HollerError(
      'STORE_UNUSABLE',
      `Cannot use the data directory "${this.path}": ${code}`,
      {
        cause: error,
      },
    )
  }
}
