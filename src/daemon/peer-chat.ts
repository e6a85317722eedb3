/**
 * The one chat stream of a connection, as whole messages: each is a length-prefixed frame (`tcp/frame.ts`).
 * Messages wait here until the connection takes their bytes; the wait has a bound, and back-pressure beyond it.
 */
import { copyOf } from '../core/bytes.ts'
import { type Decoded, decoded } from '../core/decoded.ts'
import { encodeFrame, FrameDecoder } from '../tcp/frame.ts'

/** A text of 65,535 bytes with its envelope fits twice; a receipt of 256 ids fits thirty times. */
export const MAX_PEER_MESSAGE_BYTES = 128 * 1024

/** Two of the longest messages, or a thousand short ones: a second of a slow link. */
export const MAX_QUEUED_BYTES = 256 * 1024

export class PeerChat {
  readonly #decoder = new FrameDecoder(MAX_PEER_MESSAGE_BYTES)
  #waiting: Uint8Array[] = [] // BOUNDED: MAX_QUEUED_BYTES and one message
  #waitingBytes = 0
  #isRefusing = false

  /** False when there is no room: then nothing was taken, and `flush` tells when there is room again. */
  queue(message: Uint8Array): boolean {
    if (message.length === 0 || message.length > MAX_PEER_MESSAGE_BYTES) {
      throw new RangeError(`A message of ${message.length} bytes`)
    }
    const isFull = this.#waitingBytes > 0 && this.#waitingBytes + message.length > MAX_QUEUED_BYTES
    if (isFull) this.#isRefusing = true
    else this.#wait(encodeFrame(message))
    return !isFull
  }

  /** Hands waiting bytes to `write`, which says how many it took. True when a refused sender may try again. */
  flush(write: (bytes: Uint8Array) => number): boolean {
    let next = 0
    for (;;) {
      const first = this.#waiting[next]
      if (first === undefined) break
      const taken = write(first)
      this.#waitingBytes -= taken
      if (taken < first.length) {
        this.#waiting[next] = first.subarray(taken)
        break
      }
      next += 1
    }
    this.#waiting = this.#waiting.slice(next)
    const hasRoomAgain = this.#isRefusing && this.#waitingBytes <= MAX_QUEUED_BYTES / 2
    if (hasRoomAgain) this.#isRefusing = false
    return hasRoomAgain
  }

  /** The messages that these bytes complete, each a copy of its own. Not ok: the stream is spoilt for good. */
  receive(bytes: Uint8Array): Decoded<readonly Uint8Array[]> {
    const frames = this.#decoder.push(bytes)
    return frames.ok ? decoded(frames.value.map(copyOf)) : frames
  }

  get queuedBytes(): number {
    return this.#waitingBytes
  }

  #wait(frame: Uint8Array): void {
    this.#waiting.push(frame)
    this.#waitingBytes += frame.length
  }
}
