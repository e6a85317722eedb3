/** How the keys of the server's records are written: so that byte order is number order. */
import type { StoreRange } from '../../core/store.ts'

/** 2^53 has 16 digits. */
const DIGITS = 16

export function sortable(number: number): string {
  return String(number).padStart(DIGITS, '0')
}

/** The number that a key ends with. */
export function lastNumberOf(key: string): number {
  return Number(key.slice(key.lastIndexOf('/') + 1))
}

/** Keys under the prefix that end in a number greater than `after`. `:` comes right behind `9`. */
export function numbersUnder(prefix: string, after = -1): StoreRange {
  return { from: prefix + sortable(after + 1), before: `${prefix}:` }
}
