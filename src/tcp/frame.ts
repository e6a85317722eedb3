/**
 * Frames on an ordered byte stream: a 4-byte big-endian length, then that many bytes.
 * Carries the XML documents of a server session, the relay's frames inside TLS, and the messages of a peer's stream.
 */
import { concatBytes } from '../core/bytes.ts'
import { type Decoded, decoded, malformed } from '../core/decoded.ts'

const FRAME_HEADER_BYTES = 4

/** Before login a frame is at most this long: `hello` with its keys has about 600 bytes. */
export const MAX_FRAME_BEFORE_LOGIN_BYTES = 4 * 1024

/** After login: the longest sealed message in base64, with its element around it. Longer lists are paged. */
export const MAX_FRAME_BYTES = 96 * 1024

const NOTHING = Buffer.alloc(0)

export function encodeFrame(payload: Uint8Array): Uint8Array {
  const header = Buffer.allocUnsafe(FRAME_HEADER_BYTES)
  header.writeUInt32BE(payload.length)
  return concatBytes(header, payload)
}

/**
 * Cuts a byte stream into frames, wherever the stream was cut. It holds one unfinished frame at most, so never more
 * than the limit and the bytes of one push; between frames it holds nothing.
 */
export class FrameDecoder {
  /** The longest payload accepted. May be raised at any time: after login, frames may be longer. */
  limitBytes: number

  #kept: Buffer = NOTHING // BOUNDED: limitBytes + header, doubled at most
  #keptLength = 0
  #failure: string | undefined

  constructor(limitBytes: number) {
    this.limitBytes = limitBytes
  }

  /**
   * The payloads completed by these bytes, as views that are valid until the next push.
   * A frame that is empty or longer than the limit spoils the stream for good: there is no way to find its end.
   */
  push(bytes: Uint8Array): Decoded<readonly Uint8Array[]> {
    if (this.#failure !== undefined) return malformed(this.#failure)
    const stream = this.#keptLength === 0 ? bytes : this.#append(bytes)
    const frames: Uint8Array[] = []
    let at = 0
    while (stream.length - at >= FRAME_HEADER_BYTES) {
      const length = readLength(stream, at)
      if (length === 0) return this.#fail('empty frame')
      if (length > this.limitBytes) return this.#fail('frame longer than the limit')
      const end = at + FRAME_HEADER_BYTES + length
      if (end > stream.length) break
      frames.push(stream.subarray(at + FRAME_HEADER_BYTES, end))
      at = end
    }
    this.#keep(stream, at)
    return decoded(frames)
  }

  /** Whether a frame has begun and not ended: its sender owes the rest. */
  get isMidFrame(): boolean {
    return this.#keptLength > 0
  }

  #append(bytes: Uint8Array): Uint8Array {
    const length = this.#keptLength + bytes.length
    if (length > this.#kept.length) this.#grow(length)
    this.#kept.set(bytes, this.#keptLength)
    this.#keptLength = length
    return this.#kept.subarray(0, length)
  }

  // Doubling, so that a frame that arrives byte by byte is copied a few times, not thousands.
  #grow(length: number): void {
    const larger = Buffer.allocUnsafe(Math.max(length, this.#kept.length * 2))
    larger.set(this.#kept.subarray(0, this.#keptLength))
    this.#kept = larger
  }

  // What was handed out are views of the old memory, so the rest moves to memory of its own.
  #keep(stream: Uint8Array, from: number): void {
    const isUntouched = from === 0 && this.#keptLength > 0
    if (isUntouched) return
    this.#keptLength = stream.length - from
    this.#kept = this.#keptLength === 0 ? NOTHING : Buffer.from(stream.subarray(from))
  }

  #fail(why: string): Decoded<never> {
    this.#failure = why
    this.#kept = NOTHING
    this.#keptLength = 0
    return malformed(why)
  }
}

function readLength(stream: Uint8Array, at: number): number {
  return new DataView(stream.buffer, stream.byteOffset + at, FRAME_HEADER_BYTES).getUint32(0)
}
