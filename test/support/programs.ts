/**
 * The project's own programs as users run them: dist/*.js in processes of their own, watched by their output.
 * Shared by the end-to-end tests, the laboratory and the playground.
 *
 * Everything is waited for by an event and a deadline. Only processes that were started here are ever ended, by their
 * id; whatever is left when this process ends is killed with it.
 */
import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { Waiters } from './waiters.ts'

export const MAINS = ['server', 'daemon', 'cli', 'natprobe'] as const
export type Main = (typeof MAINS)[number]

export interface ProgramOptions {
  /** For messages: `alice's hollerd`. */
  readonly name: string
  readonly main: Main
  readonly args?: readonly string[]
  readonly env?: Readonly<Record<string, string>>
  /** A command that runs the program: `ip netns exec NAME` in the laboratory. */
  readonly prefix?: readonly string[]
  /** What it reads on stdin, which then ends. */
  readonly stdin?: string
}

/** How a process ended: its exit status, or the signal that ended it. */
export interface Exit {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
}

export interface Finished extends Exit {
  readonly stdout: string
  readonly stderr: string
}

/** Long enough for a program to start on two cores that twenty others want, short enough to tell a hang. */
export const START_MS = 60_000

/** A daemon may take 10 s to stop; after that it hangs. */
const STOP_MS = 12_000

/** What is kept of a program's output: enough to see why it failed. */
const MAX_LINES = 2_000

const running = new Set<Program>()
process.once('exit', () => {
  for (const program of running) program.kill('SIGKILL')
})

/** Ends everything that was started here and still runs. */
export async function stopAllPrograms(): Promise<void> {
  await Promise.all([...running].map((program) => program.stop()))
}

export class Program {
  readonly name: string
  readonly stdout = new Lines()
  readonly stderr = new Lines()
  readonly exited: Promise<Exit>
  readonly #child: ChildProcessWithoutNullStreams
  #exit: Exit | undefined

  constructor({ name, main, args = [], env = {}, prefix = [], stdin }: ProgramOptions) {
    this.name = name
    const [command = process.execPath, ...rest] = [
      ...prefix,
      process.execPath,
      pathOf(main),
      ...args,
    ]
    this.#child = spawn(command, rest, { env: { ...cleanEnvironment(), ...env }, stdio: 'pipe' })
    running.add(this)
    this.stdout.follow(this.#child.stdout)
    this.stderr.follow(this.#child.stderr)
    this.#child.stdin.on('error', () => undefined) // it may end without reading
    this.#child.stdin.end(stdin)
    this.exited = this.#end()
  }

  get pid(): number | undefined {
    return this.#child.pid
  }

  get hasExited(): boolean {
    return this.#exit !== undefined
  }

  kill(signal: NodeJS.Signals): void {
    if (this.#exit === undefined) this.#child.kill(signal)
  }

  /** Asks it to end, and makes it end where it does not. */
  async stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<Exit> {
    this.kill(signal)
    const timer = setTimeout(() => this.kill('SIGKILL'), STOP_MS)
    const exit = await this.exited
    clearTimeout(timer)
    return exit
  }

  /** The first line on stdout, past or to come, that matches. */
  async line(pattern: RegExp, withinMs = START_MS): Promise<string> {
    const found = this.stdout.waiters.until(
      () => this.stdout.find(pattern),
      withinMs,
      () => `No line ${String(pattern)} on stdout of ${this.name}${this.logTail()}`,
    )
    const ended = this.exited.then(({ code, signal }) => {
      const line = this.stdout.find(pattern)
      if (line !== undefined) return line
      throw new Error(`${this.name} ended (${String(code ?? signal)})${this.logTail()}`)
    })
    return Promise.race([found, ended])
  }

  /** Its last words on stderr, for error messages. */
  logTail(count = 15): string {
    const lines = this.stderr.lines.slice(-count)
    return lines.length === 0 ? '' : `\n  ${this.name}: ${lines.join(`\n  ${this.name}: `)}`
  }

  async #end(): Promise<Exit> {
    const exit = await new Promise<Exit>((resolve, reject) => {
      this.#child.once('error', reject)
      this.#child.once('close', (code, signal) => resolve({ code, signal }))
    })
    this.#exit = exit
    running.delete(this)
    return exit
  }
}

/** Runs a program to its end. */
export async function runProgram(options: ProgramOptions, withinMs = 60_000): Promise<Finished> {
  const program = new Program(options)
  const timer = setTimeout(() => program.kill('SIGKILL'), withinMs)
  const exit = await program.exited
  clearTimeout(timer)
  return { ...exit, stdout: program.stdout.text, stderr: program.stderr.text }
}

/** The lines of one output stream so far. */
class Lines {
  readonly waiters = new Waiters()
  readonly lines: string[] = [] // ≤ MAX_LINES, oldest dropped
  #rest = ''

  get text(): string {
    return [...this.lines, this.#rest].join('\n')
  }

  find(pattern: RegExp): string | undefined {
    return this.lines.find((line) => pattern.test(line))
  }

  follow(stream: NodeJS.ReadableStream): void {
    stream.setEncoding('utf8')
    stream.on('data', (text: string) => {
      const lines = (this.#rest + text).split('\n')
      this.#rest = lines.pop() ?? ''
      this.lines.push(...lines)
      this.lines.splice(0, Math.max(0, this.lines.length - MAX_LINES))
      this.waiters.notify()
    })
  }
}

function pathOf(main: Main): string {
  return fileURLToPath(new URL(`../../dist/${main}/main.js`, import.meta.url))
}

/** Nothing of the tester's own configuration, systemd or colours gets into the programs. */
function cleanEnvironment(): Record<string, string> {
  const { PATH = '/usr/bin:/bin', TMPDIR } = process.env
  return { PATH, ...(TMPDIR !== undefined && { TMPDIR }) }
}
