import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { buildHome, type HomeOnLine } from '../../scripts/lab/homes.ts'
import { RouterInternet, SERVER_ADDRESSES } from '../../scripts/lab/router/router-internet.ts'
import type { Report } from '../../src/natprobe/report.ts'
import { startServer } from '../support/household.ts'
import { type Program, runProgram } from '../support/programs.ts'

const [SERVER, SECOND] = SERVER_ADDRESSES

/** Each way: a round trip of 50 ms. */
const LATENCY_MS = 25

/** What docs/natprobe.md promises, of natprobe's own clock: starting Node is not its work. */
const FULL_MS = 6_000
const QUICK_MS = 1_500

describe('natprobe’s time on a path of 50 ms', () => {
  let directory: string
  let internet: RouterInternet
  let server: Program
  let home: HomeOnLine

  before(async () => {
    directory = await mkdtemp(join(tmpdir(), 'hlab-ns-'))
    internet = await RouterInternet.create()
    ;({ program: server } = await startServer({
      dataDir: join(directory, 'server'),
      listen: `${SERVER}:7443`,
      udp: `${SERVER}:3478`,
      udpAlt: `${SECOND}:3479`,
      prefix: internet.server.prefix,
    }))
    const line = { up: { latencyMs: LATENCY_MS }, down: { latencyMs: LATENCY_MS } }
    home = await buildHome(internet, 'port-restricted cone', { line })
  })

  after(async () => {
    await server.stop()
    await internet.close()
    await rm(directory, { recursive: true, force: true })
  })

  async function probe(...args: readonly string[]): Promise<Report> {
    const { stdout, stderr } = await runProgram({
      name: 'natprobe',
      main: 'natprobe',
      args: [SERVER, '--json', ...args],
      prefix: home.host.namespace.prefix,
    })
    assert.notEqual(stdout, '', stderr)
    return JSON.parse(stdout) as Report
  }

  for (const [title, args, mostMs] of [
    ['all but the lifetimes', ['--lifetime', 'off'], FULL_MS],
    ['--quick', ['--quick'], QUICK_MS],
  ] as const) {
    it(`${title}: at most ${mostMs / 1000} s`, async () => {
      const { tookMs, families } = await probe(...args)
      process.stdout.write(`      natprobe ${args.join(' ')}: ${Math.round(tookMs)} ms\n`)

      assert.equal(families.ipv4?.mapping.value, 'endpoint-independent')
      assert.equal(families.ipv4.filtering.value, 'address-and-port-dependent')
      assert.ok(tookMs <= mostMs, `${tookMs} ms`)
    })
  }
})
