/** Two daemons' network halves, their routers, and a server with STUN, relay and rendezvous, in a simulated world. */
import assert from 'node:assert/strict'
import { toHex, utf8 } from '../../src/core/bytes.ts'
import type { Endpoint } from '../../src/core/endpoint.ts'
import { type Instant, instant } from '../../src/core/instant.ts'
import { type SocketId, socketNamed } from '../../src/core/machine.ts'
import { staticKeyStatement } from '../../src/crypto/device-statement.ts'
import { type Identity, identityFromSeed } from '../../src/crypto/identity.ts'
import { type StaticKey, staticKeyFromSeed } from '../../src/crypto/static-key.ts'
import { PeerEndpoint } from '../../src/daemon/peer-endpoint.ts'
import type { PeerEndpointEvent } from '../../src/daemon/peer-events.ts'
import type {
  Candidate,
  DeviceKeys,
  Introduced,
  RelayOffer,
  Relays,
} from '../../src/protocol/server/messages.ts'
import type { NatProfile } from '../../src/protocol/server/nat-profile.ts'
import { Relay } from '../../src/server/relay.ts'
import { RelayTickets } from '../../src/server/relay-tickets.ts'
import { ServerTime } from '../../src/server/server-time.ts'
import { StunWitness } from '../../src/server/stun-witness.ts'
import { UdpService } from '../../src/server/udp-service.ts'
import { BindingServer } from '../../src/stun/binding-server.ts'
import { type BindingSocket, bindingSocketId } from '../../src/stun/binding-sockets.ts'
import type { PathPolicy } from '../../src/traversal/candidate.ts'
import type { Host } from '../sim/host.ts'
import type { NatBehaviour } from '../sim/nat.ts'
import type { LinkPair } from '../sim/network.ts'
import type { Router } from '../sim/router.ts'
import type { Running, World } from '../sim/world.ts'

const SERVER = ['203.0.113.1', '203.0.113.2'] as const
const RELAY: Endpoint = { family: 4, address: SERVER[0], port: 3480 }
const RELAY_TCP: Endpoint = { family: 4, address: SERVER[0], port: 443 }
const TCP: Endpoint = { family: 4, address: '198.51.100.99', port: 50_000 }
/** One way, as over UDP; a handshake takes two round trips. */
const TCP_MS = 20
const TLS_HANDSHAKE_MS = 80
const PORT = 5000
const WALL_MS = 1_700_000_000_000

/** What an event of one kind looks like. */
export type EventOf<K extends PeerEndpointEvent['kind']> = Extract<PeerEndpointEvent, { kind: K }>

type Wanted = EventOf<'introduce-wanted'>

export interface Device {
  readonly identity: Identity
  readonly staticKey: StaticKey
  readonly keys: DeviceKeys
}

/** Made once for each seed: keys are the slowest thing in a world, and which ones they are changes nothing. */
const devices = new Map<number, Device>()

export function deviceOf(seed: number): Device {
  const known = devices.get(seed)
  if (known !== undefined) return known
  const identity = identityFromSeed(new Uint8Array(32).fill(seed))
  const staticKey = staticKeyFromSeed(new Uint8Array(32).fill(seed + 100))
  const keys = {
    identity: identity.publicKey,
    static: staticKey.publicKey,
    staticSignature: identity.sign(staticKeyStatement(staticKey.publicKey)),
  }
  const device = { identity, staticKey, keys }
  devices.set(seed, device)
  return device
}

export interface SideOptions {
  readonly nat?: NatBehaviour
  readonly behind?: Router
  readonly addresses?: readonly string[]
  readonly link?: LinkPair
  readonly policy?: PathPolicy
  /** What is known of its NAT. */
  readonly profile?: NatProfile
  /** What the server says this side's device is, where that is not the truth. */
  readonly introducedAs?: DeviceKeys
}

