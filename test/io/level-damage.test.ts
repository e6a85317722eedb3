/** What becomes of a store whose files were damaged: real LevelDB files, damaged by hand. */
import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { readdir, readFile, rm, truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Store } from '../../src/core/store.ts'
import { openLevelStore, type StoreRepair } from '../../src/io/level-store.ts'
import { SeededRandom } from '../sim/seeded-random.ts'
import { inTemporaryDirectory } from '../support/temporary-directory.ts'

const KEYS = Array.from({ length: 200 }, (_, n) => `key/${String(n).padStart(4, '0')}`)
const random = new SeededRandom(7)
const VALUES = new Map(KEYS.map((key) => [key, random.bytes(1_000)]))

/** All keys in the log; `isTable`: all in a table, for LevelDB writes its log out as one when it is opened. */
async function filled(directory: string, { isTable = false } = {}): Promise<void> {
  const store = await openLevelStore(directory)
  for (const [key, value] of VALUES) await store.write([{ kind: 'put', key, value }])
  await store.close()
  if (isTable) await (await openLevelStore(directory)).close()
}

async function fileOf(directory: string, pattern: RegExp): Promise<string> {
  const name = (await readdir(directory)).find((each) => pattern.test(each))
  assert.ok(name !== undefined, `a file like ${String(pattern)}`)
  return join(directory, name)
}

async function flip(path: string, at: number): Promise<void> {
  const bytes = await readFile(path)
  for (let n = at; n < at + 64; n++) bytes[n] = (bytes[n] ?? 0) ^ 0x5a
  await writeFile(path, bytes)
}

async function intact(store: Store): Promise<number> {
  let count = 0
  for await (const [key, value] of store.range({})) {
    const expected = VALUES.get(key)
    if (expected !== undefined && Buffer.compare(expected, value) === 0) count += 1
  }
  return count
}

interface Damage {
  readonly name: string
  readonly isTable?: boolean
  readonly damage: (directory: string) => Promise<void>
}

const UNOPENABLE: readonly Damage[] = [
  { name: 'a missing CURRENT', damage: (dir) => rm(join(dir, 'CURRENT')) },
  { name: 'a missing CURRENT', isTable: true, damage: (dir) => rm(join(dir, 'CURRENT')) },
  { name: 'an empty CURRENT', damage: (dir) => truncate(join(dir, 'CURRENT')) },
  {
    name: 'a CURRENT that names what is not there',
    damage: (dir) => writeFile(join(dir, 'CURRENT'), 'MANIFEST-999999\n'),
  },
  {
    name: 'a missing manifest',
    isTable: true,
    damage: async (dir) => rm(await fileOf(dir, /^MANIFEST/)),
  },
  {
    name: 'an empty manifest',
    isTable: true,
    damage: async (dir) => truncate(await fileOf(dir, /^MANIFEST/)),
  },
  {
    name: 'garbage in the manifest',
    isTable: true,
    damage: async (dir) => flip(await fileOf(dir, /^MANIFEST/), 0),
  },
]

