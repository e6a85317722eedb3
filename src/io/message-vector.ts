/**
 * The memory that recvmmsg(2) and sendmmsg(2) want: an array of `struct mmsghdr` (64 bytes each on 64-bit Linux), each of
 * which points at one `struct iovec`, one address and one piece of memory for a datagram. All pointers are written once.
 */
import { endpointOfBytes } from '../core/address-bytes.ts'
import type { Endpoint } from '../core/endpoint.ts'
import type { Libc } from './libc.ts'
import { ADDRESS_AT, FAMILY_NUMBERS } from './sockaddr.ts'

/** More in one call save nothing: the call is a hundredth of their cost then. */
const VECTOR_LENGTH = 64

/** A frame of an Ethernet with jumbo frames (9,000), rounded up: what is longer comes over no line in one piece. */
const SLOT_BYTES = 9_216

// struct mmsghdr, in words of 4 bytes: msg_name 0, msg_namelen 2, msg_iov 4, msg_iovlen 6, msg_flags 12, msg_len 14
const HEADER_WORDS = 16
const NAME_LENGTH = 2
const FLAGS = 12
const LENGTH = 14

const PART_BYTES = 16 // struct iovec: base, length
const NAME_BYTES = 32 // room for sockaddr_in6, which has 28

const MSG_TRUNC = 0x20

const ADDRESS_BYTES = { 4: 4, 6: 16 } as const

export class MessageVector {
  readonly length = VECTOR_LENGTH
  readonly slotBytes = SLOT_BYTES
  /** To be handed to the system. */
  readonly headers = Buffer.alloc(VECTOR_LENGTH * HEADER_WORDS * 4)
  readonly #words = new Uint32Array(this.headers.buffer, this.headers.byteOffset)
  readonly #parts = Buffer.alloc(VECTOR_LENGTH * PART_BYTES)
  readonly #names = Buffer.alloc(VECTOR_LENGTH * NAME_BYTES)
  readonly #slots = Buffer.alloc(VECTOR_LENGTH * SLOT_BYTES, 1) // touched, so that it is the start that costs memory

  constructor(libc: Libc) {
    const [parts, names, slots] = [this.#parts, this.#names, this.#slots].map((memory) =>
      libc.addressOf(memory),
    ) as [bigint, bigint, bigint]
    for (let index = 0; index < VECTOR_LENGTH; index++) {
      const header = index * HEADER_WORDS * 4
      this.headers.writeBigUInt64LE(names + BigInt(index * NAME_BYTES), header)
      this.headers.writeBigUInt64LE(parts + BigInt(index * PART_BYTES), header + 16)
      this.headers.writeBigUInt64LE(1n, header + 24)
      this.#parts.writeBigUInt64LE(slots + BigInt(index * SLOT_BYTES), index * PART_BYTES)
      this.makeRoom(index)
    }
  }

  /** A whole slot and a whole address may be written there. */
  makeRoom(index: number): void {
    this.#words[index * HEADER_WORDS + NAME_LENGTH] = NAME_BYTES
    this.#parts.writeUInt32LE(SLOT_BYTES, index * PART_BYTES + 8)
  }

  /** What has been received there, lent until the next call; `undefined` for what did not fit. */
  received(index: number): Uint8Array | undefined {
    const header = index * HEADER_WORDS
    if (((this.#words[header + FLAGS] ?? 0) & MSG_TRUNC) !== 0) return undefined
    const at = index * SLOT_BYTES
    return this.#slots.subarray(at, at + (this.#words[header + LENGTH] ?? 0))
  }

  /** The sender's address as one string: cheaper to compare and to look up than to read. */
  senderKey(index: number): string {
    const at = index * NAME_BYTES
    const length = this.#words[index * HEADER_WORDS + NAME_LENGTH] ?? 0
    return this.#names.toString('latin1', at, at + length)
  }

  sender(index: number): Endpoint | undefined {
    const at = index * NAME_BYTES
    const family = this.#names.readUInt16LE(at) === FAMILY_NUMBERS[6] ? 6 : 4
    const from = at + ADDRESS_AT[family]
    const bytes = this.#names.subarray(from, from + ADDRESS_BYTES[family])
    return endpointOfBytes(bytes, this.#names.readUInt16BE(at + 2))
  }

  /** What is to be sent there; at most `slotBytes`. */
  put(index: number, sockaddr: Uint8Array, bytes: Uint8Array): void {
    this.#slots.set(bytes, index * SLOT_BYTES)
    this.#names.set(sockaddr, index * NAME_BYTES)
    this.#words[index * HEADER_WORDS + NAME_LENGTH] = sockaddr.length
    this.#parts.writeUInt32LE(bytes.length, index * PART_BYTES + 8)
  }
}
