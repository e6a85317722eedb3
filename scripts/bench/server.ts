/**
 * `npm run bench -- server`: holler-server beside Debian's prosody, ejabberd and coturn, in the same run. Compared is CPU
 * for each operation, from /proc, and memory: rates depend on what else the machine does. Servers run on one CPU, the
 * load on the others; they take turns, so that all meet the same weather.
 */
import { spawnSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { cpus, loadavg, release } from 'node:os'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { type ChatServer, leaveFirstCpu } from './server/chat-server.ts'
import { measureChat } from './server/chat-scenario.ts'
import { HollerServer } from './server/holler.ts'
import { measureRelay, RELAY_SIZES, type RelaySizes } from './server/relay-scenario.ts'
import { Coturn, HollerRelay, type RelayServer } from './server/relays.ts'
import { ejabberd, prosody, XmppServer } from './server/xmpp.ts'
import { median, spread } from './statistics.ts'

const INSTALL =
  'RUNLEVEL=1 apt-get install -y --no-install-recommends prosody ejabberd coturn util-linux'

const HELP = `npm run bench -- server [OPTIONS]

  --server NAME   one or several with commas: holler, prosody, ejabberd, coturn; all that are installed when absent
  --part NAME     chat or relay; both when absent
  --users N       1000 when absent, each with 20 buddies
  --rounds N      3 when absent; figures are medians
  --quick         one round, 60 users: does the bench itself work?
  --json FILE     every single figure
  --write         puts the table into docs/performance.md

Runs as root, with the peers of Debian:
  ${INSTALL}
`

interface Goal {
  readonly row: string
  readonly text: string
  readonly isReached: (value: number) => boolean
  readonly shown: (value: number) => string
}

function atMost(row: string, most: number, text: string, digits = 1): Goal {
  return {
    row,
    text,
    isReached: (value) => value <= most,
    shown: (value) => value.toFixed(digits),
  }
}

function atLeast(row: string, least: number, text: string): Goal {
  return {
    row,
    text,
    isReached: (value) => value >= least,
    shown: (value) => Math.round(value).toLocaleString('en'),
  }
}

/** An entry of a map with its key is more: who grows by less remembers nobody. */
const LEAST_REMEMBERED_BYTES = 64

const goals: readonly Goal[] = [
  atMost('KiB a session', 40, '≤ 40'),
  atMost('ms a login', 2.5, '≤ 2.5', 2),
  atMost('ms a resumed login', 1.6, '≤ 1.6', 2),
  atMost('µs a message', 20, '≤ 20'),
  atMost('µs a presence', 12, '≤ 12'),
  atLeast('accepts a second', 5_000, '≥ 5,000'),
  atLeast('packets a core-second', 80_000, '≥ 80,000'),
  atMost('KiB a pair', 1, '≤ 1', 2),
  atMost('bytes a stranger', LEAST_REMEMBERED_BYTES, `0 ± ${LEAST_REMEMBERED_BYTES}`, 0),
  atMost('answer to a bare binding', 1.6, '≤ 1.6', 2),
  atMost('answer to another question', 1, '≤ 1.0', 2),
]

/** Row, server, one figure a round. */
type Figures = Record<string, Record<string, number[]>>

interface Options {
  readonly names: readonly string[]
  readonly part: string | undefined
  readonly users: number
  readonly rounds: number
  readonly relaySizes: RelaySizes
  readonly jsonFile: string | undefined
  readonly isWritten: boolean
}

export async function main(args: readonly string[]): Promise<number> {
  const options = readOptions(args)
  if (options === undefined) return 2
  leaveFirstCpu()
  const chats = chatServers(options)
  const relays = relayServers(options)
  const header = machine([...chats, ...relays.map(([relay]) => relay)])
  console.log(header)
  const figures: Figures = {}
  let failures = 0
  const measured = async (name: string, measure: () => Promise<object>): Promise<void> => {
    try {
      for (const [row, value] of Object.entries(await measure()) as [string, number][]) {
        ;((figures[row] ??= {})[name] ??= []).push(value)
      }
    } catch (error) {
      failures += 1
      console.log(`${name}: ${error instanceof Error ? error.message : String(error)}`)
    }
  }
  for (let round = 1; round <= options.rounds; round++) {
    for (const server of chats) {
      console.error(`round ${round}: ${server.name}, chat`)
      await measured(server.name, () => measureChat(server, options.users))
    }
    for (const [relay, strict] of relays) {
      console.error(`round ${round}: ${relay.name}, relay`)
      await measured(relay.name, () => measureRelay(relay, strict, options.relaySizes))
    }
  }
  const table = tableOf(figures)
  console.log(`\n${table}\n\nload ${loadavg()[0]?.toFixed(1)}, ${failures} runs failed`)
  if (options.jsonFile !== undefined)
    writeFileSync(options.jsonFile, JSON.stringify(figures, null, 1))
  if (options.isWritten) writeSection(`${header}\n\n${table}`)
  return failures === 0 ? 0 : 1
}

function readOptions(args: readonly string[]): Options | undefined {
  const { values } = parseArgs({
    args: [...args],
    options: {
      server: { type: 'string' },
      part: { type: 'string' },
      users: { type: 'string' },
      rounds: { type: 'string' },
      quick: { type: 'boolean', default: false },
      json: { type: 'string' },
      write: { type: 'boolean', default: false },
      help: { type: 'boolean', short: 'h', default: false },
    },
  })
  if (values.help) {
    console.log(HELP)
    return undefined
  }
  const isQuick = values.quick
  return {
    names: values.server?.split(',') ?? ['holler', 'prosody', 'ejabberd', 'coturn'],
    part: values.part,
    users: Number(values.users ?? (isQuick ? 60 : 1_000)),
    rounds: Number(values.rounds ?? (isQuick ? 1 : 3)),
    relaySizes: isQuick ? { packets: 5_000, ways: 50, strangers: 200 } : RELAY_SIZES,
    jsonFile: values.json,
    isWritten: values.write,
  }
}

function isInstalled(program: string): boolean {
  const isThere = spawnSync('which', [program]).status === 0
  if (!isThere) console.log(`${program} is not installed: ${INSTALL}`)
  return isThere
}

function chatServers({ names, part }: Options): readonly ChatServer[] {
  if (part === 'relay') return []
  return [
    ...(names.includes('holler') ? [new HollerServer()] : []),
    ...(names.includes('prosody') && isInstalled('prosody') ? [new XmppServer(prosody)] : []),
    ...(names.includes('ejabberd') && isInstalled('ejabberdctl') ? [new XmppServer(ejabberd)] : []),
  ]
}

/** Each with the one that is asked without credentials. */
function relayServers({ names, part }: Options): readonly (readonly [RelayServer, RelayServer])[] {
  if (part === 'chat') return []
  const ours = new HollerRelay()
  return [
    ...(names.includes('holler') ? [[ours, ours] as const] : []),
    ...(names.includes('coturn') && isInstalled('turnserver')
      ? [[new Coturn(), new Coturn(true)] as const]
      : []),
  ]
}

function machine(servers: readonly { readonly version: string }[]): string {
  const commit = spawnSync('git', ['rev-parse', '--short', 'HEAD'], { encoding: 'utf8' }).stdout
  const [model] = cpus().map((cpu) => cpu.model)
  const versions = [...new Set(servers.map(({ version }) => version))]
  return (
    `${model ?? 'unknown CPU'}, ${cpus().length} CPUs, Linux ${release()}, Node ${process.version}, ` +
    `commit ${commit.trim()}, load ${loadavg()[0]?.toFixed(1)}; ${versions.join(', ')}`
  )
}

function tableOf(figures: Figures): string {
  const names = ['holler', 'prosody', 'ejabberd', 'coturn'].filter((name) =>
    Object.values(figures).some((byServer) => byServer[name] !== undefined),
  )
  const rows = goals
    .filter(({ row }) => figures[row] !== undefined)
    .map((goal) => {
      const own = figures[goal.row]?.['holler']
      const verdict = own === undefined ? '' : goal.isReached(median(own)) ? 'met' : '**missed**'
      const cells = names.map((name) => {
        const values = figures[goal.row]?.[name]
        return values === undefined
          ? ''
          : `${goal.shown(median(values))} (${spread(values, goal.shown)})`
      })
      return `| ${[goal.row, ...cells, `${goal.text}: ${verdict}`].join(' | ')} |`
    })
  const head = ['', ...names, 'goal']
  return [`| ${head.join(' | ')} |`, `|${head.map(() => ' --- |').join('')}`, ...rows].join('\n')
}

const BEGIN = '<!-- npm run bench -- server --write -->'
const END = '<!-- end -->'

function writeSection(text: string): void {
  const file = fileURLToPath(new URL('../../docs/performance.md', import.meta.url))
  const page = readFileSync(file, 'utf8')
  const [before, rest] = page.split(BEGIN)
  const after = rest?.slice(rest.indexOf(END) + END.length)
  if (before === undefined || after === undefined) throw new Error(`No ${BEGIN} in ${file}`)
  writeFileSync(file, `${before}${BEGIN}\n\n${text}\n\n${END}${after}`)
  spawnSync('npx', ['prettier', '--write', file])
}
