import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { inTemporaryDirectory } from '../support/temporary-directory.ts'

const MAIN = fileURLToPath(new URL('../../src/server/main.ts', import.meta.url))

describe('the process holler-server', () => {
  it('serves until SIGTERM, and then ends with 0', async () => {
    await inTemporaryDirectory(async (data) => {
      const where = ['--data', data, '--listen', '127.0.0.1:0', '--udp', '127.0.0.1:0']
      const server = spawn(process.execPath, ['--import', 'tsx/esm', MAIN, ...where])
      const [line] = (await once(server.stdout, 'data')) as [Buffer]

      server.kill('SIGTERM')
      const [status, signal] = (await once(server, 'close')) as [number | null, string | null]

      assert.match(line.toString(), /^holler:\/\/127\.0\.0\.1:\d+\?pin=sha256-[\w-]{43}\n$/)
      assert.deepEqual([status, signal], [0, null])
    })
  }).timeout(20_000)
})
