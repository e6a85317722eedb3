/**
 * The daemon's one UDP port with the `PeerEndpoint` on it: real sockets, real addresses, watched for change.
 * What the endpoint tells goes to whoever opened the network; commands go through `change`.
 */
import type { Clock } from '../core/clock.ts'
import type { DatagramSocket } from '../core/datagram-socket.ts'
import { type Endpoint, formatEndpoint } from '../core/endpoint.ts'
import { HollerError } from '../core/holler-error.ts'
import { after, type Instant } from '../core/instant.ts'
import type { Logger } from '../core/logger.ts'
import type { SocketId } from '../core/machine.ts'
import type { Random } from '../core/random.ts'
import type { SecureStream } from '../io/byte-stream.ts'
import type { DatagramStream } from '../io/datagram-stream.ts'
import { fastestPacketAead } from '../crypto/fastest-packet-aead.ts'
import { type Driver, drive } from '../io/drive.ts'
import type { Store } from '../core/store.ts'
import { hostAddresses } from '../io/host-addresses.ts'
import { type NetworkChange, type NetworkWatch, watchNetwork } from '../io/network-watch.ts'
import { openUdpSocket } from '../io/udp-socket.ts'
import type { SocketEvent } from '../traversal/attempt.ts'
import { MAPPING_CHECK_SOCKET } from '../traversal/mapping-check.ts'
import type { ServerLinkAddress } from '../protocol/server/link.ts'
import type { RelayStreamsEvent } from '../traversal/relay-streams.ts'
import { datagramLength } from './datagram-length.ts'
import { ExtraSockets } from './extra-sockets.ts'
import type { Device } from './keys.ts'
import { PeerEndpoint } from './peer-endpoint.ts'
import type { PeerEndpointEvent } from './peer-events.ts'
import { NatMemory } from './nat-memory.ts'
import type { NatProfile } from '../protocol/server/nat-profile.ts'
import { NatProfiler } from './nat-profiler.ts'
import { PortForwarding } from './port-forwarding.ts'
import { RelayLines } from './relay-lines.ts'
import type { ConnectServer } from './server-session.ts'

/** A port that is free for IPv4 is nearly always free for IPv6; where it is not, another one is. */
const BIND_ATTEMPTS = 8

/** A candidate that cannot be reached from here says so with each probe; a look costs 0.2 ms. */
const LOOK_EVERY_MS = 200

export interface BindAddress {
  readonly address: string
  /** 0: the system chooses. */
  readonly port: number
}

export interface NetworkOptions {
  readonly clock: Clock
  readonly random: Random
  readonly logger: Logger
  readonly device: Device
  /** One address, so one family; without it every address of both families. */
  readonly bind?: BindAddress
  /** Asks the gateway for a port, and writes into this store what it gave. Absent: no gateway is asked. */
  readonly portMapping?: { readonly store: Store }
  /** Tests the NAT, and writes into this store what it is like. Absent: nothing is tested. */
  readonly natTests?: { readonly store: Store }
  /** Neither prediction nor birthday attempts. */
  readonly isPunchForbidden?: boolean
  /** The host's own addresses; for tests, whose hosts do not move. */
  readonly hostAddresses?: () => readonly string[]
  readonly pollMs?: number
  /** A TLS stream to the relay of a server; without it there is none over TLS. */
  readonly connectRelay?: ConnectServer
}

/** What the endpoint says of peers. */
export type PeerEvent = Exclude<
  PeerEndpointEvent,
  RelayStreamsEvent | SocketEvent | { kind: 'public-address' | 'network-back' | 'silences-learnt' }
>

export interface NetworkHandlers {
  handlePeerEvent(event: PeerEvent, now: Instant): void
  /** The host has other addresses, or has slept. */
  handleNetworkChanged(): void
  /** Our packets come out of the NAT elsewhere: what it knew of us, TCP included, it may have forgotten. */
  handleMoved(): void
  /** Packets come through where none did. */
  handleNetworkBack(): void
  /** The host has other addresses, or is seen under others. */
  handleOtherAddresses(): void
}

