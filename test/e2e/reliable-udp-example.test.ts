import { strict as assert } from 'node:assert'
import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

const EXAMPLE = fileURLToPath(new URL('../../docs/examples/reliable-udp.mjs', import.meta.url))

describe('docs/examples/reliable-udp.mjs', () => {
  it('echoes over two streams, through the package’s own entrance', async () => {
    const { stdout, stderr } = await promisify(execFile)(process.execPath, [EXAMPLE])

    assert.equal(stderr, '')
    assert.deepEqual(stdout.trim().split('\n'), [
      'chat: hello, reliable UDP',
      'file: 1000000 bytes',
      'closed: local',
    ])
  })
})
