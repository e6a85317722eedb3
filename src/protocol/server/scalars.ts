/**
 * Values that are one attribute: how each is written, and what is accepted. `read` holds the bounds, and writing
 * is checked by reading back, so that a bound is stated once.
 */
import { fromBase64, toBase64 } from '../../core/bytes.ts'
import { endpoint } from '../../core/endpoint.ts'
import { toXmlText } from './xml-profile.ts'

export interface Scalar<T> {
  readonly write: (value: T) => string
  /** `undefined` for anything out of bounds. */
  readonly read: (text: string) => T | undefined
}

/** No sign, no leading zero, no exponent: a number has one form. 16 digits hold every safe integer. */
const DECIMAL = /^(?:0|[1-9][0-9]{0,15})$/

const CONTROL = /\p{Cc}/u

export function integer(least: number, most: number): Scalar<number> {
  return {
    write: String,
    read: (text) => {
      const value = DECIMAL.test(text) ? Number(text) : Number.NaN
      return value >= least && value <= most && Number.isSafeInteger(value) ? value : undefined
    },
  }
}

export const flag: Scalar<boolean> = {
  write: String,
  read: (text) => (text === 'true' ? true : text === 'false' ? false : undefined),
}

/** A flag that is left out when it is not set. */
export const yes: Scalar<true> = {
  write: String,
  read: (text) => (text === 'true' ? true : undefined),
}

export function oneOf<const T extends string>(...words: readonly T[]): Scalar<T> {
  return { write: String, read: (text) => words.find((word) => word === text) }
}

/** Words of protocols and names: on one line, never changed. */
export function token(mostChars: number, leastChars = 1): Scalar<string> {
  return {
    write: String,
    read: (text) =>
      text.length >= leastChars && text.length <= mostChars && !CONTROL.test(text)
        ? text
        : undefined,
  }
}

/** What people write: what XML cannot carry becomes U+FFFD. */
export function freeText(mostChars: number): Scalar<string> {
  return { write: toXmlText, read: (text) => (text.length <= mostChars ? text : undefined) }
}

/** What a program says to a person: as `freeText`, but what is too long is cut. */
export function clippedText(mostChars: number): Scalar<string> {
  const { read } = freeText(mostChars)
  return { write: (text) => toXmlText(text.slice(0, mostChars)), read }
}

/** Base64 in its one canonical form. */
export function binary(leastBytes: number, mostBytes = leastBytes): Scalar<Uint8Array> {
  return {
    write: toBase64,
    read: (text) => {
      if (text.length > Math.ceil(mostBytes / 3) * 4) return undefined
      const bytes = fromBase64(text)
      if (bytes === undefined || bytes.length < leastBytes) return undefined
      return bytes.length > mostBytes ? undefined : bytes
    },
  }
}

/** A literal address in its canonical form, without a zone. */
export const ipAddress: Scalar<string> = {
  write: String,
  read: (text) => {
    const read = endpoint(text, 0)
    return read.ok && read.value.address === text ? text : undefined
  },
}