export interface SceneOptions {
  readonly hasRelay?: boolean
  /**
   * Of two introductions of a pair that cross, the server passes on the first and refuses the other; or, as a cluster
   * might, it passes on both.
   */
  readonly crossing?: 'first' | 'both'
  readonly serverDelayMs?: number
  /** A relay elsewhere that is nearer than the server. */
  readonly hasNearRelay?: boolean
}

/** One daemon's network half. It may be restarted: then it has forgotten everything but its keys. */
export class PeerSide {
  readonly number: number
  readonly host: Host
  readonly router: Router | undefined
  readonly device: Device
  readonly options: SideOptions
  readonly #scene: PeerScene
  endpoint: PeerEndpoint
  running: Running
  events: PeerEndpointEvent[] = []
  /** The texts that arrived, in order. */
  received: string[] = []
  peer = 0
  /** No TLS stream to a relay comes about. */
  isTcpBlocked = false
  /** `silent`: what is said to the server and by it is lost, and so is what TLS streams carry; `gone`: and it is known. */
  server: 'there' | 'silent' | 'gone' = 'there'
  onNetworkBack: () => void = () => undefined

  constructor(scene: PeerScene, number: number, defaults: SideOptions, addresses: Addresses) {
    const { world } = scene
    this.#scene = scene
    this.number = number
    this.options = defaults
    this.device = deviceOf(number % 100)
    this.router =
      defaults.behind ??
      (defaults.nat &&
        world.router(`router of ${number}`, {
          addresses: [addresses.router],
          nat: defaults.nat,
          ...(defaults.link === undefined ? {} : { link: defaults.link }),
        }))
    const isInternet = this.router === undefined
    this.host = world.host(String(number), {
      addresses: defaults.addresses ?? [isInternet ? addresses.public : addresses.inside],
      ...(this.router === undefined ? {} : { behind: this.router }),
      ...(isInternet && defaults.link !== undefined ? { link: defaults.link } : {}),
    })
    ;[this.endpoint, this.running] = this.#start()
  }

  get isConnected(): boolean {
    return this.endpoint.isConnected(this.peer)
  }

  get pathKind(): string {
    return this.change((now) => this.endpoint.pathReport(now, this.peer)?.kind ?? 'none')
  }

  get isDirect(): boolean {
    return this.isConnected && ['lan', 'direct'].includes(this.pathKind)
  }

  change<R>(command: (now: Instant) => R): R {
    return this.running.change(command)
  }

  introduce(): void {
    this.change((now) => this.endpoint.introduce(now, this.peer))
  }

  say(text: string): boolean {
    return this.change((now) => this.endpoint.send(now, this.peer, utf8(text)))
  }

  all<K extends PeerEndpointEvent['kind']>(kind: K): readonly EventOf<K>[] {
    return this.events.filter((event): event is EventOf<K> => event.kind === kind)
  }

  /** The daemon dies at once and comes back. */
  restart(): void {
    this.running.stop()
    this.events = []
    ;[this.endpoint, this.running] = this.#start()
  }

  /** The cable is moved: the host has other addresses now. */
  moved(): void {
    this.change((now) => {
      this.endpoint.setLocalAddresses(now, this.host.addresses, PORT)
      this.endpoint.networkChanged(now)
    })
  }

