/**
 * `npm run lab`: the programs of dist/ in network namespaces behind the kernel's NATs and our own router's. Needs root
 * and Debian's packages below; makes namespaces whose names begin with `h`, and removes them whatever happens.
 *
 * `--all`: everything, as often as a 95th percentile wants, for an hour or so. `--report`: what was measured goes into
 * docs/traversal-results.md. What else is said goes to mocha: `--grep 'early probes'`.
 */
import { execFileSync } from 'node:child_process'
import { existsSync, mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { ensureBuilt, giveUp, requireNode, root } from './bootstrap.mjs'
import { runSuites } from './suites.mjs'

requireNode()
if (process.getuid?.() !== 0) giveUp('The laboratory makes network namespaces: run it as root')
for (const [tool, debianPackage] of [
  ['/sbin/ip', 'iproute2'],
  ['/usr/sbin/nft', 'nftables'],
  ['/usr/bin/turnserver', 'coturn'],
  ['/usr/bin/stun', 'stun-client'], // npm puts the stun package's own command first in PATH
  ['/usr/sbin/miniupnpd', 'miniupnpd-nftables'],
  ['/usr/sbin/tayga', 'tayga'],
  ['/usr/bin/tinyproxy', 'tinyproxy-bin'],
  ['/usr/sbin/conntrack', 'conntrack'],
  ['/usr/bin/tcpdump', 'tcpdump'],
]) {
  if (!existsSync(tool)) {
    giveUp(`The laboratory needs "${tool}" (on Debian: apt-get install ${debianPackage})`)
  }
}
ensureBuilt()

const flags = new Set(['--all', '--report'])
const args = process.argv.slice(2)
const isReport = args.includes('--report')
if (args.includes('--all')) process.env.LAB_DEPTH = 'all'
// Where LAB_RESULTS names a file, what it holds already is reported too: a long report may be measured in parts.
const results =
  process.env.LAB_RESULTS ?? join(mkdtempSync(join(tmpdir(), 'hlab-report-')), 'results.jsonl')
if (isReport) process.env.LAB_RESULTS = results
await runSuites(
  ['.mocharc.lab.json'],
  args.filter((arg) => !flags.has(arg)),
  async () => {
    if (isReport) writeReport()
  },
)

function writeReport() {
  const page = join(root, 'docs/traversal-results.md')
  const run = (...command) =>
    execFileSync(process.execPath, command, { cwd: root, stdio: 'inherit' })
  run(
    '--import',
    'tsx/esm',
    'scripts/lab/write-report.ts',
    results,
    page,
    `npm run lab -- ${args.join(' ')}`,
  )
  run('node_modules/prettier/bin/prettier.cjs', '--log-level', 'warn', '--write', page)
  console.log(`${results} → ${page}`)
}
