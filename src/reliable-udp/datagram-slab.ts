/** A batch, and a few more behind it. */
const SLAB_BYTES = 256 * 1024

/**
 * Memory for datagrams on their way out. Regions of one large piece are handed out, one after another and each once, so
 * that a datagram costs no allocation of its own and whoever gets one may keep it.
 */
export class DatagramSlab {
  #memory: Uint8Array = new Uint8Array(0)
  #at = 0

  get memory(): Uint8Array {
    return this.#memory
  }

  /** Where the next region begins; `bytes` can be written there. */
  reserve(bytes: number): number {
    if (this.#at + bytes > this.#memory.length) {
      this.#memory = newMemory(Math.max(bytes, SLAB_BYTES))
      this.#at = 0
    }
    return this.#at
  }

  /** Hands out what was written at the place that `reserve` named. */
  take(bytes: number): Uint8Array {
    const from = this.#memory.byteOffset + this.#at
    this.#at += bytes
    return new Uint8Array(this.#memory.buffer, from, bytes)
  }
}

// Not zeroed: only what was written is ever handed out. A plain array, since views of a Buffer cost twice as much.
function newMemory(bytes: number): Uint8Array {
  return new Uint8Array(Buffer.allocUnsafeSlow(bytes).buffer)
}
