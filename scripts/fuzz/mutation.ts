/**
 * Changes inputs at random: bits, bytes and numbers at the places where formats break; pieces taken out, doubled,
 * swapped, or taken from another input; and for text the same with whole tokens.
 */
import { concatBytes, utf8 } from '../../src/core/bytes.ts'
import { integerBetween, type Random } from '../../src/core/random.ts'

/** Longer than any datagram; documents grow by doubling pieces, and there are other tests for megabytes. */
export const MAX_INPUT_BYTES = 8192

/** Lengths and counts go wrong around these. */
const NUMBERS = [
  0,
  1,
  2,
  3,
  4,
  7,
  8,
  15,
  16,
  31,
  32,
  63,
  64,
  127,
  128,
  255,
  256,
  1023,
  1024,
  16_383,
  16_384,
  32_767,
  32_768,
  65_535,
  65_536,
  2 ** 24,
  2 ** 30,
  2 ** 31 - 1,
  2 ** 31,
  2 ** 32 - 1,
]

const TOKENS = /[<>/="'&;{}[\],:\s]|[^<>/="'&;{}[\],:\s]+/gu

const WORDS = [
  ...['<!DOCTYPE x [<!ENTITY y "z">]>', '<![CDATA[', ']]>', '<!--', '-->', '<?xml?>', '&#0;'],
  ...['&#x110000;', '&amp;', '&lt;', '&y;', '\u0000', '\uFEFF', '\uFFFE', '"', "'", '\\u0000'],
  ...['__proto__', 'constructor', 'toString', 'xmlns', 'null', 'true', '-0', '1e400', '-1', '0x10'],
  ...['99999999999999999999', '1.5', '00', '\r\n', '\n', '\t', '../', '%00', '[::1]', '::', '@'],
]

/** Of one input with others to borrow from. Between one and a few changes, so that most of it stays well-formed. */
export function mutated(
  random: Random,
  inputs: readonly Uint8Array[],
  format: 'binary' | 'text',
): Uint8Array {
  let bytes = pick(random, inputs)
  for (let changes = integerBetween(random, 1, 4); changes > 0; changes--) {
    const isByToken = format === 'text' && chance(random, 0.7)
    bytes = isByToken
      ? changeTokens(random, bytes, pick(random, inputs))
      : changeBytes(random, bytes, pick(random, inputs))
    if (bytes.length > MAX_INPUT_BYTES) bytes = bytes.subarray(0, MAX_INPUT_BYTES)
  }
  return Uint8Array.from(bytes)
}

type Change = (random: Random, bytes: Uint8Array, other: Uint8Array) => Uint8Array

const byteChanges: readonly Change[] = [
  (random, bytes) => changedAt(random, bytes, 1, (at) => (at[0] ?? 0) ^ (1 << below(random, 8))),
  (random, bytes) => changedAt(random, bytes, 1, () => pick(random, NUMBERS) & 0xff),
  (random, bytes) => changedAt(random, bytes, 1, () => below(random, 256)),
  (random, bytes) => changedAt(random, bytes, 2, () => pick(random, NUMBERS)),
  (random, bytes) => changedAt(random, bytes, 4, () => pick(random, NUMBERS)),
  (random, bytes) => changedAt(random, bytes, 8, () => pick(random, NUMBERS)),
  (random, bytes) => changedAt(random, bytes, 2, (at) => numberOf(at) + below(random, 9) - 4),
  (random, bytes) => bytes.subarray(0, below(random, bytes.length + 1)),
  (random, bytes) => concatBytes(bytes, random.bytes(below(random, 32))),
  (random, bytes) => replaced(random, bytes, new Uint8Array(0)), // a piece is missing
  (random, bytes) => inserted(random, bytes, random.bytes(below(random, 16))),
  (random, bytes) => inserted(random, bytes, pieceOf(random, bytes)), // a piece comes twice
  (random, bytes, other) => inserted(random, bytes, pieceOf(random, other)),
  (random, bytes, other) => replaced(random, bytes, pieceOf(random, other)),
  (random, bytes, other) =>
    concatBytes(
      bytes.subarray(0, below(random, bytes.length + 1)),
      other.subarray(below(random, other.length + 1)),
    ),
  (_random, bytes, other) => concatBytes(bytes, other),
]

function changeBytes(random: Random, bytes: Uint8Array, other: Uint8Array): Uint8Array {
  return pick(random, byteChanges)(random, bytes, other)
}

type TokenChange = (random: Random, tokens: string[], others: readonly string[]) => void

const tokenChanges: readonly TokenChange[] = [
  (random, tokens) => tokens.splice(place(random, tokens), 1 + below(random, 3)),
  (random, tokens) => tokens.splice(place(random, tokens), 0, someOf(random, tokens)),
  (random, tokens) => {
    const many = someOf(random, tokens).repeat(pick(random, [2, 10, 100, 1000]))
    tokens.splice(place(random, tokens), 0, many)
  },
  (random, tokens) => tokens.splice(place(random, tokens), 1, pick(random, WORDS)),
  (random, tokens) => tokens.splice(place(random, tokens), 0, pick(random, WORDS)),
  (random, tokens, others) => tokens.splice(place(random, tokens), 1, someOf(random, others)),
  (random, tokens, others) => {
    const from = place(random, others)
    tokens.splice(place(random, tokens), 0, ...others.slice(from, from + below(random, 16)))
  },
]

function changeTokens(random: Random, bytes: Uint8Array, other: Uint8Array): Uint8Array {
  const tokens = tokensOf(bytes)
  pick(random, tokenChanges)(random, tokens, tokensOf(other))
  return utf8(tokens.join(''))
}

function place(random: Random, tokens: readonly string[]): number {
  return below(random, tokens.length + 1)
}

function someOf(random: Random, tokens: readonly string[]): string {
  return tokens[below(random, tokens.length)] ?? ''
}

function tokensOf(bytes: Uint8Array): string[] {
  return Buffer.from(bytes).toString('utf8').match(TOKENS) ?? []
}

/** `count` bytes somewhere, as one big-endian number. */
function changedAt(
  random: Random,
  bytes: Uint8Array,
  count: number,
  change: (at: Uint8Array) => number,
): Uint8Array {
  if (bytes.length < count) return bytes
  const copy = Uint8Array.from(bytes)
  const at = below(random, bytes.length - count + 1)
  let number = change(copy.subarray(at, at + count))
  for (let i = count - 1; i >= 0; i--) {
    copy[at + i] = number % 256
    number = Math.floor(number / 256)
  }
  return copy
}

function numberOf(bytes: Uint8Array): number {
  return bytes.reduce((number, byte) => number * 256 + byte, 0)
}

function replaced(random: Random, bytes: Uint8Array, piece: Uint8Array): Uint8Array {
  const from = below(random, bytes.length + 1)
  const to = Math.min(bytes.length, from + 1 + below(random, 16))
  return concatBytes(bytes.subarray(0, from), piece, bytes.subarray(to))
}

function inserted(random: Random, bytes: Uint8Array, piece: Uint8Array): Uint8Array {
  const at = below(random, bytes.length + 1)
  return concatBytes(bytes.subarray(0, at), piece, bytes.subarray(at))
}

function pieceOf(random: Random, bytes: Uint8Array): Uint8Array {
  const from = below(random, bytes.length + 1)
  return bytes.subarray(from, from + below(random, 64))
}

export function pick<T>(random: Random, items: readonly T[]): T {
  return items[below(random, items.length)] as T
}

function chance(random: Random, probability: number): boolean {
  return below(random, 1000) < probability * 1000
}

/** 0 when `count` is 0. */
export function below(random: Random, count: number): number {
  return count <= 1 ? 0 : integerBetween(random, 0, count - 1)
}