  #start(): [PeerEndpoint, Running] {
    const { identity, staticKey, keys } = this.device
    const endpoint = new PeerEndpoint({
      identity,
      staticKey,
      device: keys,
      random: this.host.random,
    })
    this.endpoint = endpoint
    const { world } = this.#scene
    const running = world.attach(this.host, endpoint, {
      port: PORT,
      onEvent: (event) => this.#take(event),
    })
    this.running = running
    running.change((now) => {
      endpoint.setLocalAddresses(now, this.host.addresses, PORT)
      endpoint.setAccount(now, this.number)
      endpoint.setServerTime(now, WALL_MS + world.now)
      endpoint.setStunServers(now, this.#scene.stun)
      endpoint.setRelays(now, this.#scene.stun[0], this.#scene.relays)
      endpoint.setNatProfile(now, this.options.profile)
      endpoint.setPolicy(now, otherOf(this.number), this.options.policy ?? 'auto')
    })
    return [endpoint, running]
  }

  #take(event: PeerEndpointEvent): void {
    this.events.push(event)
    if (event.kind === 'message') this.received.push(Buffer.from(event.bytes).toString())
    if (event.kind === 'introduce-wanted') this.#scene.ask(this, event)
    if (event.kind === 'relay-stream-wanted') this.#scene.openStream(this, event.socket)
    if (event.kind === 'relay-stream-unwanted') this.#scene.closeStream(this, event.socket)
    if (event.kind === 'socket-wanted') {
      const { socket } = event
      const { port } = this.running.addSocket(socket, {})
      const local: Endpoint = { family: 4, address: '0.0.0.0', port }
      this.change((now) => this.endpoint.socketOpened(now, socket, local))
    }
    if (event.kind === 'socket-unwanted') this.running.removeSocket(event.socket)
    if (event.kind === 'network-back') this.onNetworkBack()
  }
}

interface Standing {
  readonly asker: PeerSide
  readonly wanted: Wanted
  readonly at: number
}

interface Addresses {
  readonly router: string
  readonly inside: string
  readonly public: string
}

const ALICE = 10_001
const BOB = 10_002

function otherOf(number: number): number {
  return number === ALICE ? BOB : ALICE
}

export class PeerScene {
  readonly world: World
  readonly stun: readonly Endpoint[]
  relay: Relay
  readonly alice: PeerSide
  readonly bob: PeerSide
  /** Asked for, by anybody: renewals count. */
  introductions = 0
  /** TLS streams to the relay that stand. */
  streams = 0
  /** The server is away: what is said to it is lost. */
  isServerAway = false
  readonly #options: SceneOptions
  readonly #serverHost: Host
  readonly #tickets: RelayTickets
  readonly #newRelay: () => Relay
  readonly #relayId: Uint8Array
  /** The relay elsewhere, where there is one. */
  readonly near: NearRelay | undefined
  #relayRunning: Running
  /** Introductions that wait for their answer, by session. */
  readonly #standing = new Map<string, Standing>()

  constructor(world: World, alice: SideOptions, bob: SideOptions, options: SceneOptions = {}) {
    this.world = world
    this.#options = options
    this.#serverHost = world.host('server', { addresses: SERVER })
    this.stun = this.#runStun()
    const { random } = this.#serverHost
    const time = new ServerTime({ now: () => instant(0), wallNow: () => WALL_MS })
    const signer = deviceOf(99).identity
    const relayId = random.bytes(8)
    this.#relayId = relayId
    this.#tickets = new RelayTickets({ signer, relayId, time })
    const cookieSecret = random.bytes(32)
    const ticketKeys = [signer.publicKey]
    this.#newRelay = () => new Relay({ relayId, ticketKeys, cookieSecret, random, time })
    this.relay = this.#newRelay()
    this.#relayRunning = world.attach(this.#serverHost, this.relay, RELAY)
    this.near = options.hasNearRelay === true ? runNearRelay(world, signer.publicKey) : undefined
    this.alice = new PeerSide(this, ALICE, alice, {
      router: '198.51.100.1',
      inside: '192.168.1.5',
      public: '198.51.100.10',
    })
    this.bob = new PeerSide(this, BOB, bob, {
      router: '192.0.2.1',
      inside: '10.0.0.9',
      public: '192.0.2.10',
    })
    this.alice.peer = BOB
    this.bob.peer = ALICE
  }

