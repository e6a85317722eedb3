/**
 * UDP sockets. `dgram-as-promised` opens and closes them; what flows in between goes through the plain socket
 * inside, because the promised `recv` loses every datagram that arrives while nobody waits and its errors
 * surface on later, unrelated calls (docs/adr/0003-dgram-as-promised-opens-and-closes.md).
 */
import type { SocketOptions } from 'node:dgram'
import { DgramAsPromised, type SocketAsPromised } from 'dgram-as-promised'
import type { DatagramHandler, DatagramLength, DatagramSocket } from '../core/datagram-socket.ts'
import { type Endpoint, endpoint, formatEndpoint } from '../core/endpoint.ts'
import { HollerError } from '../core/holler-error.ts'
import { forEachDatagram } from '../core/machine.ts'
import { BatchSender, receiveBatches } from './batch-sender.ts'
import { atEndOfTurn } from './end-of-turn.ts'
import { loadLibc } from './libc.ts'
import { ManyReceiver } from './many-receiver.ts'
import { ManySender } from './many-sender.ts'
import { socketDescriptor } from './socket-descriptor.ts'
import { bindToInterface } from './uplinks.ts'

/** The default of 208 KiB holds only 92 packets of 1200 B; the kernel caps this at net.core.rmem_max and wmem_max. */
const BUFFER_BYTES = 4 * 1024 * 1024

/** The kernel puts no more together (UDP_GRO_CNT_MAX). What says otherwise of itself is no batch. */
const MAX_BATCH_DATAGRAMS = 64

/** Of 64 datagrams each. Then others have their turn: timers, and streams. */
const MOST_RECEIVE_CALLS = 8

/** What the system sends with unless told otherwise (Linux `net.ipv4.ip_default_ttl`). */
const DEFAULT_TTL = 64

// linux/in.h, linux/in6.h: level, option, and the values that both families share.
const MTU_DISCOVER = { 4: { level: 0, option: 10 }, 6: { level: 41, option: 23 } } as const
/** The system's default: fragments what is larger than it has learned the path to carry. */
const PMTUDISC_WANT = 1
/** Sets DF and forgets what ICMP said of the path, which anybody may have sent: only the interface's MTU counts. */
const PMTUDISC_PROBE = 3

/** What the kernel says of a datagram when an interface, an address or a route is not there any more. */
const NO_WAY = new Set(['ENETUNREACH', 'EHOSTUNREACH', 'ENETDOWN', 'EADDRNOTAVAIL', 'EINVAL'])

// Endpoints are literal addresses, so dgram's way through DNS for each send is skipped: 12 % of its cost.
const literalLookup: NonNullable<SocketOptions['lookup']> = (address, _options, callback) => {
  callback(null, address, address.includes(':') ? 6 : 4)
}

export interface UdpSocketOptions {
  readonly address: string
  readonly port: number
  /** Sends through that interface alone, whatever the routes prefer, and hears nothing from others. */
  readonly interfaceIndex?: number
  /**
   * Given, the kernel may hand over several datagrams in one piece, which are cut apart by the first one's length. So
   * every protocol on this socket must say it, and fill its datagrams: else its datagrams may arrive glued together.
   */
  readonly lengthOf?: DatagramLength
  /**
   * Datagrams of many come and go here, so they are taken and sent many at a time where the system lets us: what is sent
   * leaves at the end of the event loop's turn, and `onUnreachable` is not told of it.
   */
  readonly isForMany?: boolean
}

/**
 * Binds a UDP socket; port 0 lets the system choose.
 *
 * @throws HollerError `PORT_TAKEN` when the port is in use, `CONFIG_INVALID` when the address or the interface cannot be bound.
 */
export async function openUdpSocket(wanted: UdpSocketOptions): Promise<DatagramSocket> {
  const isIpv6 = wanted.address.includes(':')
  const promised = DgramAsPromised.createSocket({
    type: isIpv6 ? 'udp6' : 'udp4',
    ipv6Only: isIpv6, // one socket per family, so that IPv4 peers never appear as ::ffff:…
    lookup: literalLookup,
    recvBufferSize: BUFFER_BYTES,
    sendBufferSize: BUFFER_BYTES,
  })
  try {
    await promised.bind({ address: wanted.address, port: wanted.port })
  } catch (error) {
    await promised.close()
    throw bindError(wanted, error)
  }
  const { interfaceIndex } = wanted
  if (interfaceIndex !== undefined && !bindToInterface(promised.socket, interfaceIndex)) {
    await promised.close()
    throw bindError(wanted, { code: `not to interface ${interfaceIndex}` })
  }
  return new UdpSocket(promised, wanted)
}

class UdpSocket implements DatagramSocket {
  readonly local: Endpoint
  readonly #promised: SocketAsPromised
  readonly #batches: BatchSender | undefined
  readonly #lengthOf: DatagramLength | undefined
  readonly #receiver: ManyReceiver | undefined
  readonly #sender: ManySender | undefined
  #handler: DatagramHandler = () => undefined
  #onUnreachable: () => void = () => undefined
  readonly #flush = (): void => {
    if (!this.#isClosed) this.#sender?.flush()
  }
  #isAsking = false
  #isClosed = false
  #lastSender: { readonly address: string; readonly endpoint: Endpoint } | undefined

