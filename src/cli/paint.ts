import type { Outside } from './outside.ts'

const CODES = { bold: 1, dim: 2, red: 31, green: 32, yellow: 33, cyan: 36 } as const

export type Colour = keyof typeof CODES

/** Colours a text, or leaves it as it is where nobody would see the colour. */
export type Paint = (colour: Colour, text: string) => string

export const plain: Paint = (_colour, text) => text

export const coloured: Paint = (colour, text) => `\u001b[${CODES[colour]}m${text}\u001b[0m`

/** Colour on terminals only, and never against the user's wish (https://no-color.org). */
export function paintFor({ stdout, env }: Pick<Outside, 'stdout' | 'env'>): Paint {
  const isUnwanted = (env['NO_COLOR'] ?? '') !== '' || env['TERM'] === 'dumb'
  return stdout.isTTY === true && !isUnwanted ? coloured : plain
}
