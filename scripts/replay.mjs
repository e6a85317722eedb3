/**
 * `npm run replay -- SEED [--pcap FILE] [FILE.sim.ts …] [--grep TITLE]`: runs simulations again in the worlds of one seed, as a
 * failure names it (`SIM_SEED=7`), and prints every packet of them, whether they fail or not. `--pcap` writes what was sent
 * to a capture file, of the last world where there are several: name one test. What else is said goes to mocha.
 */
import { spawnSync } from 'node:child_process'
import { join, resolve } from 'node:path'
import { ensureInstalled, giveUp, root } from './bootstrap.mjs'

const USAGE = 'Usage: npm run replay -- SEED [--pcap FILE] [FILE.sim.ts …] [--grep TITLE]'

/** A wrong command line, as in sysexits.h. */
const EX_USAGE = 64

const [seed = '', ...rest] = process.argv.slice(2)
if (!/^\d+$/.test(seed)) giveUp(USAGE, EX_USAGE)
const at = rest.indexOf('--pcap')
const pcap = at < 0 ? [] : rest.splice(at, 2).slice(1)
if (at >= 0 && pcap.length === 0) giveUp(USAGE, EX_USAGE)

ensureInstalled()
const files = rest.filter((argument) => argument.endsWith('.ts'))
const args = [
  join(root, 'node_modules/mocha/bin/mocha.js'),
  '--no-config',
  '--import=./test/support/setup.mjs',
  '--no-timeout',
  '--fail-zero',
  ...rest,
  ...(files.length === 0 ? ['test/**/*.sim.ts'] : []),
]
const { status } = spawnSync(process.execPath, args, {
  cwd: root,
  stdio: 'inherit',
  env: {
    ...process.env,
    SIM_SEED: seed,
    SIM_TRACE: '1',
    ...(pcap[0] === undefined ? {} : { SIM_PCAP: resolve(process.env.INIT_CWD ?? '.', pcap[0]) }),
  },
})
process.exit(status ?? 1)
