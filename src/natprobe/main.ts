#!/usr/bin/env node
/**
 * `natprobe`: what does my NAT do, and what can I reach? `docs/natprobe.md` is the page for people.
 *
 * The tests are machines (`nat-probe.ts`); here they meet names, sockets, the clock and the terminal.
 */
import { lookup } from 'node:dns/promises'
import { readFileSync } from 'node:fs'
import { readFile, writeFile } from 'node:fs/promises'
import { isIP } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import type { DatagramSocket } from '../core/datagram-socket.ts'
import { type Endpoint, endpoint, formatEndpoint } from '../core/endpoint.ts'
import { HollerError } from '../core/holler-error.ts'
import type { SocketId } from '../core/machine.ts'
import { drive } from '../io/drive.ts'
import { hostAddresses } from '../io/host-addresses.ts'
import { systemRandom } from '../io/random.ts'
import { sourceAddressTowards } from '../io/source-address.ts'
import { systemClock } from '../io/system-clock.ts'
import { openUdpSocket } from '../io/udp-socket.ts'
import { Pseudonyms } from './anonymize.ts'
import { type ProbeRequest, readCommandLine, type ServerName } from './command-line.ts'
import { changesBetween, type OldReport, readOldReport } from './compare.ts'
import { renderPage } from './html-report.ts'
import { NatProbe, type NatProbeEvent, type NatProbeResult } from './nat-probe.ts'
import { Progress } from './progress.ts'
import { type FamilyRun, makeReport, type NamedServer, type Report } from './report.ts'
import { renderChangedOnly, renderReport } from './text-report.ts'
import { exitStatus } from './verdict.ts'

const EXIT_USAGE = 2
const EXIT_INTERNAL = 70

/** How often the line on the terminal is written anew. */
const PROGRESS_MS = 250

async function main(args: readonly string[]): Promise<number> {
  const line = readCommandLine(args, version())
  switch (line.kind) {
    case 'shown':
      process.stdout.write(line.text)
      return 0
    case 'usage':
      process.stderr.write(line.text)
      return EXIT_USAGE
    case 'probe':
      return probe(line.request)
  }
}

/** Once, or again and again until a signal: then the last run's verdict is the exit status. */
async function probe(request: ProbeRequest): Promise<number> {
  const { compareWith, everyMs } = request
  const pseudonyms = new Pseudonyms()
  let before = compareWith === undefined ? undefined : await oldReport(compareWith)
  const ended = everyMs === undefined ? undefined : endedBySignal()
  for (let run = 1; ; run++) {
    const startedAt = systemClock.now()
    const report = await probeOnce(request)
    await show(request, pseudonyms, report, before, run)
    const isLast =
      everyMs === undefined ||
      ended === undefined ||
      !(await pause(startedAt + everyMs - systemClock.now(), ended))
    if (isLast) return exitStatus[report.verdict]
    before = { ...report }
  }
}

/** The first run is shown whole, the others where something changed; the page is always of the last one. */
async function show(
  { isJson, isAnonymized, pageFile }: ProbeRequest,
  pseudonyms: Pseudonyms,
  report: Report,
  before: OldReport | undefined,
  run: number,
): Promise<void> {
  const changes = before === undefined ? undefined : changesBetween(before, { ...report })
  const whole = changes === undefined ? report : { ...report, changes }
  const shown = isAnonymized ? pseudonyms.anonymized(whole) : whole
  if (pageFile !== undefined) await writePage(pageFile, shown)
  if (run > 1 && changes?.length === 0) return
  if (isJson) process.stdout.write(`${JSON.stringify(shown)}\n`)
  else process.stdout.write(run === 1 ? renderReport(shown) : renderChangedOnly(shown))
}

/** @throws HollerError `CONFIG_INVALID` when there is no such report. */
async function oldReport(path: string): Promise<OldReport> {
  const text = await readFile(path, 'utf8').catch((cause: unknown) => {
    throw new HollerError('CONFIG_INVALID', `Cannot read the report "${path}"`, { cause })
  })
  const report = readOldReport(text)
  if (report.ok) return report.value
  throw new HollerError('CONFIG_INVALID', `Cannot compare with "${path}": ${report.why}`)
}

/** @throws HollerError `CONFIG_INVALID` when the file cannot be written. */
async function writePage(path: string, report: Report): Promise<void> {
  await writeFile(path, renderPage(report)).catch((cause: unknown) => {
    throw new HollerError('CONFIG_INVALID', `Cannot write the page "${path}"`, { cause })
  })
}

/** The first signal lets a run end and its report be shown; a second one ends the process as usual. */
function endedBySignal(): AbortSignal {
  const ended = new AbortController()
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => ended.abort())
  return ended.signal
}

/** False when it was ended instead. */
async function pause(ms: number, ended: AbortSignal): Promise<boolean> {
  try {
    await sleep(Math.max(0, ms), undefined, { signal: ended })
    return true
  } catch {
    return false
  }
}

async function probeOnce(request: ProbeRequest): Promise<Report> {
  const startedAt = new Date(systemClock.wallNow()).toISOString()
  const start = systemClock.now()
  const progress = new Progress(request.mode, request.lifetime)
  const stopShowing = showProgress(() => progress.line(systemClock.now() - start))
  const resolved = await Promise.all(request.servers.map(resolve))
  const runs = await Promise.all(
    request.families.map((family) =>
      probeFamily(family, request, resolved, (event) => progress.note(event)),
    ),
  ).finally(stopShowing)
  return makeReport({
    startedAt,
    tookMs: systemClock.now() - start,
    families: runs.filter((run) => run !== undefined),
    unresolved: resolved.filter(({ found }) => found.length === 0).map(({ name }) => name.label),
  })
}

