/**
 * The control socket's lines: UTF-8, one JSON value a line, ended by a newline (`docs/protocol/control.md`).
 * A bad line is told and skipped; the next line is read as if nothing had been.
 */
import { utf8 } from '../../core/bytes.ts'
import { type Decoded, decoded, malformed } from '../../core/decoded.ts'

/** A request line's limit, and an answer's: 1 MiB of UTF-8. (Here and not beside the schema: `holler` starts without it.) */
export const MAX_LINE_BYTES = 1024 * 1024

/** One line: its JSON value, or why there is none. */
export type LineResult = Decoded<unknown>

/** The `why` of a line beyond the limit: its sender deserves another answer than bad JSON. */
export const LINE_TOO_LONG = 'line too long'

const NEWLINE = 0x0a
const NOTHING = Buffer.alloc(0)

// `fatal`: bad UTF-8 is an error, never U+FFFD. `ignoreBOM`: a byte order mark stays, and JSON refuses it.
const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/** Writes a value as one line. JSON escapes newlines and lone surrogates, so any value is one line of UTF-8. */
export function encodeJsonLine(value: unknown): Uint8Array {
  return utf8(`${JSON.stringify(value)}\n`)
}

/** Cuts a byte stream into JSON lines, wherever the stream was cut. */
export class JsonLineDecoder {
  readonly #limitBytes: number
  #kept: Buffer = NOTHING // BOUNDED: one unfinished line, ≤ limitBytes, doubled at most
  #keptLength = 0
  #isSkipping = false // inside a line that was too long

  constructor(limitBytes: number = MAX_LINE_BYTES) {
    this.#limitBytes = limitBytes
  }

  /** The lines completed by these bytes. Empty lines are nothing; a line too long is told once, when it becomes so. */
  push(bytes: Uint8Array): readonly LineResult[] {
    const results: LineResult[] = []
    let from = 0
    for (let end = bytes.indexOf(NEWLINE); end !== -1; end = bytes.indexOf(NEWLINE, from)) {
      this.#take(bytes.subarray(from, end), results)
      this.#finishLine(results)
      from = end + 1
    }
    this.#take(bytes.subarray(from), results)
    return results
  }

  #take(part: Uint8Array, results: LineResult[]): void {
    if (this.#isSkipping || part.length === 0) return
    const length = this.#keptLength + part.length
    if (length > this.#limitBytes) {
      results.push(malformed(LINE_TOO_LONG))
      this.#isSkipping = true
      this.#forget()
      return
    }
    if (length > this.#kept.length) this.#grow(length)
    this.#kept.set(part, this.#keptLength)
    this.#keptLength = length
  }

  #finishLine(results: LineResult[]): void {
    if (!this.#isSkipping) {
      const result = readLine(this.#kept.subarray(0, this.#keptLength))
      if (result !== undefined) results.push(result)
    }
    this.#isSkipping = false
    this.#forget()
  }

  #grow(length: number): void {
    const larger = Buffer.allocUnsafe(Math.max(length, this.#kept.length * 2))
    larger.set(this.#kept.subarray(0, this.#keptLength))
    this.#kept = larger
  }

  #forget(): void {
    this.#kept = NOTHING
    this.#keptLength = 0
  }
}

function readLine(bytes: Uint8Array): LineResult | undefined {
  try {
    const text = decoder.decode(bytes)
    return text.trim() === '' ? undefined : decoded(JSON.parse(text) as unknown)
  } catch (error) {
    return malformed(error instanceof SyntaxError ? 'not JSON' : 'not UTF-8')
  }
}