  constructor(promised: SocketAsPromised, { lengthOf, isForMany }: UdpSocketOptions) {
    this.#promised = promised
    const { address, port } = promised.socket.address()
    this.local = literal(address, port)
    const libc = loadLibc()
    const fd = socketDescriptor(promised.socket)
    if (libc !== undefined && fd !== undefined) {
      this.#batches = BatchSender.open(libc, fd)
      if (lengthOf !== undefined && receiveBatches(libc, fd)) this.#lengthOf = lengthOf
      if (isForMany === true) {
        this.#receiver = new ManyReceiver(libc, fd)
        this.#sender = new ManySender(libc, fd)
      }
    }
    promised.socket.on('message', (bytes, from) => {
      this.#receive(bytes, from.address, from.port)
      this.#receiveMany()
    })
    // ICMP errors and the like: the datagram is lost, and loss is what every protocol above copes with.
    promised.socket.on('error', (error) => this.#handleError(error))
  }

  send(to: Endpoint, bytes: Uint8Array, ttl?: number): void {
    if (this.#isClosed || to.port === 0) return
    try {
      if (ttl === undefined && this.#sendWithOthers(to, bytes)) return
      if (ttl === undefined) this.#send(to, bytes)
      else this.#sendWithTtl(to, bytes, ttl)
    } catch (error) {
      this.#isAsking = false
      this.#handleError(error) // ENETUNREACH and EMSGSIZE may also be thrown at once
    }
  }

  sendBatch(to: Endpoint, bytes: Uint8Array, segmentBytes: number): void {
    if (this.#isClosed || to.port === 0) return
    if (this.#batches?.send(to, bytes, segmentBytes) === true) return
    forEachDatagram(bytes, segmentBytes, (datagram) => this.send(to, datagram))
  }

  get hasBatches(): boolean {
    return this.#batches?.isOn === true
  }

  onDatagram(handler: DatagramHandler): void {
    this.#handler = handler
  }

  onUnreachable(handler: () => void): void {
    this.#onUnreachable = handler
  }

  setDontFragment(isOn: boolean): boolean {
    const fd = this.#isClosed ? undefined : socketDescriptor(this.#promised.socket)
    if (fd === undefined) return false
    const { level, option } = MTU_DISCOVER[this.local.family]
    const value = isOn ? PMTUDISC_PROBE : PMTUDISC_WANT
    return loadLibc()?.setOption(fd, level, option, value) ?? false
  }

  async close(): Promise<void> {
    if (this.#isClosed) return
    this.#flush()
    this.#isClosed = true
    await this.#promised.close()
  }

  #sendWithOthers(to: Endpoint, bytes: Uint8Array): boolean {
    const sender = this.#sender
    if (sender === undefined || to.family !== this.local.family) return false
    const isFirst = sender.isEmpty
    if (!sender.add(to, bytes)) return false
    if (isFirst) atEndOfTurn(this.#flush)
    return true
  }

  // dgram tells of failure only who gave it a callback, which costs a tick: one in each turn of the event loop is enough.
  #send({ address, port }: Endpoint, bytes: Uint8Array): void {
    const { socket } = this.#promised
    if (this.#isAsking) {
      socket.send(bytes, port, address)
      return
    }
    this.#isAsking = true
    socket.send(bytes, port, address, (error) => {
      this.#isAsking = false
      if (error !== null) this.#handleError(error)
    })
  }

  #handleError(error: unknown): void {
    if (NO_WAY.has((error as NodeJS.ErrnoException).code ?? '')) this.#onUnreachable()
  }

  #receive(bytes: Uint8Array, address: string, port: number): void {
    const from = this.#endpointOf(address, port)
    if (from === undefined) return
    const segmentBytes = this.#lengthOf?.(bytes) ?? bytes.length
    const isBatch =
      segmentBytes < bytes.length && bytes.length <= segmentBytes * MAX_BATCH_DATAGRAMS
    if (isBatch) this.#handler(from, bytes, segmentBytes)
    else this.#handler(from, bytes)
  }

  // What has come together with the datagram that woke us.
  #receiveMany(): void {
    let isMore = this.#receiver !== undefined && !this.#isClosed
    for (let calls = 0; isMore && calls < MOST_RECEIVE_CALLS; calls++) {
      isMore = this.#receiver?.receive((from, bytes) => this.#handler(from, bytes)) === true
    }
  }

  // Datagrams of one sender come in rows, and judging an address costs more than comparing it.
  #endpointOf(address: string, port: number): Endpoint | undefined {
    const known = this.#lastSender
    if (known?.address === address && known.endpoint.port === port) return known.endpoint
    const sender = endpoint(address, port)
    if (!sender.ok) return undefined
    this.#lastSender = { address, endpoint: sender.value }
    return sender.value
  }

  /**
   * `setTTL(4); send(); setTTL(64)` leaves with 64 where dgram resolves the address later; `literalLookup` answers
   * at once, so the datagram is in the kernel when `send` returns. test/lab/ttl.lab.ts counts the hops that
   * such a datagram survives.
   */
  #sendWithTtl(to: Endpoint, bytes: Uint8Array, ttl: number): void {
    const { socket } = this.#promised
    socket.setTTL(ttl)
    try {
      this.#send(to, bytes)
    } finally {
      socket.setTTL(DEFAULT_TTL)
    }
  }
}

function literal(address: string, port: number): Endpoint {
  const result = endpoint(address, port)
  if (!result.ok) throw new Error(`The system names its own socket "${address}": ${result.why}`)
  return result.value
}

function bindError(wanted: { address: string; port: number }, error: unknown): HollerError {
  const code = (error as NodeJS.ErrnoException).code
  const where = formatEndpoint({ family: wanted.address.includes(':') ? 6 : 4, ...wanted })
  if (code === 'EADDRINUSE') {
    return new HollerError('PORT_TAKEN', `Cannot bind UDP ${where}: already in use`, {
      cause: error,
    })
  }
  const why = code === 'EADDRNOTAVAIL' ? 'this host has no such address' : code
  return new HollerError('CONFIG_INVALID', `Cannot bind UDP ${where}: ${why ?? 'unknown reason'}`, {
    cause: error,
  })
}
