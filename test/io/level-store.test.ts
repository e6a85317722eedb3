import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { mkdtemp, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { openLevelStore } from '../../src/io/level-store.ts'
import { storeContract } from '../contract/store.contract.ts'
import { memoryStore } from '../support/memory-store.ts'
import { inTemporaryDirectory } from '../support/temporary-directory.ts'

const directories: string[] = []

storeContract('LevelStore', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'holler-test-'))
  directories.push(directory)
  return await openLevelStore(join(directory, 'store'))
})

storeContract('the memory store', () => Promise.resolve(memoryStore()))

describe('openLevelStore()', () => {
  after(async () => {
    for (const directory of directories) await rm(directory, { recursive: true })
  })

  it('keeps what was written after closing and opening again', async () => {
    await inTemporaryDirectory(async (directory) => {
      const first = await openLevelStore(directory)
      await first.write([{ kind: 'put', key: 'a', value: Buffer.from('kept') }])
      await first.close()

      const second = await openLevelStore(directory)

      assert.equal(Buffer.from((await second.get('a')) ?? []).toString(), 'kept')
      await second.close()
    })
  })

  it('makes its directory private', async () => {
    await inTemporaryDirectory(async (directory) => {
      const store = await openLevelStore(join(directory, 'deep', 'store'))

      assert.equal((await stat(join(directory, 'deep', 'store'))).mode & 0o777, 0o700)
      await store.close()
    })
  })

  it('refuses a second opening in this process, and another process even after that', async () => {
    await inTemporaryDirectory(async (directory) => {
      const store = await openLevelStore(directory)

      await assert.rejects(openLevelStore(directory), { code: 'ALREADY_RUNNING' })
      assert.match(await openInAnotherProcess(directory), /ALREADY_RUNNING/)

      await store.close()
      assert.match(await openInAnotherProcess(directory), /opened/)
    })
  })

  it('gives up below a directory that takes no entries', async () => {
    await assert.rejects(openLevelStore('/proc/holler/store'), { code: 'STORE_UNUSABLE' })
  })

  it('says why a directory cannot be used', async () => {
    await inTemporaryDirectory(async (directory) => {
      await writeFile(join(directory, 'file'), '')

      await assert.rejects(openLevelStore(join(directory, 'file', 'store')), {
        code: 'STORE_UNUSABLE',
        message: /ENOTDIR/,
      })
    })
  })
})

async function openInAnotherProcess(directory: string): Promise<string> {
  const script = `
    import { openLevelStore } from './src/io/level-store.ts'
    try { await (await openLevelStore(process.argv[1])).close(); console.log('opened') }
    catch (error) { console.log(error.code) }`
  const args = ['--import=tsx', '--input-type=module', '-e', script, directory]
  return (await promisify(execFile)(process.execPath, args)).stdout
}
