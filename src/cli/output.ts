import type { CommandFailure } from './failure.ts'
import type { Outside, OutputStream } from './outside.ts'
import { type Paint, paintFor } from './paint.ts'
import { jsonLine, visibleText } from './visible-text.ts'

export interface OutputOptions {
  readonly json: boolean
  readonly quiet: boolean
}

/** What a command says: its answer on stdout, as text or as one line of JSON; errors on stderr in the same form. */
export class Output {
  readonly #outside: Outside
  readonly #options: OutputOptions
  readonly #paint: Paint

  constructor(outside: Outside, options: OutputOptions) {
    this.#outside = outside
    this.#options = options
    this.#paint = paintFor(outside)
  }

  /** The command's answer. `text` is asked only when somebody will read it; an empty text prints nothing. */
  async answer(value: unknown, text: (paint: Paint) => string): Promise<void> {
    if (this.#options.quiet) return
    await this.line(this.#options.json ? jsonLine(value) : text(this.#paint))
  }

  /** One line on stdout, which has left this process when the promise resolves. */
  async line(text: string): Promise<void> {
    if (text !== '') await write(this.#outside.stdout, `${text}\n`)
  }

  async failure(failure: CommandFailure): Promise<void> {
    const text = this.#options.json ? jsonLine(failure) : asSentence(failure)
    await write(this.#outside.stderr, `${text}\n`)
  }
}

function asSentence({ message, info }: CommandFailure): string {
  const lines = message.split('\n').map((line) => visibleText(line))
  const retry =
    info.retryAfterMs === undefined
      ? ''
      : ` (try again in ${Math.ceil(info.retryAfterMs / 1000)} s)`
  return `holler: ${lines.join('\n')}${retry}`
}

async function write(stream: OutputStream, text: string): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    stream.write(text, (error) => (error ? reject(error) : resolve()))
  })
}
