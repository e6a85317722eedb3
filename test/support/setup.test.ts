import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { inTemporaryDirectory } from './temporary-directory.ts'

const MOCHA = 'node_modules/mocha/bin/mocha.js'

/** Green by mocha's own lights: the promise rejects outside the chain that it awaits. */
const LATE = `
  it('first', () => { void Promise.resolve().then(() => { throw new Error('too late') }) })
  it('second', (done) => { setImmediate(done) })`

describe('setup.mjs', () => {
  it('fails a run in which a promise rejects that nobody awaits', async () => {
    await inTemporaryDirectory(async (directory) => {
      const file = join(directory, 'late.test.mjs')
      await writeFile(file, LATE)

      const alone = spawnSync(process.execPath, [MOCHA, '--no-config', file])
      const guarded = spawnSync(process.execPath, [
        MOCHA,
        '--no-config',
        '--import=./test/support/setup.mjs',
        file,
      ])

      assert.equal(alone.status, 0, 'mocha alone has learnt it: the guard can go')
      assert.notEqual(guarded.status, 0)
      assert.match(String(guarded.stdout), /too late/)
    })
  })
})