// ---- Names and addresses ---------------------------------------------------------------------------------------------

interface Resolved {
  readonly name: ServerName
  readonly found: readonly Endpoint[]
}

/** All addresses of a name; none where it cannot be looked up. */
async function resolve(name: ServerName): Promise<Resolved> {
  const addresses = isIP(name.host) === 0 ? await addressesOf(name.host) : [name.host]
  const found = addresses.flatMap((address) => {
    const result = endpoint(address, name.port)
    return result.ok ? [result.value] : []
  })
  return { name, found }
}

async function addressesOf(host: string): Promise<readonly string[]> {
  try {
    return (await lookup(host, { all: true })).map(({ address }) => address)
  } catch {
    return [] // told in the report: "name not found"
  }
}

/** The first address of that family for each name, each endpoint once. */
function serversOf(family: 4 | 6, resolved: readonly Resolved[]): readonly NamedServer[] {
  const servers = new Map<string, NamedServer>()
  for (const { name, found } of resolved) {
    const first = found.find((candidate) => candidate.family === family)
    if (first !== undefined && !servers.has(formatEndpoint(first))) {
      servers.set(formatEndpoint(first), { label: name.label, endpoint: first })
    }
  }
  return [...servers.values()]
}

// ---- One family ------------------------------------------------------------------------------------------------------

/** `undefined` where there is nobody to ask, or no way to. */
async function probeFamily(
  family: 4 | 6,
  request: ProbeRequest,
  resolved: readonly Resolved[],
  onEvent: (event: NatProbeEvent) => void,
): Promise<FamilyRun | undefined> {
  const servers = serversOf(family, resolved)
  const [first] = servers
  if (first === undefined) return undefined
  const address = request.bind?.address ?? (await sourceAddressTowards(first.endpoint))
  if (address === undefined) return undefined
  const own = hostAddresses({ includeLoopback: true })
  const machine = new NatProbe({
    servers: servers.map((server) => server.endpoint),
    mode: request.mode,
    lifetime: request.lifetime,
    ownAddresses: [address, ...own],
    random: systemRandom,
  })
  const bind = { address, port: request.bind?.port ?? 0 }
  const result = await run(machine, bind, onEvent)
  return { family: family === 4 ? 'ipv4' : 'ipv6', servers, result }
}

/** Runs the tests to their end, opening the sockets that they ask for, in their order. */
async function run(
  machine: NatProbe,
  bind: { readonly address: string; readonly port: number },
  onEvent: (event: NatProbeEvent) => void,
): Promise<NatProbeResult> {
  const sockets: DatagramSocket[] = [] // as many as the machine names: fewer than 30
  let opening = Promise.resolve()
  const finished = new Promise<NatProbeResult>((done, fail) => {
    const driver = drive(machine, {
      clock: systemClock,
      sockets: { primary: [] },
      onEvent(event) {
        onEvent(event)
        if (event.kind === 'socket-wanted') {
          const port = event.isMain ? bind.port : 0
          opening = opening.then(() => open(event.id, port, event.forbidsFragments)).catch(fail)
        } else if (event.kind === 'finished') {
          driver.stop()
          done(event.result)
        }
      },
    })
    async function open(id: SocketId, port: number, forbidsFragments: boolean): Promise<void> {
      const socket = await openUdpSocket({ address: bind.address, port })
      sockets.push(socket)
      if (forbidsFragments && !socket.setDontFragment(true)) {
        driver.change((now) => machine.socketRefused(now, id))
        return
      }
      driver.addSocket(id, socket)
      driver.change((now) => machine.socketOpened(now, id, socket.local))
    }
    driver.change(() => machine.start())
  })
  try {
    return await finished
  } finally {
    await opening
    await Promise.all(sockets.map((socket) => socket.close()))
  }
}

// ---- The process -----------------------------------------------------------------------------------------------------

/** Writes a line to the terminal again and again; nothing where stderr is none. Returns what ends it. */
function showProgress(line: () => string): () => void {
  const { stderr } = process
  if (!stderr.isTTY) return () => undefined
  const write = (): void => void stderr.write(`\r\u001b[K${line()}`)
  write()
  const timer = setInterval(write, PROGRESS_MS)
  return () => {
    clearInterval(timer)
    stderr.write('\r\u001b[K')
  }
}

function version(): string {
  const file = new URL('../../package.json', import.meta.url)
  return (JSON.parse(readFileSync(file, 'utf8')) as { version: string }).version
}

// A reader that went away (`natprobe … | head -1`) has what it wanted.
process.stdout.on('error', () => undefined)
process.stderr.on('error', () => undefined)

try {
  process.exitCode = await main(process.argv.slice(2))
} catch (error) {
  const isUsage =
    error instanceof HollerError && ['PORT_TAKEN', 'CONFIG_INVALID'].includes(error.code)
  process.exitCode = isUsage ? EXIT_USAGE : EXIT_INTERNAL
  const told = error instanceof Error ? (isUsage ? error.message : error.stack) : String(error)
  process.stderr.write(`natprobe: ${told ?? 'internal error'}\n`)
}
