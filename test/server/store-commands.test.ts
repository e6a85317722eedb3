/** `check`, `backup` and `restore` as an operator types them, with the exit statuses that scripts go by. */
import assert from 'node:assert/strict'
import { readdir, readFile, truncate } from 'node:fs/promises'
import { join } from 'node:path'
import { utf8 } from '../../src/core/bytes.ts'
import { openLevelStore } from '../../src/io/level-store.ts'
import { DataDirectory } from '../../src/server/data-directory.ts'
import { openServerStore } from '../../src/server/store/kv-server-store.ts'
import { inTemporaryDirectory } from '../support/temporary-directory.ts'
import { contentsOf, fillStore } from './support/community.ts'
import { run } from './support/run-command-line.ts'

interface Place {
  readonly data: string
  readonly file: string
  readonly target: string
}

/** A data directory with a community in it, that no server uses. */
async function inPlace(use: (place: Place) => Promise<void>): Promise<void> {
  await inTemporaryDirectory(async (parent) => {
    const data = new DataDirectory(join(parent, 'data'))
    await data.prepare()
    await data.write('tls-key.pem', 'the key')
    await data.write('tls-certificate.pem', 'the certificate')
    const store = await openServerStore(await openLevelStore(data.storePath))
    await fillStore(store)
    await store.close()
    await use({ data: data.path, file: join(parent, 'backup'), target: join(parent, 'target') })
  })
}

async function damage(data: string): Promise<void> {
  const disk = await openLevelStore(new DataDirectory(data).storePath)
  await disk.write([{ kind: 'put', key: 'handle/bob', value: utf8('0123456789') }])
  await disk.close()
}

async function contentsIn(data: string): Promise<unknown> {
  const store = await openServerStore(await openLevelStore(new DataDirectory(data).storePath))
  try {
    return await contentsOf(store)
  } finally {
    await store.close()
  }
}

describe('holler-server check, backup and restore', () => {
  it('look through a store, write it down, and put it back elsewhere', async () => {
    await inPlace(async ({ data, file, target }) => {
      const checked = await run('check', '--data', data)
      const backedUp = await run('backup', '--data', data, '--to', file)
      const restored = await run('restore', '--from', file, '--data', target)
      const again = await run('check', '--data', target)

      for (const { status, stderr } of [checked, backedUp, restored, again]) {
        assert.deepEqual([status, stderr], [0, ''])
      }
      assert.match(checked.stdout, /^[1-9]\d* records checked, 0 damaged or missing\n$/)
      assert.match(backedUp.stdout, /^[1-9]\d* records and 2 files are in .+backup\n$/)
      assert.match(restored.stdout, /^[1-9]\d* records and 2 files of .+ are in .+target\n$/)
      assert.deepEqual(await contentsIn(target), await contentsIn(data))
    })
  })

  it('end with 66 where there is no store, and make none', async () => {
    await inTemporaryDirectory(async (parent) => {
      const data = join(parent, 'data')
      const file = join(parent, 'backup')
      for (const args of [['check'], ['check', '--repair'], ['backup', '--to', file]]) {
        const { status, stdout, stderr } = await run(...args, '--data', data)

        assert.equal(status, 66, args.join(' '))
        assert.equal(stdout, '')
        assert.match(stderr, /^holler-server: [^\n]+\n$/)
      }
      assert.deepEqual(await readdir(parent), [])
    })
  })

  it('restore into nothing but an empty directory: 73 otherwise, and what is there stays', async () => {
    await inPlace(async ({ data, file }) => {
      await run('backup', '--data', data, '--to', file)
      const before = await contentsIn(data)

      const { status, stderr } = await run('restore', '--from', file, '--data', data)

      assert.equal(status, 73)
      assert.match(stderr, /is not empty/)
      assert.deepEqual(await contentsIn(data), before)
    })
  })

  it('refuse a backup that was cut with 65, and put nothing in its place', async () => {
    await inPlace(async ({ data, file, target }) => {
      await run('backup', '--data', data, '--to', file)
      await truncate(file, (await readFile(file)).length - 1)

      const { status, stdout, stderr } = await run('restore', '--from', file, '--data', target)

      assert.deepEqual([status, stdout], [65, ''])
      assert.match(stderr, /^holler-server: [^\n]+\n$/)
      assert.deepEqual(await readdir(target), [])
    })
  })

  it('name what is damaged with 65, and mend it when told to', async () => {
    await inPlace(async ({ data, file }) => {
      const before = await contentsIn(data)
      await damage(data)

      const checked = await run('check', '--data', data)
      const backedUp = await run('backup', '--data', data, '--to', file)
      const mended = await run('check', '--repair', '--data', data)
      const again = await run('check', '--data', data)

      assert.deepEqual(
        [checked, backedUp, mended, again].map(({ status }) => status),
        [65, 65, 65, 0],
      )
      assert.match(checked.stdout, /Whose the handle "bob" is: /)
      assert.match(checked.stderr, / 2 records are damaged or missing; --repair mends/)
      assert.match(backedUp.stdout, /Left out: Whose the handle "bob" is is damaged/)
      assert.match(mended.stdout, /Whose the handle "bob" is: .+, written again/)
      assert.deepEqual(await contentsIn(data), before)
    })
  })

  it('are told by 75 that a store is in use, where they would change it', async () => {
    await inPlace(async ({ data }) => {
      const store = await openLevelStore(new DataDirectory(data).storePath)
      const looked = await run('check', '--data', data)
      const mended = await run('check', '--repair', '--data', data)
      await store.close()

      assert.deepEqual([looked.status, mended.status], [0, 75])
    })
  })
})
