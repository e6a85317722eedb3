#!/usr/bin/env node
/**
 * `natprobe`: what does my NAT do, and what can I reach? `docs/natprobe.md` is the page for people.
 *
 * The tests are machines (`nat-probe.ts`); here they meet names, sockets, the clock and the terminal.
 */
import { existsSync, readFileSync } from 'node:fs'
import { readFile, writeFile } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import { HollerError } from '../core/holler-error.ts'
import { systemClock } from '../io/system-clock.ts'
import { Pseudonyms } from './anonymize.ts'
import { type ProbeRequest, readCommandLine, type ServerName } from './command-line.ts'
import { buddyReport } from './command/buddy-report.ts'
import { resolve } from './command/names.ts'
import { predictPath } from './command/peer-prediction.ts'
import { runTests } from './command/run-tests.ts'
import { usualServers } from './command/usual-servers.ts'
import { changesBetween, type OldReport, readOldReport } from './compare.ts'
import { renderPage } from './html-report.ts'
import { Progress } from './progress.ts'
import { makeReport, type Report } from './report.ts'
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
  const { compareWith, everyMs, pageFile } = request
  if (pageFile !== undefined) await assertWritable(pageFile)
  const peer = request.peer === undefined ? undefined : await peerReport(request.peer)
  const pseudonyms = new Pseudonyms()
  let before = compareWith === undefined ? undefined : await oldReport(compareWith)
  const ended = everyMs === undefined ? undefined : endedBySignal()
  for (let run = 1; ; run++) {
    const startedAt = systemClock.now()
    const found = await probeOnce(request)
    const report = peer === undefined ? found : { ...found, peer: predictPath({ ...found }, peer) }
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

/** Of a file, or of the buddy of that name. @throws HollerError `CONFIG_INVALID` when there is neither. */
async function peerReport(name: string): Promise<OldReport> {
  return existsSync(name) ? await oldReport(name) : await buddyReport(name, process.env)
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

/** @throws HollerError `CONFIG_INVALID` when the file cannot be written: said before the tests, which take a minute. */
async function assertWritable(path: string): Promise<void> {
  await writeFile(path, '', { flag: 'a' }).catch((cause: unknown) => {
    throw unwritable(path, cause)
  })
}

/** @throws HollerError `CONFIG_INVALID` when the file cannot be written. */
async function writePage(path: string, report: Report): Promise<void> {
  await writeFile(path, renderPage(report)).catch((cause: unknown) => {
    throw unwritable(path, cause)
  })
}

function unwritable(path: string, cause: unknown): HollerError {
  const code = (cause as NodeJS.ErrnoException).code ?? 'unknown reason'
  return new HollerError('CONFIG_INVALID', `Cannot write the page "${path}": ${code}`, { cause })
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
  const names = request.servers.length > 0 ? request.servers : await namesInUse()
  const resolved = await Promise.all(names.map(resolve))
  const found = await runTests(request, resolved, {
    onEvent: (event) => progress.note(event),
    onUplink: () => progress.noteUplink(),
  }).finally(stopShowing)
  return makeReport({
    ...found,
    startedAt,
    tookMs: systemClock.now() - start,
    unresolved: resolved.filter((one) => one.found.length === 0).map(({ name }) => name.label),
  })
}

/** @throws HollerError `CONFIG_INVALID` when nobody is named anywhere. */
async function namesInUse(): Promise<readonly ServerName[]> {
  const names = await usualServers(process.env)
  if (names.length > 0) return names
  throw new HollerError(
    'CONFIG_INVALID',
    'No server is known: no hollerd is logged in, and no configuration names one. Name a STUN server (try --help)',
  )
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
