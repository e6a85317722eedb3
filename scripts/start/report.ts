/** What the playground prints: one line a step, with its time. */
import { stripVTControlCharacters } from 'node:util'

const isTerminal = process.stdout.isTTY
const isColoured =
  isTerminal && (process.env['NO_COLOR'] ?? '') === '' && process.env['TERM'] !== 'dumb'

const CODES = { bold: 1, dim: 2, red: 31, green: 32, cyan: 36 } as const

export function paint(colour: keyof typeof CODES, text: string): string {
  return isColoured ? `\u001b[${CODES[colour]}m${text}\u001b[0m` : text
}

const began = performance.now()

/** The widest title, so that details stand under each other. */
const TITLE_WIDTH = 22

/** Does one step and prints what came of it; on a terminal also that it is being done. */
export async function step<T>(
  title: string,
  work: () => Promise<T>,
  detail: (result: T, tookMs: number) => string,
): Promise<T> {
  if (isTerminal) process.stdout.write(`          ${paint('dim', `… ${title}`)}`)
  const startedAt = performance.now()
  try {
    const result = await work()
    line(paint('green', '✓'), title, detail(result, performance.now() - startedAt))
    return result
  } catch (error) {
    line(paint('red', '✗'), title, 'failed')
    throw error
  }
}

export function say(text = ''): void {
  process.stdout.write(`${isColoured ? text : stripVTControlCharacters(text)}\n`)
}

function line(mark: string, title: string, detail: string): void {
  const time = `${((performance.now() - began) / 1000).toFixed(2)} s`.padStart(8)
  const overwrite = isTerminal ? '\r\u001b[2K' : ''
  process.stdout.write(overwrite)
  say(`${paint('dim', time)}  ${mark} ${title.padEnd(TITLE_WIDTH)} ${detail}`)
}
