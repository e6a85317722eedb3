/**
 * TUN devices (Linux, `Documentation/networking/tuntap.rst`): what the kernel routes into one is read here as whole IP
 * packets, and what is written here the kernel takes as received from it.
 *
 * Node can neither `ioctl` nor wait for such a descriptor: libuv reads files in its thread pool, where a read that
 * never returns would keep the process from ending. So `poll` waits there, at most a moment at a time, and then
 * everything that is to be had is read without waiting.
 */
import { closeSync, constants, openSync } from 'node:fs'
import koffi from 'koffi'

const TUNSETIFF = 0x400454ca // linux/if_tun.h: _IOW('T', 202, int)
const IFF_TUN = 0x0001
const IFF_NO_PI = 0x1000
const IFREQ_BYTES = 40
const IFREQ_FLAGS_AT = 16
const MAX_NAME_BYTES = 15

const POLLIN = 0x0001
const POLLFD_BYTES = 8
const EVENTS_AT = 4
const RETURNED_AT = 6

/** How long the process may take to see another device, or that it is to end. */
const POLL_MS = 50
const LARGEST_PACKET_BYTES = 65_535
/** Read from one device before the other has its turn. */
const BATCH_PACKETS = 64

const libc = koffi.load(null)
const ioctl = libc.func('int ioctl(int fd, unsigned long request, void *argument)') as (
  fd: number,
  request: number,
  argument: Uint8Array,
) => number
const read = libc.func('long read(int fd, void *buffer, size_t size)') as (
  fd: number,
  buffer: Uint8Array,
  size: number,
) => number
const write = libc.func('long write(int fd, const void *buffer, size_t size)') as (
  fd: number,
  buffer: Uint8Array,
  size: number,
) => number
const poll = libc.func('int poll(void *descriptors, unsigned long count, int timeout)') as {
  async: (
    descriptors: Uint8Array,
    count: number,
    timeoutMs: number,
    done: (error: unknown, ready: number) => void,
  ) => void
}

export class Tun {
  readonly name: string
  readonly fd: number

  /**
   * Makes the device in the namespace of this process; it may be moved to another one by its name, and goes with the
   * process. Needs CAP_NET_ADMIN.
   */
  constructor(name: string) {
    if (Buffer.byteLength(name) > MAX_NAME_BYTES) throw new Error(`Too long a name: "${name}"`)
    this.name = name
    this.fd = openSync('/dev/net/tun', constants.O_RDWR | constants.O_NONBLOCK)
    const request = Buffer.alloc(IFREQ_BYTES)
    request.write(name)
    request.writeUInt16LE(IFF_TUN | IFF_NO_PI, IFREQ_FLAGS_AT)
    if (ioctl(this.fd, TUNSETIFF, request) < 0) {
      throw new Error(`Cannot make the TUN device "${name}": errno ${koffi.errno()}`)
    }
  }

  /** The next packet that waits, copied; `undefined` when none does. */
  read(): Uint8Array | undefined {
    const length = read(this.fd, scratch, LARGEST_PACKET_BYTES)
    return length > 0 ? Uint8Array.from(scratch.subarray(0, length)) : undefined
  }

  /** False when the kernel did not take it: malformed, or the device is down. */
  write(packet: Uint8Array): boolean {
    return write(this.fd, packet, packet.length) === packet.length
  }

  close(): void {
    closeSync(this.fd)
  }
}

const scratch = new Uint8Array(LARGEST_PACKET_BYTES)

/** Hands over every packet of these devices, which may come and go meanwhile, until `signal` ends it. */
export async function readPackets(
  receivers: ReadonlyMap<Tun, (packet: Uint8Array) => void>,
  signal: AbortSignal,
): Promise<void> {
  while (!signal.aborted) {
    const tuns = [...receivers.keys()]
    const descriptors = await readable(tuns)
    for (const [index, tun] of tuns.entries()) {
      const hasPackets = descriptors.readInt16LE(POLLFD_BYTES * index + RETURNED_AT) !== 0
      const receive = receivers.get(tun)
      if (hasPackets && receive !== undefined) readSome(tun, receive)
    }
  }
}

function readSome(tun: Tun, receive: (packet: Uint8Array) => void): void {
  for (let count = 0; count < BATCH_PACKETS; count++) {
    const packet = tun.read()
    if (packet === undefined) return
    receive(packet)
  }
}

/** Resolves when one of them has something to read, with what `poll` said, or after a moment. */
function readable(tuns: readonly Tun[]): Promise<Buffer> {
  const descriptors = Buffer.alloc(POLLFD_BYTES * tuns.length)
  for (const [index, { fd }] of tuns.entries()) {
    descriptors.writeInt32LE(fd, POLLFD_BYTES * index)
    descriptors.writeInt16LE(POLLIN, POLLFD_BYTES * index + EVENTS_AT)
  }
  return new Promise((resolve, reject) => {
    poll.async(descriptors, tuns.length, POLL_MS, (error) => {
      if (error instanceof Error) reject(error)
      else resolve(descriptors) // nothing, packets or an interruption: reading tells
    })
  })
}
