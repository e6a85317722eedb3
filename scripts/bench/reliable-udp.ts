/**
 * `npm run bench -- reliable-udp`: our connection beside other transports, each run in two fresh processes. Transports
 * take turns within a round, so that all of them meet the same weather on a shared machine: compare ratios, and CPU
 * seconds before rates. The line is the project's own (`link.ts`); it is checked before anything is measured on it.
 */
import { spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { cpus, loadavg, release, tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { generate } from 'selfsigned'
import { checkLine } from './line-check.ts'
import { impaired, loopback } from './network.ts'
import { type Certificate, measure, type Outcome, type Transport } from './run.ts'
import { type Row, type Scenario, scenarioNames, scenarios } from './scenarios.ts'
import { median, spread } from './statistics.ts'

const HELP = `npm run bench -- reliable-udp [OPTIONS]

  --scenario NAME    one of them, or several with commas; all when absent:
                     ${scenarioNames.join(', ')}
  --transport NAME   one or several with commas; all that install when absent
  --rounds N         3 when absent; figures are medians
  --seed N           of the line; 1 when absent
  --quick            one round, tiny sizes, ours and TCP alone: does the bench itself work?
  --json FILE        every single figure, beside the table
`

const transports: readonly Transport[] = [
  { name: 'holler fast', peer: 'ours', isEncrypted: true },
  {
    name: 'holler portable',
    peer: 'ours',
    isEncrypted: true,
    environment: { HOLLER_PORTABLE: '1' },
  },
  { name: 'quinn', peer: 'quinn', isEncrypted: true },
  { name: 'quiche', peer: 'quiche', isEncrypted: true },
  { name: 'udx+noise', peer: 'udx-noise', isEncrypted: true },
  { name: 'udx', peer: 'udx', isEncrypted: false },
  { name: 'datachannel', peer: 'datachannel', isEncrypted: true },
  { name: 'kcp', peer: 'kcp', isEncrypted: false },
  { name: 'tls', peer: 'tls', isEncrypted: true },
  { name: 'tcp', peer: 'tcp', isEncrypted: false },
]
const QUICK_TRANSPORTS = ['holler fast', 'holler portable', 'tcp']

interface Options {
  readonly scenarios: readonly Scenario[]
  readonly transports: readonly Transport[]
  readonly rounds: number
  readonly seed: number
  readonly isQuick: boolean
  readonly jsonFile: string | undefined
}

export async function main(args: readonly string[]): Promise<number> {
  const options = readOptions(args)
  if (options === undefined) return 2
  installPeers(options)
  printMachine()
  const keys = await makeCertificate()
  const rows: Row[] = []
  try {
    for (const scenario of options.scenarios) {
      rows.push(...(await runScenario(scenario, options, keys.certificate)))
    }
  } finally {
    keys.remove()
  }
  if (options.jsonFile !== undefined) writeFileSync(options.jsonFile, JSON.stringify(rows, null, 1))
  return rows.some(({ transport, failures }) => transport.startsWith('holler') && failures > 0)
    ? 1
    : 0
}

function readOptions(args: readonly string[]): Options | undefined {
  const { values } = parseArgs({
    args: [...args],
    options: {
      scenario: { type: 'string' },
      transport: { type: 'string' },
      rounds: { type: 'string' },
      seed: { type: 'string' },
      quick: { type: 'boolean', default: false },
      json: { type: 'string' },
      help: { type: 'boolean', short: 'h', default: false },
    },
  })
  if (values.help) {
    console.log(HELP)
    return undefined
  }
  const isQuick = values.quick
  const all = scenarios(isQuick)
  const wanted = values.scenario?.split(',')
  const names = values.transport?.split(',') ?? (isQuick ? QUICK_TRANSPORTS : undefined)
  const chosen = wanted === undefined ? all : all.filter(({ name }) => wanted.includes(name))
  if (chosen.length === 0) {
    console.error(HELP)
    return undefined
  }
  return {
    scenarios: chosen,
    transports: transports.filter(({ name }) => names?.includes(name) ?? true),
    rounds: Number(values.rounds ?? (isQuick ? 1 : 3)),
    seed: Number(values.seed ?? 1),
    isQuick,
    jsonFile: values.json,
  }
}

const folder = fileURLToPath(new URL('.', import.meta.url))

/** Only where something else than ours is asked for. What does not install is left out of the table. */
function installPeers({ transports: chosen }: Options): void {
  const isOwn = chosen.every(({ peer }) => ['ours', 'tcp', 'tls'].includes(peer))
  if (isOwn || existsSync(join(folder, 'node_modules/.package-lock.json'))) return
  console.error('Installing what we are measured against …')
  const npm = ['install', '--no-save', '--no-audit', '--no-fund', '--loglevel=error']
  spawnSync('npm', npm, { cwd: folder, stdio: ['ignore', 2, 2] })
}

function printMachine(): void {
  const commit = spawnSync('git', ['rev-parse', '--short', 'HEAD'], { encoding: 'utf8' }).stdout
  const [model] = cpus().map((cpu) => cpu.model)
  console.log(
    `${model ?? 'unknown CPU'}, ${cpus().length} CPUs, Linux ${release()}, Node ${process.version}, ` +
      `commit ${commit.trim()}, load ${loadavg()[0]?.toFixed(1)}`,
  )
  const lock = join(folder, 'package.json')
  const { dependencies } = JSON.parse(readFileSync(lock, 'utf8')) as {
    dependencies: Record<string, string>
  }
  console.log(
    Object.entries(dependencies)
      .map((pair) => pair.join(' '))
      .join(', '),
  )
}

async function makeCertificate(): Promise<{ certificate: Certificate; remove(): void }> {
  const directory = mkdtempSync(join(tmpdir(), 'holler-bench-'))
  const { private: key, cert } = await generate([{ name: 'commonName', value: 'bench' }])
  const certificate = { key: join(directory, 'key.pem'), certificate: join(directory, 'cert.pem') }
  writeFileSync(certificate.key, key)
  writeFileSync(certificate.certificate, cert)
  return { certificate, remove: () => rmSync(directory, { recursive: true }) }
}

async function runScenario(
  scenario: Scenario,
  options: Options,
  certificate: Certificate,
): Promise<Row[]> {
  if (scenario.conditions !== undefined && process.getuid?.() !== 0) {
    console.log(`\n${scenario.name}: left out, namespaces need root`)
    return []
  }
  console.log(`\n## ${scenario.name}: ${scenario.what}`)
  const rows = options.transports
    .filter(({ isEncrypted }) => isEncrypted || scenario.isForAll)
    .map((transport) => newRow(scenario, transport))
  let lastError = ''
  for (let round = 0; round < options.rounds; round++) {
    for (const { row, transport } of rows) {
      try {
        const outcome = await runOnce(scenario, transport, options.seed + round, certificate)
        for (const [name, value] of Object.entries(outcome)) (row.figures[name] ??= []).push(value)
      } catch (error) {
        row.failures += 1
        lastError = `${transport.name}: ${error instanceof Error ? error.message.slice(0, 300) : ''}`
      }
    }
  }
  printRows(rows.map(({ row }) => row))
  if (lastError !== '') console.log(`(last failure: ${lastError})`)
  console.log(`load ${loadavg()[0]?.toFixed(1)}`)
  return rows.map(({ row }) => row)
}

function newRow(scenario: Scenario, transport: Transport): { row: Row; transport: Transport } {
  const row = { scenario: scenario.name, transport: transport.name, figures: {}, failures: 0 }
  return { row, transport }
}

async function runOnce(
  scenario: Scenario,
  transport: Transport,
  seed: number,
  certificate: Certificate,
): Promise<Record<string, number>> {
  const { conditions } = scenario
  const network = conditions === undefined ? loopback() : await impaired(conditions, seed)
  try {
    if (conditions !== undefined) await checkLine(network, conditions)
    const { control, rival } = scenario
    if (rival === undefined) {
      if (control !== undefined) await network.setTcpControl(control)
      return scenario.figures(await measure(network, transport, scenario.workload, certificate))
    }
    await network.setTcpControl(rival)
    const tcp: Transport = { name: 'rival', peer: 'tcp', isEncrypted: false }
    const outcomes: [Outcome, Outcome] = await Promise.all([
      measure(network, transport, scenario.workload, certificate),
      measure(network, tcp, scenario.workload, certificate),
    ])
    return scenario.figures(...outcomes)
  } finally {
    await network.close()
  }
}

function printRows(rows: readonly Row[]): void {
  const names = [...new Set(rows.flatMap(({ figures }) => Object.keys(figures)))]
  console.log(`| transport | ${names.join(' | ')} | failed |`)
  console.log(`| --- | ${names.map(() => '---').join(' | ')} | --- |`)
  for (const { transport, figures, failures } of rows) {
    const cells = names.map((name) => {
      const values = figures[name] ?? []
      return values.length === 0 ? '–' : `${shown(median(values))} (${spread(values, shown)})`
    })
    console.log(`| ${transport} | ${cells.join(' | ')} | ${failures} |`)
  }
}

function shown(value: number): string {
  if (Math.abs(value) >= 1000) return value.toFixed(0)
  return value.toPrecision(3)
}
