/**
 * Calls of the C library that Node has no names for, through koffi, which need not be installed. Linux on 64-bit
 * little-endian processors only: elsewhere the numbers of options and the layouts of structures differ.
 */
import { createRequire } from 'node:module'
import { optionalPackage } from '../core/optional-package.ts'

const require = createRequire(import.meta.url)

export interface Libc {
  /** Sets an option of four bytes. False when the kernel knows no such option, or refuses the value. */
  setOption(fd: number, level: number, option: number, value: number): boolean
  /** sendmsg(2) with a `struct msghdr`, without waiting. What was sent in bytes, or the error's number, negative. */
  sendMessage(fd: number, message: Uint8Array): number
  /** recvmmsg(2) into `struct mmsghdr`s, without waiting. How many have come, or the error's number, negative. */
  receiveMany(fd: number, headers: Uint8Array, count: number): number
  /** sendmmsg(2) of `count` `struct mmsghdr`s from the `from`th on, without waiting. How many were sent, or an error. */
  sendMany(fd: number, headers: Uint8Array, from: number, count: number): number
  /** Where the bytes lie. Good for as long as whoever uses it keeps a reference to their `ArrayBuffer`. */
  addressOf(bytes: Uint8Array): bigint
}

/** What we use of koffi. Its own types are not there where koffi is not, and the rest must compile all the same. */
interface Koffi {
  readonly load: (path: null) => { func(prototype: string): unknown }
  readonly errno: () => number
  readonly address: (bytes: Uint8Array) => bigint
}

const MSG_DONTWAIT = 0x40

/** sizeof(struct mmsghdr) */
const MMSGHDR_BYTES = 64

let libc: Libc | undefined
let isLoaded = false

/** `undefined` where koffi is missing, the system is another one, or the process is told to do without. */
export function loadLibc(): Libc | undefined {
  if (isLoaded) return libc
  isLoaded = true
  const isKnown = process.platform === 'linux' && ['x64', 'arm64'].includes(process.arch)
  if (isKnown) libc = optionalPackage(bindLibc)
  return libc
}

function bindLibc(): Libc {
  const { load, errno, address } = require('koffi') as Koffi
  const library = load(null) // what the process itself is linked with
  const setsockopt = library.func(
    'int setsockopt(int fd, int level, int option, void *value, unsigned int length)',
  ) as (fd: number, level: number, option: number, value: Uint8Array, length: number) => number
  const sendmsg = library.func('long sendmsg(int fd, void *message, int flags)') as (
    fd: number,
    message: Uint8Array,
    flags: number,
  ) => number
  const recvmmsg = library.func(
    'int recvmmsg(int fd, void *headers, unsigned int count, int flags, void *timeout)',
  ) as (fd: number, headers: Uint8Array, count: number, flags: number, timeout: null) => number
  const sendmmsg = library.func(
    'int sendmmsg(int fd, void *headers, unsigned int count, int flags)',
  ) as (fd: number, headers: Uint8Array, count: number, flags: number) => number
  const four = Buffer.alloc(4)
  return {
    setOption(fd, level, option, value) {
      four.writeInt32LE(value)
      return setsockopt(fd, level, option, four, four.length) === 0
    },
    sendMessage(fd, message) {
      const sent = sendmsg(fd, message, MSG_DONTWAIT)
      return sent < 0 ? -errno() : sent
    },
    receiveMany(fd, headers, count) {
      const received = recvmmsg(fd, headers, count, MSG_DONTWAIT, null)
      return received < 0 ? -errno() : received
    },
    sendMany(fd, headers, from, count) {
      const first = from === 0 ? headers : headers.subarray(from * MMSGHDR_BYTES)
      const sent = sendmmsg(fd, first, count, MSG_DONTWAIT)
      return sent < 0 ? -errno() : sent
    },
    addressOf: (bytes) => address(bytes),
  }
}
