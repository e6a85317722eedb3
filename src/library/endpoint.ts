/**
 * Sockets with any number of connections over them: `holler/reliable-udp` for programs. The machine that does the work is
 * `reliable-udp/multiplexer.ts`; here are its sockets, its clock and its events.
 */
import { lookup } from 'node:dns/promises'
import { EventEmitter } from 'node:events'
import { utf8 } from '../core/bytes.ts'
import type { DatagramSocket } from '../core/datagram-socket.ts'
import { type Endpoint as Address, endpoint } from '../core/endpoint.ts'
import { HollerError } from '../core/holler-error.ts'
import { type SocketId, socketNamed } from '../core/machine.ts'
import { hkdfSha256 } from '../crypto/hash.ts'
import { KEY_BYTES } from '../crypto/raw-key.ts'
import { type StaticKey, staticKeyFromSeed } from '../crypto/static-key.ts'
import { drive, type Driver } from '../io/drive.ts'
import { systemRandom } from '../io/random.ts'
import { systemClock } from '../io/system-clock.ts'
import { openUdpSocket } from '../io/udp-socket.ts'
import type { Connection } from '../reliable-udp/connection.ts'
import {
  Multiplexer,
  type MultiplexerEvent,
  type MultiplexerStats,
} from '../reliable-udp/multiplexer.ts'
import { packetBytes } from '../reliable-udp/packet.ts'
import type { Path } from '../reliable-udp/path.ts'
import { ConnectionClosedError } from './errors.ts'
import { ReliableConnection } from './reliable-connection.ts'
import type { Command } from './reliable-stream.ts'

/** Separates what the secret is used for: the key of reset tokens says nothing about the key of handshakes. */
const RESET_LABEL = utf8('holler reliable-udp stateless reset')

export interface BindAddress {
  /** A literal address of one of our interfaces, or `0.0.0.0` or `::` for all of its family. */
  readonly address: string
  /** 0: any that is free. */
  readonly port: number
}

export interface Peer {
  /** The peer's static public key, 32 bytes, proven by the handshake. */
  readonly remoteStatic: Uint8Array
  /** What its application gave along, authenticated. */
  readonly payload: Uint8Array
}

export interface EndpointOptions {
  /** The secret of our X25519 static key: 32 random bytes, kept as long as others know us by it. */
  readonly secretKey: Uint8Array
  /** What both sides must agree on: the name and version of the protocol on top. Empty when absent. */
  readonly protocol?: string
  /** Where to listen and send from; one socket for any address and port of IPv4 when absent. */
  readonly sockets?: readonly BindAddress[]
  /** Who may come in. Absent: nobody, this endpoint only goes out. */
  readonly accept?: (peer: Peer) => boolean
  /** Told to every peer with the handshake; at most 900 bytes. */
  readonly payload?: Uint8Array
  /** A connection ends after so long without a word; 0 for never. 30,000 when absent. */
  readonly idleTimeoutMs?: number
  /** Incoming and outgoing together; beyond it nobody comes in. 1,024 when absent. */
  readonly maxConnections?: number
}

export interface ConnectOptions {
  /** A host name or a literal address. */
  readonly address: string
  readonly port: number
  /** The peer's static public key: then the handshake is IK, and nobody else will do. Absent: XX, and `accept` decides. */
  readonly remoteStatic?: Uint8Array
  /** Asked once the peer has proven its key. */
  readonly accept?: (peer: Peer) => boolean
  /** Instead of the endpoint's. */
  readonly payload?: Uint8Array
  /** The socket to use (`Endpoint.addSocket`); the first one of the address's family when absent. */
  readonly via?: SocketId
  /** 8 bytes both sides know, where both connect at once through NATs, and neither sees the address the other expects. */
  readonly rendezvousId?: Uint8Array
  /** Gives up. */
  readonly signal?: AbortSignal
}

export interface EndpointEvents {
  /** Somebody came in, was accepted, and has proven to be who it is. */
  connection: [connection: ReliableConnection]
}

interface Waiting {
  readonly resolve: (connection: ReliableConnection) => void
  readonly reject: (error: unknown) => void
}

export class Endpoint extends EventEmitter<EndpointEvents> {
  /** Our static public key: what others pin. */
  readonly publicKey: Uint8Array
  readonly #machine: Multiplexer
  readonly #driver: Driver
  readonly #sockets = new Map<SocketId | undefined, DatagramSocket[]>() // opened by the owner
  readonly #connections = new Map<Connection, ReliableConnection>() // ≤ the machine's
  readonly #waiting = new Map<Connection, Waiting>() // ≤ what the owner connects
  #socketsOpened = 0
  #whenEmpty: (() => void) | undefined

