/**
 * Variable-length integers (RFC 9000 §16): the first two bits tell the length.
 *
 *   00 6 bits · 01 14 bits · 10 30 bits · 11 62 bits
 *
 * Values above 2^53 − 1 are malformed here: JavaScript cannot count them, and nobody sends eight petabytes.
 * `ByteReader` and `ByteWriter` go over bytes without making objects, and neither ever throws on what is read.
 */

export const MAX_VARINT = Number.MAX_SAFE_INTEGER

export function varintLength(value: number): 1 | 2 | 4 | 8 {
  if (value < 0x40) return 1
  if (value < 0x4000) return 2
  return value < 0x4000_0000 ? 4 : 8
}

/** Reads forward; past the end it yields zeros and `isBroken` is true from then on. */
export class ByteReader {
  bytes: Uint8Array
  at: number
  end: number
  isBroken = false

  constructor(bytes: Uint8Array, start = 0, end = bytes.length) {
    this.bytes = bytes
    this.at = start
    this.end = end
  }

  /** The same reader over other bytes, so that the hot path needs only one. */
  reset(bytes: Uint8Array, start = 0, end = bytes.length): void {
    this.bytes = bytes
    this.at = start
    this.end = end
    this.isBroken = false
  }

  get remaining(): number {
    return this.end - this.at
  }

  /** `length` big-endian bytes as a number; up to six, beyond which a double does not count. */
  unsigned(length: 1 | 2 | 4 | 6): number {
    if (!this.#has(length)) return 0
    let value = 0
    for (let i = 0; i < length; i++) value = value * 256 + this.#next()
    return value
  }

  varint(): number {
    if (!this.#has(1)) return 0
    const first = this.#next()
    const more = (1 << (first >> 6)) - 1
    let value = first & 0x3f
    if (more === 0) return value
    if (!this.#has(more)) return 0
    for (let i = 0; i < more; i++) value = value * 256 + this.#next()
    if (value <= MAX_VARINT) return value
    this.isBroken = true
    return 0
  }

  /** A view of the next `length` bytes, not a copy. */
  take(length: number): Uint8Array {
    if (!this.#has(length)) return this.bytes.subarray(0, 0)
    this.at += length
    return this.bytes.subarray(this.at - length, this.at)
  }

  skip(length: number): void {
    if (this.#has(length)) this.at += length
  }

  #has(length: number): boolean {
    if (!this.isBroken && length <= this.end - this.at) return true
    this.isBroken = true
    this.at = this.end
    return false
  }

  #next(): number {
    return this.bytes[this.at++] ?? 0
  }
}

/** Writes forward into memory that its caller has measured: writing past the end is a bug, and dropped bytes. */
export class ByteWriter {
  bytes: Uint8Array
  at: number
  end: number

  constructor(bytes: Uint8Array, start = 0, end = bytes.length) {
    this.bytes = bytes
    this.at = start
    this.end = end
  }

  reset(bytes: Uint8Array, start: number, end: number): void {
    this.bytes = bytes
    this.at = start
    this.end = end
  }

  get room(): number {
    return this.end - this.at
  }

  unsigned(value: number, length: 1 | 2 | 4 | 6): void {
    let rest = value
    for (let i = length - 1; i >= 0; i--) {
      this.bytes[this.at + i] = rest & 0xff
      rest = Math.floor(rest / 256)
    }
    this.at += length
  }

  varint(value: number): void {
    const length = varintLength(value)
    if (length === 1) {
      this.bytes[this.at++] = value
      return
    }
    let rest = value
    for (let i = length - 1; i >= 0; i--) {
      this.bytes[this.at + i] = rest % 256
      rest = Math.floor(rest / 256)
    }
    const mark = length === 2 ? 0x40 : length === 4 ? 0x80 : 0xc0
    this.bytes[this.at] = (this.bytes[this.at] ?? 0) | mark
    this.at += length
  }

  raw(source: Uint8Array): void {
    this.bytes.set(source, this.at)
    this.at += source.length
  }

  zeros(count: number): void {
    this.bytes.fill(0, this.at, this.at + count)
    this.at += count
  }
}
