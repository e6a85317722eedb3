import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import type { Row } from '../../scripts/bench/scenarios.ts'

const execute = promisify(execFile)

describe('npm run bench -- reliable-udp --quick', function () {
  this.timeout(120_000) // starts six processes, on a machine that may be busy

  it('measures our connection and TCP, and counts no failure', async () => {
    const directory = mkdtempSync(join(tmpdir(), 'holler-bench-test-'))
    const file = join(directory, 'figures.json')
    try {
      await execute(process.execPath, [
        ...['scripts/bench.mjs', 'reliable-udp', '--quick', '--json', file],
        ...['--scenario', 'bulk,ping-pong', '--transport', 'holler fast,tcp'],
      ])

      const rows = JSON.parse(readFileSync(file, 'utf8')) as readonly Row[]
      assert.deepEqual(
        rows.map(({ scenario, transport, failures }) => [scenario, transport, failures]),
        [
          ['bulk', 'holler fast', 0],
          ['bulk', 'tcp', 0],
          ['ping-pong', 'holler fast', 0],
          ['ping-pong', 'tcp', 0],
        ],
      )
      for (const { scenario, transport, figures } of rows) {
        const [figure] = figures[scenario === 'bulk' ? 'MB/s' : 'p50'] ?? []
        assert.ok(figure !== undefined && figure > 0, `${scenario} of ${transport}`)
      }
    } finally {
      rmSync(directory, { recursive: true })
    }
  })
})
