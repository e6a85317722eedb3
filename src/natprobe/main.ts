#!/usr/bin/env node
/**
 * `natprobe`: what does my NAT do, and what can I reach? `docs/natprobe.md` is the page for people.
 *
 * The tests are machines (`nat-probe.ts`); here they meet names, sockets, the clock and the terminal.
 */
import { lookup } from 'node:dns/promises'
import { createSocket } from 'node:dgram'
import { readFileSync } from 'node:fs'
import { isIP } from 'node:net'
import type { DatagramSocket } from '../core/datagram-socket.ts'
import { type Endpoint, endpoint, formatEndpoint } from '../core/endpoint.ts'
import { HollerError } from '../core/holler-error.ts'
import type { SocketId } from '../core/machine.ts'
import { drive } from '../io/drive.ts'
import { hostAddresses } from '../io/host-addresses.ts'
import { systemRandom } from '../io/random.ts'
import { systemClock } from '../io/system-clock.ts'
import { openUdpSocket } from '../io/udp-socket.ts'
import { type ProbeRequest, readCommandLine, type ServerName } from './command-line.ts'
import { NatProbe, type NatProbeEvent, type NatProbeResult } from './nat-probe.ts'
import { Progress } from './progress.ts'
import { type FamilyRun, makeReport, type NamedServer } from './report.ts'
import { renderReport } from './text-report.ts'
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

async function probe(request: ProbeRequest): Promise<number> {
  const startedAt = new Date(systemClock.wallNow()).toISOString()
  const start = systemClock.now()
  const progress = new Progress(request.mode)
  const stopShowing = showProgress(() => progress.line(systemClock.now() - start))
  const resolved = await Promise.all(request.servers.map(resolve))
  const runs = await Promise.all(
    request.families.map((family) =>
      probeFamily(family, request, resolved, (event) => progress.note(event)),
    ),
  ).finally(stopShowing)
  const report = makeReport({
    startedAt,
    tookMs: systemClock.now() - start,
    families: runs.filter((run) => run !== undefined),
    unresolved: resolved.filter(({ found }) => found.length === 0).map(({ name }) => name.label),
  })
  process.stdout.write(request.isJson ? `${JSON.stringify(report)}\n` : renderReport(report))
  return exitStatus[report.verdict]
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

/** The address that the system would send from; `undefined` without a route. Connecting a UDP socket sends nothing. */
async function sourceAddressTowards({
  family,
  address,
  port,
}: Endpoint): Promise<string | undefined> {
  const socket = createSocket(family === 4 ? 'udp4' : 'udp6')
  try {
    await new Promise<void>((done, fail) => {
      socket.once('error', fail)
      socket.connect(port, address, done)
    })
    return socket.address().address
  } catch {
    return undefined
  } finally {
    socket.close()
  }
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
          opening = opening.then(() => open(event.id, port)).catch(fail)
        } else if (event.kind === 'finished') {
          driver.stop()
          done(event.result)
        }
      },
    })
    async function open(id: SocketId, port: number): Promise<void> {
      const socket = await openUdpSocket({ address: bind.address, port })
      sockets.push(socket)
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
