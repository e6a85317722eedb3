/**
 * Hands a batch of datagrams of equal size to the kernel in one call (UDP_SEGMENT, Linux 4.18): it takes them through the
 * stack as one packet and cuts them apart at the end, which costs a twentieth. Nobody can tell the datagrams from others.
 */
import type { Endpoint } from '../core/endpoint.ts'
import type { Libc } from './libc.ts'
import { sockaddrOf } from './sockaddr.ts'

/** linux/udp.h */
const SOL_UDP = 17
const UDP_SEGMENT = 103
const UDP_GRO = 104

const EIO = 5
const EINVAL = 22

/** What every path carries, so that a refusal cannot be about the size. */
const SURELY_FITS_BYTES = 1200

// One piece of memory with all that sendmsg(2) wants to be pointed at, in this order: struct msghdr (56 bytes), struct
// iovec (16), a control message (16 for its head, 2 for the segment size, padded to 24), the address.
const MESSAGE = { name: 0, nameLength: 8, parts: 16, partCount: 24, control: 32, controlLength: 40 }
const PART_AT = 56
const PART = { base: PART_AT, length: PART_AT + 8 }
const CONTROL_AT = 72
const CONTROL = {
  length: CONTROL_AT,
  level: CONTROL_AT + 8,
  type: CONTROL_AT + 12,
  value: CONTROL_AT + 16,
}
const CONTROL_BYTES = 18
const CONTROL_SPACE = 24
const NAME_AT = 96
const MEMORY_BYTES = NAME_AT + 32

export class BatchSender {
  readonly #libc: Libc
  readonly #fd: number
  readonly #memory = Buffer.alloc(MEMORY_BYTES)
  readonly #bases = new WeakMap<ArrayBufferLike, bigint>()
  #to: Endpoint | undefined
  #isOff = false

  /** `undefined` when the kernel cannot do it. */
  static open(libc: Libc, fd: number): BatchSender | undefined {
    // An older kernel would take the control message for nothing and send the batch as one huge datagram.
    const isKnown = libc.setOption(fd, SOL_UDP, UDP_SEGMENT, 0)
    return isKnown ? new BatchSender(libc, fd) : undefined
  }

  private constructor(libc: Libc, fd: number) {
    this.#libc = libc
    this.#fd = fd
    const base = libc.addressOf(this.#memory)
    const memory = this.#memory
    memory.writeBigUInt64LE(base + BigInt(NAME_AT), MESSAGE.name)
    memory.writeBigUInt64LE(base + BigInt(PART_AT), MESSAGE.parts)
    memory.writeBigUInt64LE(1n, MESSAGE.partCount)
    memory.writeBigUInt64LE(base + BigInt(CONTROL_AT), MESSAGE.control)
    memory.writeBigUInt64LE(BigInt(CONTROL_SPACE), MESSAGE.controlLength)
    memory.writeBigUInt64LE(BigInt(CONTROL_BYTES), CONTROL.length)
    memory.writeInt32LE(SOL_UDP, CONTROL.level)
    memory.writeInt32LE(UDP_SEGMENT, CONTROL.type)
  }

  /** Off for good once the network card has refused. */
  get isOn(): boolean {
    return !this.#isOff
  }

  /** False when the datagrams have to be sent one by one: nothing of the batch was taken. */
  send(to: Endpoint, bytes: Uint8Array, segmentBytes: number): boolean {
    if (this.#isOff) return false
    if (to !== this.#to) this.#setName(to)
    const memory = this.#memory
    memory.writeBigUInt64LE(this.#addressOf(bytes), PART.base)
    memory.writeUInt32LE(bytes.length, PART.length)
    memory.writeUInt16LE(segmentBytes, CONTROL.value)
    const sent = this.#libc.sendMessage(this.#fd, memory)
    // Network cards without checksum offload answer EIO, some systems EINVAL, and always will. But EINVAL also says that
    // a segment does not fit the interface, and a full buffer (EAGAIN) passes.
    const isRefusal = sent === -EIO || (sent === -EINVAL && segmentBytes <= SURELY_FITS_BYTES)
    if (isRefusal) this.#isOff = true
    return sent >= 0
  }

  #setName(to: Endpoint): void {
    const sockaddr = sockaddrOf(to)
    this.#memory.writeUInt32LE(sockaddr.length, MESSAGE.nameLength)
    this.#memory.set(sockaddr, NAME_AT)
    this.#to = to
  }

  // Batches come from a few large pieces of memory, of which asking for the address costs more than remembering it.
  #addressOf(bytes: Uint8Array): bigint {
    const { buffer } = bytes
    let base = this.#bases.get(buffer)
    if (base === undefined) {
      base = this.#libc.addressOf(new Uint8Array(buffer))
      this.#bases.set(buffer, base)
    }
    return base + BigInt(bytes.byteOffset)
  }
}

/**
 * Lets the kernel hand over datagrams of one sender and size in one piece (UDP_GRO, Linux 5.0), as they came off the
 * wire together. Node does not show where they have to be cut apart: whoever switches this on must know by what they say.
 */
export function receiveBatches(libc: Libc, fd: number): boolean {
  return libc.setOption(fd, SOL_UDP, UDP_GRO, 1)
}
