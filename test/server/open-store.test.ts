/** A server's store whose files were damaged between two starts. */
import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { readdir, readFile, truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { silentLogger } from '../../src/core/logger.ts'
import { openLevelStore } from '../../src/io/level-store.ts'
import { systemClock } from '../../src/io/system-clock.ts'
import { DataDirectory } from '../../src/server/data-directory.ts'
import { DAMAGE_FILE, openStore } from '../../src/server/open-store.ts'
import type { IntegrityReport } from '../../src/server/store/integrity.ts'
import { openServerStore } from '../../src/server/store/kv-server-store.ts'
import { SeededRandom } from '../sim/seeded-random.ts'
import { inTemporaryDirectory } from '../support/temporary-directory.ts'
import { ALICE, contentsOf, fillStore, WAITING } from './support/community.ts'

const outside = { clock: systemClock, logger: silentLogger }

/** Once more opened, all of it is in a table. */
async function filled(directory: string): Promise<DataDirectory> {
  const data = new DataDirectory(directory)
  const store = await openServerStore(await openLevelStore(data.storePath))
  await fillStore(store)
  await store.close()
  await (await openLevelStore(data.storePath)).close()
  return data
}

async function fileOf({ storePath }: DataDirectory, pattern: RegExp): Promise<string> {
  const name = (await readdir(storePath)).find((each) => pattern.test(each))
  assert.ok(name !== undefined)
  return join(storePath, name)
}

async function reportOf(directory: string): Promise<IntegrityReport> {
  return JSON.parse(await readFile(join(directory, DAMAGE_FILE), 'utf8')) as IntegrityReport
}

describe('openStore()', () => {
  it('opens a sound store, and leaves nothing beside it', async () => {
    await inTemporaryDirectory(async (directory) => {
      const data = await filled(directory)

      const store = await (await openStore(data, outside)).ready()

      assert.equal((await store.mail.waiting(ALICE)).messages, WAITING)
      assert.deepEqual(await readdir(directory), ['store'])
      await store.close()
    })
  })

  it('repairs a store without its manifest, loses nothing, and reports it', async () => {
    await inTemporaryDirectory(async (directory) => {
      const data = await filled(directory)
      await truncate(await fileOf(data, /^MANIFEST/))

      const store = await (await openStore(data, outside)).ready()

      assert.equal((await store.mail.read(ALICE, 0, { messages: 99, bytes: 1e6 })).length, WAITING)
      const report = await reportOf(directory)
      assert.equal(report.found, 0)
      assert.ok(existsSync(join(directory, 'store.damaged-1')))
      await store.close()
    })
  })

  it('starts with a table that was cut or overwritten anywhere, tells what is gone, and starts again', async () => {
    for (let seed = 1; seed <= 12; seed++) {
      await inTemporaryDirectory(async (directory) => {
        const random = new SeededRandom(seed)
        const data = await filled(directory)
        const table = await fileOf(data, /\.ldb$/)
        const bytes = await readFile(table)
        const at = random.bytes(4).reduce((sum, byte) => sum * 256 + byte, 0) % bytes.length
        if (seed % 3 === 0) await truncate(table, at)
        else {
          bytes.set(random.bytes(Math.min(16, bytes.length - at)), at)
          await writeFile(table, bytes)
        }

        const store = await (await openStore(data, outside)).ready()
        await contentsOf(store)
        await store.close()

        assert.ok(existsSync(join(directory, DAMAGE_FILE)), `seed ${seed}`)
        const again = await (await openStore(data, outside)).ready()
        await contentsOf(again)
        await again.close()
      })
    }
  })
})