  /**
   * Binds the sockets.
   * @throws HollerError `PORT_TAKEN`, `CONFIG_INVALID` for an address that cannot be bound.
   * @throws TypeError for a secret key that has not 32 bytes.
   */
  static async open(options: EndpointOptions): Promise<Endpoint> {
    if (options.secretKey.length !== KEY_BYTES) throw new TypeError('A secret key has 32 bytes')
    const wanted = options.sockets ?? [{ address: '0.0.0.0', port: 0 }]
    const opened: DatagramSocket[] = []
    try {
      for (const address of wanted) opened.push(await openSocket(address))
    } catch (error) {
      await Promise.all(opened.map((socket) => socket.close()))
      throw error
    }
    return new Endpoint(options, staticKeyFromSeed(options.secretKey), opened)
  }

  private constructor(
    options: EndpointOptions,
    staticKey: StaticKey,
    sockets: readonly DatagramSocket[],
  ) {
    super()
    const { secretKey, protocol = '', payload, accept, idleTimeoutMs, maxConnections } = options
    this.publicKey = staticKey.publicKey
    this.#machine = new Multiplexer({
      common: {
        staticKey,
        random: systemRandom,
        prologue: utf8(protocol),
        payload: payload ?? new Uint8Array(0),
        resetKey: hkdfSha256(secretKey, new Uint8Array(0), RESET_LABEL, KEY_BYTES),
        ...(idleTimeoutMs === undefined ? {} : { idleTimeoutMs }),
      },
      ...(accept === undefined ? {} : { accept: acceptOf(accept) }),
      ...(maxConnections === undefined ? {} : { maxConnections }),
    })
    const [primary, others] = firstOfEachFamily(sockets)
    this.#sockets.set(undefined, [...primary])
    const named = new Map(others.map((socket) => [this.#nameSocket(socket), socket]))
    this.#driver = drive(this.#machine, {
      clock: systemClock,
      sockets: { primary, named },
      onEvent: (event) => this.#handle(event),
    })
  }

  /** Where we can be reached, in the order of `sockets`; the wildcard addresses as they are. */
  get addresses(): readonly Address[] {
    return [...this.#sockets.values()].flat().map((socket) => socket.local)
  }

  get connections(): readonly ReliableConnection[] {
    return [...this.#connections.values()]
  }

  get stats(): MultiplexerStats {
    return this.#machine.stats
  }

  /**
   * Resolves when the peer has answered and proven its key.
   * @throws ConnectionClosedError when nobody answers within 15 s, or nobody that is wanted.
   * @throws HollerError `NOT_FOUND` for a name without an address.
   */
  async connect(options: ConnectOptions): Promise<ReliableConnection> {
    options.signal?.throwIfAborted()
    const to = await resolved(options.address, options.port)
    options.signal?.throwIfAborted()
    const { remoteStatic, accept, payload, via, rendezvousId } = options
    return await new Promise((resolve, reject) => {
      const connection = this.#driver.change((now) => {
        const begun = this.#machine.connect(now, {
          path: via === undefined ? { to } : { to, via },
          ...(remoteStatic === undefined ? {} : { remoteStatic }),
          ...(accept === undefined ? {} : { accept: acceptOf(accept) }),
          ...(payload === undefined ? {} : { payload }),
          ...(rendezvousId === undefined ? {} : { initialId: rendezvousId }),
        })
        this.#waiting.set(begun, { resolve, reject })
        return begun
      })
      this.#giveUpOn(options.signal, connection, reject)
    })
  }

  /** One more socket: its name goes into `ConnectOptions.via` and `ReliableConnection.migrate`. */
  async addSocket(address: BindAddress): Promise<SocketId> {
    const socket = await openSocket(address)
    const name = this.#nameSocket(socket)
    this.#driver.addSocket(name, socket)
    return name
  }

  /** Moves all connections to a new socket, as after a change of the network. Nothing of them is lost. */
  async rebind(address: BindAddress = { address: '0.0.0.0', port: 0 }): Promise<SocketId> {
    const via = await this.addSocket(address)
    const family = this.#sockets.get(via)?.[0]?.local.family
    for (const connection of this.#connections.values()) {
      if (connection.remote.family !== family) continue
      const path: Path = { to: connection.remote, via }
      connection.migrate(path)
    }
    return via
  }

  /** Closes all connections, each with a word to its peer, then the sockets. */
  async close(code = 0, reason = ''): Promise<void> {
    this.#driver.change((now) => this.#machine.closeAll(now, code, reason))
    if (this.#machine.stats.connections > 0) {
      await new Promise<void>((resolve) => (this.#whenEmpty = resolve))
    }
    this.#driver.stop()
    await Promise.all([...this.#sockets.values()].flat().map((socket) => socket.close()))
  }

  #nameSocket(socket: DatagramSocket): SocketId {
    this.#socketsOpened += 1
    const name = socketNamed(`socket-${this.#socketsOpened}`)
    this.#sockets.set(name, [socket])
    return name
  }

  #giveUpOn(
    signal: AbortSignal | undefined,
    connection: Connection,
    reject: (error: unknown) => void,
  ): void {
    signal?.addEventListener(
      'abort',
      () => {
        if (!this.#waiting.delete(connection)) return
        reject(signal.reason)
        this.#command(connection)((now) => connection.close(now, 0, 'given up'))
      },
      { once: true },
    )
  }

  #command(connection: Connection): Command {
    return (command) =>
      this.#driver.change((now) => this.#machine.change(connection, () => command(now, connection)))
  }

  #handle(happened: MultiplexerEvent): void {
    if (happened.kind === 'forgotten') {
      if (this.#machine.stats.connections === 0) this.#whenEmpty?.()
      return
    }
    const { connection, isIncoming, event } = happened
    if (event.kind === 'connected') {
      const { remoteStatic, payload: remotePayload } = event
      const peer = { isIncoming, remoteStatic, remotePayload }
      const made = new ReliableConnection(connection, this.#command(connection), peer)
      this.#connections.set(connection, made)
      this.#introduce(connection, made)
      return
    }
    this.#connections.get(connection)?.handle(event)
    if (event.kind !== 'closed') return
    this.#connections.delete(connection)
    this.#waiting.get(connection)?.reject(new ConnectionClosedError(event))
    this.#waiting.delete(connection)
  }

  #introduce(connection: Connection, made: ReliableConnection): void {
    const waiting = this.#waiting.get(connection)
    this.#waiting.delete(connection)
    if (waiting !== undefined) waiting.resolve(made)
    else this.emit('connection', made)
  }
}

/** An endpoint that lets others in. */
export async function listen(
  options: EndpointOptions & Required<Pick<EndpointOptions, 'accept'>>,
): Promise<Endpoint> {
  return await Endpoint.open(options)
}

/** One connection out of an endpoint of its own, which ends with it. */
export async function connect(
  options: ConnectOptions & Omit<EndpointOptions, 'accept' | 'maxConnections' | 'payload'>,
): Promise<ReliableConnection> {
  const to = await resolved(options.address, options.port)
  const sockets = options.sockets ?? [{ address: to.family === 4 ? '0.0.0.0' : '::', port: 0 }]
  const { secretKey, protocol, idleTimeoutMs } = options
  const endpoint = await Endpoint.open({
    secretKey,
    sockets,
    ...(protocol === undefined ? {} : { protocol }),
    ...(idleTimeoutMs === undefined ? {} : { idleTimeoutMs }),
  })
  try {
    const connection = await endpoint.connect({ ...options, address: to.address })
    void connection.closed.then(() => endpoint.close()) // closing never fails
    return connection
  } catch (error) {
    await endpoint.close()
    throw error
  }
}

/** The public key of a secret one: what the other side pins. */
export function publicKeyOf(secretKey: Uint8Array): Uint8Array {
  return staticKeyFromSeed(secretKey).publicKey
}

function acceptOf(
  accept: (peer: Peer) => boolean,
): (remoteStatic: Uint8Array, payload: Uint8Array) => boolean {
  return (remoteStatic, payload) => accept({ remoteStatic, payload })
}

/** Nothing but our packets comes in there, so the kernel may hand over many at once. */
async function openSocket(address: BindAddress): Promise<DatagramSocket> {
  return await openUdpSocket({ ...address, lengthOf: packetBytes })
}

function firstOfEachFamily(
  sockets: readonly DatagramSocket[],
): readonly [readonly DatagramSocket[], readonly DatagramSocket[]] {
  const primary = [4, 6].flatMap((family) => {
    const first = sockets.find((socket) => socket.local.family === family)
    return first === undefined ? [] : [first]
  })
  return [primary, sockets.filter((socket) => !primary.includes(socket))]
}

async function resolved(address: string, port: number): Promise<Address> {
  const literal = endpoint(address, port)
  if (literal.ok) return literal.value
  try {
    const found = endpoint((await lookup(address)).address, port)
    if (found.ok) return found.value
    throw new HollerError('NOT_FOUND', `"${address}:${port}" is no address: ${found.why}`)
  } catch (error) {
    if (error instanceof HollerError) throw error
    throw new HollerError('NOT_FOUND', `"${address}" has no address`, { cause: error })
  }
}
