import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { describe, it } from 'mocha'

describe('scripts/proto.mjs --check', () => {
  it('finds the committed code to be what peer.proto says', () => {
    const script = fileURLToPath(new URL('../../../scripts/proto.mjs', import.meta.url))
    const { status, stderr } = spawnSync(process.execPath, [script, '--check'], {
      encoding: 'utf8',
    })

    assert.equal(status, 0, stderr)
  }).timeout(30_000) // pbjs loads slowly on a busy machine
})