  /** What the server says of relays at the login. */
  get relays(): Relays | undefined {
    return this.near && { own: this.#relayId, offers: [this.near.offer] }
  }

  get sides(): readonly [PeerSide, PeerSide] {
    return [this.alice, this.bob]
  }

  get areConnected(): boolean {
    return this.alice.isConnected && this.bob.isConnected
  }

  get areDirect(): boolean {
    return this.alice.isDirect && this.bob.isDirect
  }

  /** Alice asks, and the world runs until both are connected. */
  meet(): this {
    this.alice.introduce()
    assert.ok(
      this.runUntil(() => this.areConnected, 10_000),
      'not connected',
    )
    return this
  }

  runUntil(isDone: () => boolean, withinMs: number): boolean {
    return this.world.runUntil(isDone, withinMs)
  }

  /** A side says something to the server. */
  ask(side: PeerSide, wanted: Wanted): void {
    if (!wanted.isAnswer) this.introductions += 1
    this.#later(() => {
      if (side.server === 'gone') this.#refuse(side, wanted)
      if (this.isServerAway || side.server !== 'there') return
      if (wanted.isAnswer) this.#answer(side, wanted)
      else this.#pass(side, wanted)
    })
  }

  /** Its process dies, and with it the streams to it. */
  killRelay(): void {
    this.#relayRunning.stop()
  }

  /** It is there again, and knows no channel. */
  startRelay(): void {
    this.relay = this.#newRelay()
    this.#relayRunning = this.world.attach(this.#serverHost, this.relay, RELAY)
  }

  /** TCP and TLS to the relay: no network of this world carries them, so only the server's absence stops them. */
  openStream(side: PeerSide, socket: SocketId): void {
    const { running } = side
    this.world.after(TLS_HANDSHAKE_MS, () => {
      if (side.running !== running || side.host.isSuspended) return
      if (this.isServerAway || side.isTcpBlocked || side.server !== 'there') {
        side.change((now) => side.endpoint.relayStreamClosed(now, socket))
        return
      }
      const proof = this.#serverHost.random.bytes(16)
      const id = streamAtRelay(socket, side)
      const carry = (run: () => void): void => {
        if (side.server === 'there') this.world.after(TCP_MS, run)
      }
      const toClient = running.addPipe(socket, (bytes) => carry(() => toServer(TCP, bytes)))
      const toServer = this.#relayRunning.addPipe(id, (bytes) =>
        carry(() => toClient(RELAY_TCP, bytes)),
      )
      this.streams += 1
      this.#relayRunning.change(() => this.relay.streamOpened(id, proof))
      side.change((now) => side.endpoint.relayStreamOpened(now, socket, proof, RELAY_TCP))
    })
  }

  closeStream(side: PeerSide, socket: SocketId): void {
    const id = streamAtRelay(socket, side)
    side.running.removeSocket(socket)
    side.change((now) => side.endpoint.relayStreamClosed(now, socket))
    this.#relayRunning.removeSocket(id)
    this.#relayRunning.change(() => this.relay.streamClosed(id))
    this.streams -= 1
  }

  #pass(asker: PeerSide, wanted: Wanted): void {
    const other = this.#other(asker)
    const isCrossing = [...this.#standing.values()].some(
      (standing) => standing.asker === other && this.world.now < standing.at + 10_000,
    )
    if (isCrossing && this.#options.crossing !== 'both') {
      this.#refuse(asker, wanted)
      return
    }
    this.#standing.set(toHex(wanted.session), { asker, wanted, at: this.world.now })
    this.#tell(other, asker, wanted, { isAnswer: false, relay: wanted.relay })
  }

  #answer(answerer: PeerSide, wanted: Wanted): void {
    const standing = this.#standing.get(toHex(wanted.session))
    const asker = this.#other(answerer)
    if (standing?.asker !== asker) {
      this.#refuse(answerer, wanted)
      return
    }
    this.#standing.delete(toHex(wanted.session))
    const { relay } = standing.wanted
    this.#tell(asker, answerer, wanted, { isAnswer: true, relay })
    this.#tell(answerer, asker, standing.wanted, { isAnswer: true, relay })
  }

  #refuse(side: PeerSide, wanted: Wanted): void {
    this.#later(() => side.change((now) => side.endpoint.introduceRefused(now, wanted.session)))
  }

  #tell(
    to: PeerSide,
    from: PeerSide,
    said: Wanted,
    { isAnswer, relay }: { readonly isAnswer: boolean; readonly relay: Uint8Array | undefined },
  ): void {
    const [a, b] = [this.alice.device.identity.publicKey, this.bob.device.identity.publicKey]
    const ticket = this.#tickets.issue(instant(this.world.now), said.session, a, b, relay)
    const endpoint = relay === undefined ? RELAY : (this.near?.offer.endpoint ?? RELAY)
    const message: Introduced = {
      kind: 'introduced',
      from: from.number,
      session: said.session,
      isAnswer,
      probeKey: said.probeKey,
      candidates: said.candidates,
      ...(said.nat === undefined ? {} : { nat: said.nat }),
      device: from.options.introducedAs ?? from.device.keys,
      startInMs: isAnswer ? 150 : 0,
      ...(this.#options.hasRelay === false ? {} : { relay: { endpoint, ticket } }),
    }
    this.#later(() => {
      if (to.host.isSuspended || to.server !== 'there') return
      to.change((now) => to.endpoint.introduced(now, message))
    })
  }

  #other(side: PeerSide): PeerSide {
    return side === this.alice ? this.bob : this.alice
  }

  #later(run: () => void): void {
    this.world.after(this.#options.serverDelayMs ?? 20, run)
  }

  #runStun(): readonly Endpoint[] {
    const sockets: BindingSocket[] = ([1, 2] as const).flatMap((address) =>
      ([1, 2] as const).map((port) => ({
        id: bindingSocketId(address, port),
        endpoint: {
          family: 4 as const,
          address: SERVER[address === 1 ? 0 : 1],
          port: port === 1 ? 3478 : 3479,
        },
      })),
    )
    const server = new BindingServer({ sockets, rate: { perSecond: 1e6, burst: 1e6 } })
    this.world.attach(this.#serverHost, server, {
      sockets: Object.fromEntries(sockets.map(({ id, endpoint }) => [String(id), endpoint])),
    })
    const [first, , third] = sockets
    return [first, third].flatMap((socket) => (socket === undefined ? [] : [socket.endpoint]))
  }
}