export class Network {
  readonly #options: NetworkOptions
  readonly #sockets: readonly DatagramSocket[]
  readonly #endpoint: PeerEndpoint
  readonly #driver: Driver
  readonly #relayLines: RelayLines
  readonly #extraSockets: ExtraSockets
  readonly #watch: NetworkWatch
  #handlers: NetworkHandlers | undefined
  #lookedAt: Instant | undefined
  #server: ServerLinkAddress | undefined
  #addresses: readonly string[] = []
  #publicAddresses: readonly Endpoint[] = []
  /** The last public addresses that there were. */
  #seenAs = ''
  #forwarding: PortForwarding | undefined
  #profiler: NatProfiler | undefined

  /** @throws HollerError `PORT_TAKEN` or `CONFIG_INVALID`. */
  static async open(options: NetworkOptions): Promise<Network> {
    const network = new Network(options, await openSockets(options.bind))
    if (options.portMapping !== undefined) await network.#askGateway(options.portMapping.store)
    if (options.natTests !== undefined) await network.#testNat(options.natTests.store)
    return network
  }

  private constructor(options: NetworkOptions, sockets: readonly DatagramSocket[]) {
    const { clock, device, random } = options
    this.#options = options
    this.#sockets = sockets
    this.#endpoint = new PeerEndpoint({
      identity: device.identity,
      staticKey: device.staticKey,
      device: device.keys,
      random,
      isPunchForbidden: options.isPunchForbidden === true,
    })
    this.#relayLines = new RelayLines({
      clock,
      logger: options.logger,
      connect: (relayId) => this.#connectRelay(relayId),
      onOpened: (socket, stream, proof) => this.#relayOpened(socket, stream, proof),
      onClosed: (socket) => this.#relayClosed(socket),
    })
    this.#driver = drive(this.#endpoint, {
      clock,
      sockets: { primary: sockets },
      onEvent: (event, now) => this.#handle(event, now),
    })
    options.logger.debug('How datagrams are handled', {
      sealing: fastestPacketAead().name,
      batches: sockets.every((socket) => socket.hasBatches === true),
    })
    this.#extraSockets = new ExtraSockets(this.#driver, this.#endpoint, this.#extraAddress)
    this.#addresses = this.#usableAddresses()
    this.change((now, endpoint) => endpoint.setLocalAddresses(now, this.#addresses, this.port))
    this.#watch = watchNetwork({
      clock,
      addresses: () => this.#usableAddresses(),
      onChange: (change) => this.#handleChange(change),
      ...(options.hostAddresses === undefined
        ? {}
        : { usesMonitor: false, gateways: () => Promise.resolve([]) }),
      ...(options.pollMs === undefined ? {} : { pollMs: options.pollMs }),
    })
    for (const socket of sockets) socket.onUnreachable?.(() => this.#handleUnreachable())
  }

  /** Nothing can be sent there, as the system says: a change of network that nobody has told us of yet, or no IPv6. */
  #handleUnreachable(): void {
    const now = this.#options.clock.now()
    if (this.#lookedAt !== undefined && now < after(this.#lookedAt, LOOK_EVERY_MS)) return
    this.#lookedAt = now
    this.#watch.look()
  }

  /** Who is told; nothing of importance happens before an account is set. */
  attach(handlers: NetworkHandlers): void {
    this.#handlers = handlers
  }

  /** Whose relay is meant where nothing else is said: the one that is asked for introductions. */
  setServer(address: ServerLinkAddress | undefined): void {
    this.#server = address
  }

  /** As if the network had changed: for whoever knows better than we. */
  rebind(): void {
    this.#options.logger.info('Asked to look at the network anew')
    this.#renew(this.#usableAddresses())
  }

  change<R>(command: (now: Instant, endpoint: PeerEndpoint) => R): R {
    return this.#driver.change((now) => command(now, this.#endpoint))
  }

  /** Of the sockets that are open and the addresses that there are. */
  get families(): readonly ('ipv4' | 'ipv6')[] {
    const hasIpv6 = this.#addresses.some((address) => address.includes(':'))
    const hasIpv4 = this.#addresses.some((address) => !address.includes(':'))
    return [...(hasIpv4 ? (['ipv4'] as const) : []), ...(hasIpv6 ? (['ipv6'] as const) : [])]
  }

  get local(): Endpoint | undefined {
    return this.#sockets[0]?.local
  }

  get port(): number {
    return this.local?.port ?? 0
  }

  /** Where this host can be reached from its own networks. */
  get addresses(): readonly string[] {
    return this.#addresses
  }

  /** What the port looks like from outside, as STUN says. */
  get publicAddresses(): readonly Endpoint[] {
    return this.#publicAddresses
  }

  /** What our NAT does, as far as it is known. */
  get natProfile(): NatProfile | undefined {
    return this.#endpoint.nat
  }

  /** What the gateway forwards to our port, as the gateway says. */
  get forwarded(): Endpoint | undefined {
    return this.#forwarding?.external
  }

  async close(): Promise<void> {
    this.#watch.stop()
    await Promise.all([this.#forwarding?.close(), this.#profiler?.close()])
    this.#relayLines.close()
    this.#driver.stop()
    await this.#driver.removeSocket(MAPPING_CHECK_SOCKET)
    await this.#extraSockets.closeAll()
    await Promise.all(this.#sockets.map((socket) => socket.close()))
  }

  async #askGateway(store: Store): Promise<void> {
    const { clock, random, logger } = this.#options
    this.#driver.addSocket(
      MAPPING_CHECK_SOCKET,
      await openUdpSocket({ address: '0.0.0.0', port: 0 }),
    )
    const onMapped = (external: Endpoint | undefined): void =>
      this.change((now, endpoint) => endpoint.setMapping(now, external))
    this.#forwarding = await PortForwarding.open({ store, clock, random, logger, onMapped })
    this.#followGateway()
  }

  async #testNat(store: Store): Promise<void> {
    const { clock, random, logger } = this.#options
    this.#profiler = new NatProfiler({
      clock,
      random,
      logger,
      memory: await NatMemory.open(store),
      address: this.#extraAddress,
      onSilences: (known) => {
        this.change((_, endpoint) => {
          endpoint.setSilences(known)
        })
      },
      onProfile: (profile) => {
        this.change((now, endpoint) => endpoint.setNatProfile(now, profile))
        this.#handlers?.handleOtherAddresses() // what our addresses mean is another thing now
      },
    })
  }

  /** Where sockets beside the primary one are bound: as that one, for IPv4. */
  get #extraAddress(): string {
    const primary = this.#sockets.find(({ local }) => local.family === 4) ?? this.#sockets[0]
    return primary?.local.address ?? '0.0.0.0'
  }

  #followGateway(): void {
    if (this.#forwarding === undefined) return
    this.change((now, endpoint) => endpoint.expectMapping(now))
    void this.#forwarding.follow(this.#addresses, this.port) // never rejects
  }

  #handle(event: PeerEndpointEvent, now: Instant): void {
    switch (event.kind) {
      case 'public-address':
        this.#takePublicAddresses(event.endpoints)
        this.#forwarding?.check()
        this.#profiler?.follow(event.endpoints, this.#endpoint.stunServers, this.#addresses)
        return
      case 'network-back':
        this.#handlers?.handleNetworkBack()
        return
      case 'relay-stream-wanted':
      case 'relay-stream-unwanted':
        this.#relayLines.handle(event)
        return
      case 'silences-learnt':
        void this.#profiler?.learn(event.known) // never rejects
        return
      case 'socket-wanted':
        this.#extraSockets.open(event.socket)
        return
      case 'socket-unwanted':
        this.#extraSockets.close(event.socket)
        return
      case 'introduce-wanted':
      case 'peer-connected':
      case 'message':
      case 'send-ready':
      case 'path-changed':
      case 'pong':
      case 'peer-closed':
        this.#handlers?.handlePeerEvent(event, now)
        return
    }
  }

  #takePublicAddresses(endpoints: readonly Endpoint[]): void {
    this.#publicAddresses = endpoints
    const seenAs = endpoints.map(formatEndpoint).join()
    if (seenAs !== '' && this.#seenAs !== '' && seenAs !== this.#seenAs) {
      this.#options.logger.info('The public address changed', { endpoints: seenAs })
      this.#handlers?.handleMoved()
    }
    if (seenAs !== '') this.#seenAs = seenAs
    this.#handlers?.handleOtherAddresses()
  }

  async #connectRelay(relayId: Uint8Array): Promise<SecureStream> {
    const { connectRelay } = this.#options
    const offer = this.#endpoint.relayOffer(relayId)
    if (connectRelay !== undefined && offer !== undefined) {
      const { host, tlsPort: port, pin } = offer
      return await connectRelay({ host, port, pin })
    }
    if (connectRelay !== undefined && this.#server !== undefined) {
      return await connectRelay(this.#server)
    }
    throw new HollerError('SERVER_UNREACHABLE', 'There is no server whose relay could be reached')
  }

  #relayOpened(socket: SocketId, stream: DatagramStream, proof: Uint8Array): void {
    this.#driver.addSocket(socket, stream)
    this.change((now, endpoint) => endpoint.relayStreamOpened(now, socket, proof, stream.remote))
  }

  #relayClosed(socket: SocketId): void {
    void this.#driver.removeSocket(socket) // never rejects: it is closed
    this.change((now, endpoint) => endpoint.relayStreamClosed(now, socket))
  }

  #handleChange(change: NetworkChange): void {
    const addresses = this.#usableAddresses()
    this.#options.logger.info(CHANGES[change], { addresses })
    this.#renew(addresses)
  }

  /** Everything that depends on where we are is done anew. */
  #renew(addresses: readonly string[]): void {
    this.#addresses = addresses
    this.change((now, endpoint) => {
      endpoint.setLocalAddresses(now, addresses, this.port)
      endpoint.networkChanged(now)
    })
    this.#followGateway()
    this.#handlers?.handleNetworkChanged()
    this.#handlers?.handleOtherAddresses()
  }

  #usableAddresses(): readonly string[] {
    const { bind, hostAddresses: ownAddresses = hostAddresses } = this.#options
    if (bind !== undefined && !isWildcard(bind.address)) return [bind.address]
    const families = new Set(this.#sockets.map(({ local }) => local.family))
    return ownAddresses().filter((address) => families.has(address.includes(':') ? 6 : 4))
  }
}

const CHANGES = {
  addresses: 'The network changed',
  routers: 'The default router changed',
  slept: 'The machine slept',
} as const satisfies Record<NetworkChange, string>

async function openSockets(bind: BindAddress | undefined): Promise<readonly DatagramSocket[]> {
  const lengthOf = datagramLength
  if (bind !== undefined) return [await openUdpSocket({ ...bind, lengthOf })]
  for (let attempt = 1; ; attempt++) {
    const ipv4 = await openUdpSocket({ address: '0.0.0.0', port: 0, lengthOf })
    try {
      return [ipv4, await openUdpSocket({ address: '::', port: ipv4.local.port, lengthOf })]
    } catch (error) {
      const isTaken = error instanceof HollerError && error.code === 'PORT_TAKEN'
      if (!isTaken || attempt === BIND_ATTEMPTS) return [ipv4] // a host without IPv6
      await ipv4.close()
    }
  }
}

function isWildcard(address: string): boolean {
  return address === '0.0.0.0' || address === '::'
}
