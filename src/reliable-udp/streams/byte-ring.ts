const SMALLEST_CAPACITY = 4096

/** An empty ring keeps no more than this: hundreds of quiet streams must not hold hundreds of windows. */
const KEPT_CAPACITY = 64 * 1024

const NOTHING = new Uint8Array(0)

/**
 * Bytes of a stream between two offsets, in one ring of memory that grows by doubling. Any part may be written in any
 * order; what was never written reads as anything. Its owner bounds how far apart the two offsets get.
 */
export class ByteRing {
  #bytes: Uint8Array = NOTHING // the capacity is a power of two, or nothing
  #head = 0
  #start = 0
  #end = 0

  /** The first offset kept. */
  get start(): number {
    return this.#start
  }

  /** One beyond the last offset ever written. */
  get end(): number {
    return this.#end
  }

  get capacity(): number {
    return this.#bytes.length
  }

  /** Puts `source[from..to)` at `offset`, which is not below `start`. */
  write(offset: number, source: Uint8Array, from: number, to: number): void {
    const length = to - from
    const end = offset + length
    if (end - this.#start > this.#bytes.length) this.#grow(end - this.#start)
    const mask = this.#bytes.length - 1
    const at = (this.#head + (offset - this.#start)) & mask
    const first = Math.min(length, this.#bytes.length - at)
    copy(source, from, this.#bytes, at, first)
    if (first < length) copy(source, from + first, this.#bytes, 0, length - first)
    if (end > this.#end) this.#end = end
  }

  /** Copies `length` bytes from `offset` into `target` at `at`. */
  read(offset: number, target: Uint8Array, at: number, length: number): void {
    const mask = this.#bytes.length - 1
    const from = (this.#head + (offset - this.#start)) & mask
    const first = Math.min(length, this.#bytes.length - from)
    copy(this.#bytes, from, target, at, first)
    if (first < length) copy(this.#bytes, 0, target, at + first, length - first)
  }

  /** Forgets everything below `offset`. */
  release(offset: number): void {
    if (offset >= this.#end) {
      this.#start = offset
      this.#end = offset
      this.#head = 0
      if (this.#bytes.length > KEPT_CAPACITY) this.#bytes = NOTHING
      return
    }
    this.#head = (this.#head + (offset - this.#start)) & (this.#bytes.length - 1)
    this.#start = offset
  }

  #grow(wanted: number): void {
    let capacity = Math.max(this.#bytes.length, SMALLEST_CAPACITY)
    while (capacity < wanted) capacity *= 2
    const grown = new Uint8Array(capacity)
    const first = this.#bytes.length - this.#head
    copy(this.#bytes, this.#head, grown, 0, first)
    copy(this.#bytes, 0, grown, first, this.#head)
    this.#bytes = grown
    this.#head = 0
  }
}

// Short pieces are copied faster by hand than by making a view of them.
function copy(
  source: Uint8Array,
  from: number,
  target: Uint8Array,
  at: number,
  length: number,
): void {
  if (length > 64) {
    target.set(source.subarray(from, from + length), at)
    return
  }
  for (let i = 0; i < length; i++) target[at + i] = source[from + i] ?? 0
}
