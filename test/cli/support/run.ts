import { PassThrough, Readable, Writable } from 'node:stream'
import type { InputStream, Outside, OutputStream } from '../../../src/cli/outside.ts'
import { runHoller } from '../../../src/cli/program.ts'

export interface Ran {
  readonly exit: number | 'interrupted'
  readonly stdout: string
  readonly stderr: string
}

export interface RunOptions {
  readonly socket?: string
  readonly env?: Readonly<Record<string, string>>
  readonly stdin?: InputStream
  /** Both output streams claim to be terminals. */
  readonly isTerminal?: boolean
  /** Called with everything on stdout so far, at each write. */
  readonly onOutput?: (text: string) => void
}

/** Runs one `holler` command line in this process. */
export async function run(args: readonly string[], options: RunOptions = {}): Promise<Ran> {
  const isTTY = options.isTerminal === true
  const stdout = new Capture(isTTY, options.onOutput)
  const stderr = new Capture(isTTY)
  const outside: Outside = {
    env: { ...(options.socket !== undefined && { HOLLER_SOCKET: options.socket }), ...options.env },
    stdin: options.stdin ?? Readable.from([]),
    stdout,
    stderr,
  }
  const exit = await runHoller(args, outside)
  return { exit, stdout: stdout.text, stderr: stderr.text }
}

export function input(text: string): InputStream {
  return Readable.from([Buffer.from(text)])
}

/** A terminal at which somebody types; whether keys are shown is recorded. */
export class Keyboard extends PassThrough {
  readonly isTTY = true
  readonly modes: boolean[] = []

  setRawMode(isRaw: boolean): this {
    this.modes.push(isRaw)
    return this
  }
}

/** A reader that went away: what `head -1` leaves behind. */
export class ClosedPipe extends Writable {
  constructor() {
    super()
    this.on('error', () => undefined)
  }

  override _write(_chunk: unknown, _encoding: string, done: (error: Error) => void): void {
    done(Object.assign(new Error('write EPIPE'), { code: 'EPIPE' }))
  }
}

class Capture extends Writable implements OutputStream {
  readonly isTTY: boolean
  readonly #onOutput: ((text: string) => void) | undefined
  text = ''

  constructor(isTTY: boolean, onOutput?: (text: string) => void) {
    super({ decodeStrings: false })
    this.isTTY = isTTY
    this.#onOutput = onOutput
  }

  override _write(chunk: unknown, _encoding: string, done: () => void): void {
    this.text += String(chunk)
    done()
    this.#onOutput?.(this.text)
  }
}