describe('openLevelStore() and damage', () => {
  for (const { name, isTable = false, damage } of UNOPENABLE) {
    const where = `${name}, records in the ${isTable ? 'table' : 'log'}`

    it(`${where}: refused, and what is there is left alone`, async () => {
      await inTemporaryDirectory(async (parent) => {
        const directory = join(parent, 'store')
        await filled(directory, { isTable })
        await damage(directory)

        await assert.rejects(openLevelStore(directory), { code: 'STORE_UNUSABLE' })

        assert.ok(await fileOf(directory, isTable ? /\.ldb$/ : /\.log$/))
      })
    })

    it(`${where}: repaired without losing a record, the damaged files kept`, async () => {
      await inTemporaryDirectory(async (parent) => {
        const directory = join(parent, 'store')
        await filled(directory, { isTable })
        await damage(directory)

        const repairs: StoreRepair[] = []
        const store = await openLevelStore(directory, {
          onRepair: (repair) => repairs.push(repair),
        })

        assert.equal(await intact(store), KEYS.length)
        await store.close()
        assert.deepEqual(
          repairs.map((repair) => [repair.kind, repair.aside]),
          [['repaired', `${directory}.damaged-1`]],
        )
        assert.ok(await fileOf(`${directory}.damaged-1`, isTable ? /\.ldb$/ : /\.log$/))
        assert.equal(existsSync(`${directory}.before`), false)
      })
    })
  }

  it('a missing table: says so, and keeps the rest', async () => {
    await inTemporaryDirectory(async (parent) => {
      const directory = join(parent, 'store')
      await filled(directory, { isTable: true })
      const before = await openLevelStore(directory)
      await before.write([
        { kind: 'put', key: 'key/0000', value: VALUES.get('key/0000') ?? random.bytes(1) },
      ])
      await before.close()
      await rm(await fileOf(directory, /\.ldb$/))

      await assert.rejects(openLevelStore(directory), {
        code: 'STORE_UNUSABLE',
        message: /missing files/,
      })
      const repairs: StoreRepair[] = []
      const store = await openLevelStore(directory, { onRepair: (repair) => repairs.push(repair) })

      assert.equal(await intact(store), 1)
      assert.equal(repairs[0]?.kind, 'repaired')
      await store.close()
    })
  })

  it('garbage amid the log: tells how many bytes could not be read, and keeps the log', async () => {
    await inTemporaryDirectory(async (parent) => {
      const directory = join(parent, 'store')
      await filled(directory)
      await flip(await fileOf(directory, /\.log$/), 70_000)

      const repairs: StoreRepair[] = []
      const store = await openLevelStore(directory, { onRepair: (repair) => repairs.push(repair) })

      const kept = await intact(store)
      assert.ok(kept >= KEYS.length - 33 && kept < KEYS.length, `${kept} kept`)
      await store.close()
      const [dropped] = repairs
      assert.ok(dropped?.kind === 'dropped' && dropped.bytes > 1_000 && dropped.bytes < 40_000)
      assert.ok(await fileOf(`${directory}.damaged-1`, /\.log$/))
    })
  })

  it('a log cut anywhere: loses nothing but the last record, which nobody was told of', async () => {
    await inTemporaryDirectory(async (parent) => {
      const directory = join(parent, 'store')
      await filled(directory)
      const log = await fileOf(directory, /\.log$/)
      await truncate(log, (await readFile(log)).length - 500)

      const repairs: StoreRepair[] = []
      const store = await openLevelStore(directory, { onRepair: (repair) => repairs.push(repair) })

      assert.equal(await intact(store), KEYS.length - 1)
      assert.deepEqual(repairs, [])
      assert.deepEqual(await readdir(parent), ['store'])
      await store.close()
    })
  })

  it('garbage in a table is found by reading; opened as damaged, what can be read is kept', async () => {
    await inTemporaryDirectory(async (parent) => {
      const directory = join(parent, 'store')
      await filled(directory, { isTable: true })
      const table = await fileOf(directory, /\.ldb$/)
      await truncate(table, 150_000) // its index is gone with its end

      const repairs: StoreRepair[] = []
      const onRepair = (repair: StoreRepair): number => repairs.push(repair)
      const before = await openLevelStore(directory, { onRepair })
      await assert.rejects(intact(before), /Corruption|IO error/)
      await before.close()
      const store = await openLevelStore(directory, { onRepair, damage: 'a table cannot be read' })

      assert.ok((await intact(store)) < KEYS.length)
      await store.write([{ kind: 'put', key: 'goes on', value: random.bytes(1) }])
      await store.close()
      assert.deepEqual(repairs, [
        { kind: 'repaired', why: 'a table cannot be read', aside: `${directory}.damaged-1` },
      ])
    })
  })

  it('is made from the beginning where power was lost while it was made', async () => {
    for (const manifest of [0, 20]) {
      await inTemporaryDirectory(async (directory) => {
        await writeFile(join(directory, 'CURRENT'), 'MANIFEST-000001\n')
        await writeFile(join(directory, 'MANIFEST-000001'), new Uint8Array(manifest))
        const repairs: StoreRepair[] = []

        const store = await openLevelStore(directory, { onRepair: (each) => repairs.push(each) })
        await store.write([{ kind: 'put', key: 'key', value: Uint8Array.of(1) }])
        await store.close()

        const again = await openLevelStore(directory)
        assert.deepEqual([...((await again.get('key')) ?? [])], [1])
        await again.close()
        assert.deepEqual(repairs, [])
      })
    }
  })

  it('is not made anew where it was opened once, though nothing is in it', async () => {
    await inTemporaryDirectory(async (directory) => {
      await (await openLevelStore(directory)).close()
      await truncate(await fileOf(directory, /^MANIFEST-/))

      await assert.rejects(openLevelStore(directory), { code: 'STORE_UNUSABLE' })
    })
  })

  it('refuses what is damaged a fourth time, until somebody has looked', async () => {
    await inTemporaryDirectory(async (parent) => {
      const directory = join(parent, 'store')
      await filled(directory)
      for (let n = 1; n <= 3; n++) {
        await rm(join(directory, 'CURRENT'))
        await (await openLevelStore(directory, { onRepair: () => undefined })).close()
      }

      await rm(join(directory, 'CURRENT'))
      await assert.rejects(openLevelStore(directory, { onRepair: () => undefined }), {
        code: 'STORE_UNUSABLE',
        message: /damaged again \(Its file CURRENT is missing\)/,
      })

      await rm(`${directory}.damaged-2`, { recursive: true })
      const store = await openLevelStore(directory, { onRepair: () => undefined })
      assert.equal(await intact(store), KEYS.length)
      await store.close()
    })
  })
})