export interface NearRelay {
  readonly host: Host
  readonly offer: RelayOffer
  readonly relay: Relay
}

/** STUN and relay on one port, as `holler-server --role relay` has them, a millisecond from the backbone. */
function runNearRelay(world: World, ticketKey: Uint8Array): NearRelay {
  const address = '203.0.113.9'
  const host = world.host('near relay', { addresses: [address], link: { latencyMs: 1 } })
  const endpoint: Endpoint = { family: 4, address, port: 3478 }
  const { random } = host
  const [id, cookieSecret] = [random.bytes(8), random.bytes(32)]
  const time = new ServerTime({ now: () => instant(0), wallNow: () => WALL_MS })
  const options = { relayId: id, ticketKeys: [ticketKey], cookieSecret, random, time }
  const relay = new Relay(options)
  const socket = { id: bindingSocketId(1, 1), endpoint }
  const service = new UdpService({
    relay,
    stun: new BindingServer({ sockets: [socket] }),
    witness: new StunWitness(random.bytes(32)),
  })
  world.attach(host, service, { sockets: { [String(socket.id)]: endpoint } })
  const offer = { id, endpoint, host: address, tlsPort: 7443, pin: random.bytes(32) }
  return { host, offer, relay }
}

function streamAtRelay(socket: SocketId, { number }: PeerSide): SocketId {
  return socketNamed(`${number}:${socket}`)
}

/** Every address that an event shows to the server. */
export function offeredBy(side: PeerSide): readonly Candidate[] {
  return side.all('introduce-wanted').flatMap(({ candidates }) => candidates)
}
