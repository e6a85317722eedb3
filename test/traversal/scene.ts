/** Two peers, their routers, a server with STUN and relay, and the introductions that its TCP sessions would carry. */
import type { Endpoint } from '../../src/core/endpoint.ts'
import type { SocketId } from '../../src/core/machine.ts'
import { instant } from '../../src/core/instant.ts'
import { type Identity, identityFromSeed } from '../../src/crypto/identity.ts'
import { Relay } from '../../src/server/relay.ts'
import { RelayTickets } from '../../src/server/relay-tickets.ts'
import { ServerTime } from '../../src/server/server-time.ts'
import { BindingServer } from '../../src/stun/binding-server.ts'
import { type BindingSocket, bindingSocketId } from '../../src/stun/binding-sockets.ts'
import type { NatProfile } from '../../src/protocol/server/nat-profile.ts'
import type { PathPolicy } from '../../src/traversal/candidate.ts'
import type { PathReport } from '../../src/traversal/path-report.ts'
import type { PathEvent } from '../../src/traversal/path-selection.ts'
import type { Host } from '../sim/host.ts'
import { PunchBudget } from '../../src/traversal/punch-budget.ts'
import type { NatBehaviour } from '../sim/nat.ts'
import { profileOf } from '../sim/nat-kinds.ts'
import type { LinkPair } from '../sim/network.ts'
import type { Router } from '../sim/router.ts'
import type { Running, World } from '../sim/world.ts'
import { SimPeer } from './sim-peer.ts'

export interface SideOptions {
  /** The NAT in front; without one (and without `behind`) the host is on the internet. */
  readonly nat?: NatBehaviour
  /** Another side's router, or one that the test made. */
  readonly behind?: Router
  readonly addresses?: readonly string[]
  /** Of the access link, router's or host's. */
  readonly link?: LinkPair
  readonly policy?: PathPolicy
  readonly openerTtl?: number
  /** What is known of its NAT: the truth when absent, nothing for `unknown`. */
  readonly profile?: NatProfile | 'unknown'
  readonly budget?: PunchBudget
  /** From the server to this side, over TCP. */
  readonly serverDelayMs?: number
}

export interface SceneOptions {
  readonly hasRelay?: boolean
  /** The server's "punch at": this long after the introduction was sent; two round trips when absent. */
  readonly startInMs?: number
}

const SERVER = ['203.0.113.1', '203.0.113.2'] as const
const RELAY: Endpoint = { family: 4, address: SERVER[0], port: 3480 }
const LAN_PORT = 5000

/** Made once: keys are the slowest thing in a world, and which ones they are changes nothing. */
const identities = {
  alice: identityFromSeed(new Uint8Array(32).fill(1)),
  bob: identityFromSeed(new Uint8Array(32).fill(2)),
  server: identityFromSeed(new Uint8Array(32).fill(3)),
}

/** One of the two: its host, its machine, and everything that it told. */
export class Side {
  readonly name: string
  readonly host: Host
  readonly router: Router | undefined
  readonly peer: SimPeer
  readonly identity: Identity
  readonly running: Running
  readonly serverDelayMs: number
  readonly path: { readonly at: number; readonly event: PathEvent }[] = []
  readonly received: {
    readonly at: number
    readonly number: number
    readonly isRelayed: boolean
  }[] = []
  isGathered = false
  /** The most that were open beside the primary one. */
  mostSockets = 0
  onIntroductionWanted: () => void = () => undefined

  constructor(world: World, name: 'alice' | 'bob', options: SideOptions) {
    const isAlice = name === 'alice'
    this.name = name
    this.serverDelayMs = options.serverDelayMs ?? 20
    this.router =
      options.behind ??
      (options.nat &&
        world.router(`${name}'s router`, {
          addresses: [isAlice ? '198.51.100.1' : '192.0.2.1'],
          nat: options.nat,
          ...(options.link === undefined ? {} : { link: options.link }),
        }))
    this.host = world.host(name, {
      addresses: options.addresses ?? [this.#defaultAddress(isAlice)],
      ...(this.router === undefined ? {} : { behind: this.router }),
      ...(this.router === undefined && options.link !== undefined ? { link: options.link } : {}),
    })
    this.identity = identities[name]
    this.peer = new SimPeer({
      role: isAlice ? 'initiator' : 'responder',
      identity: this.identity,
      random: this.host.random,
      policy: options.policy ?? 'auto',
      openerTtl: options.openerTtl,
      nat: profileOfSide(options),
      budget: options.budget ?? new PunchBudget(),
    })
    this.running = world.attach(this.host, this.peer, {
      port: LAN_PORT,
      onEvent: (event) => {
        if (event.kind === 'gathered') this.isGathered = !this.peer.gatherer.isGathering
        else if (event.kind === 'introduction-wanted') this.onIntroductionWanted()
        else if (event.kind === 'socket-wanted') this.#openSocket(event.socket)
        else if (event.kind === 'socket-unwanted') this.running.removeSocket(event.socket)
        else if (event.kind === 'path') this.path.push({ at: world.now, event: event.event })
        else this.received.push({ at: world.now, ...event })
      },
    })
  }

  get pathKind(): PathReport['kind'] {
    return this.report.kind
  }

  get report(): PathReport {
    const report = this.peer.agent?.report()
    if (report === undefined) throw new Error(`${this.name} was not introduced`)
    return report
  }

  get isDirect(): boolean {
    return this.peer.agent !== undefined && !['relay', 'none'].includes(this.pathKind)
  }

  /** When the data first could go direct. */
  get directAt(): number | undefined {
    return this.path.find(
      ({ event }) => event.kind === 'path-selected' && event.pathKind !== 'relay',
    )?.at
  }

  #openSocket(id: SocketId): void {
    const { port } = this.running.addSocket(id, {})
    this.mostSockets = Math.max(this.mostSockets, this.running.socketCount)
    const local: Endpoint = { family: 4, address: '0.0.0.0', port }
    this.running.change((now) => this.peer.socketOpened(now, id, local))
  }

  #defaultAddress(isAlice: boolean): string {
    if (this.router === undefined) return isAlice ? '198.51.100.10' : '192.0.2.10'
    return isAlice ? '192.168.1.5' : '10.0.0.9'
  }
}

export class Scene {
  readonly world: World
  readonly alice: Side
  readonly bob: Side
  readonly serverHost: Host
  readonly relay: Relay
  readonly stun: readonly Endpoint[]
  #startAt: number | undefined
  readonly #options: SceneOptions
  readonly #session: Uint8Array
  readonly #key: Uint8Array
  readonly #tickets: RelayTickets
  #introducedAt = -Infinity

  constructor(world: World, a: SideOptions, b: SideOptions, options: SceneOptions = {}) {
    this.world = world
    this.#options = options
    this.#session = world.random.fork('session').bytes(16)
    this.#key = world.random.fork('key').bytes(32)
    this.serverHost = world.host('server', { addresses: SERVER })
    this.stun = this.#runStun()
    const time = new ServerTime({ now: () => instant(0), wallNow: () => 1_700_000_000_000 })
    const random = this.serverHost.random
    const signer = identities.server
    const relayId = random.bytes(8)
    this.#tickets = new RelayTickets({ signer, relayId, time })
    const cookieSecret = random.bytes(32)
    this.relay = new Relay({ relayId, ticketKeys: [signer.publicKey], cookieSecret, random, time })
    world.attach(this.serverHost, this.relay, RELAY)
    this.alice = new Side(world, 'alice', a)
    this.bob = new Side(world, 'bob', b)
    for (const side of this.sides) side.onIntroductionWanted = () => this.introduceSoon()
  }

  get sides(): readonly [Side, Side] {
    return [this.alice, this.bob]
  }

  /** T0 of the last introduction, as the later one of the two sides has it. */
  get startAt(): number {
    if (this.#startAt === undefined) throw new Error('Nobody was introduced')
    return this.#startAt
  }

  get areDirect(): boolean {
    return this.alice.isDirect && this.bob.isDirect
  }

  /** Gathers on both sides, introduces them, and lets the world run until T0. */
  meet(): this {
    for (const { running, peer, host } of this.sides) {
      running.change((now) => peer.gather(now, host.addresses, running.port, this.stun))
    }
    this.world.runUntil(() => this.sides.every((side) => side.isGathered), 5000)
    this.introduce()
    this.world.runFor(this.startAt - this.world.now)
    return this
  }

  /** Runs until both are direct, or the round is over; true when they are. */
  punch(withinMs = 12_000): boolean {
    return this.world.runUntil(() => this.areDirect, withinMs)
  }

  /** One side noticed a change: not more than one introduction a second, as the server allows. */
  introduceSoon(): void {
    if (this.world.now < this.#introducedAt + 1000) return
    this.#introducedAt = this.world.now
    this.world.after(200, () => this.introduce()) // STUN first, so that the candidates are true
  }

  introduce(): void {
    const slowest = Math.max(...this.sides.map((side) => side.serverDelayMs))
    const startInMs = this.#options.startInMs ?? Math.max(150, 4 * slowest)
    this.#startAt = this.world.now + slowest + startInMs
    this.#tell(this.alice, this.bob, startInMs)
    this.#tell(this.bob, this.alice, startInMs)
  }

  #tell(to: Side, about: Side, startInMs: number): void {
    const isHidden = about.peer.policy === 'relay'
    const candidates = isHidden ? [] : about.peer.gatherer.candidates
    const [a, b] = [this.alice.identity.publicKey, this.bob.identity.publicKey]
    const ticket = this.#tickets.issue(instant(this.world.now), this.#session, a, b)
    const relay = this.#options.hasRelay === false ? undefined : { endpoint: RELAY, ticket }
    this.world.after(to.serverDelayMs, () => {
      const introduction = {
        session: this.#session,
        key: this.#key,
        candidates,
        nat: isHidden ? undefined : about.peer.nat,
        startInMs,
        relay,
      }
      if (to.host.isSuspended) return
      to.running.change((now) => to.peer.introduced(now, introduction))
    })
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
    this.world.attach(
      this.serverHost,
      new BindingServer({ sockets, rate: { perSecond: 1e6, burst: 1e6 } }),
      {
        sockets: Object.fromEntries(sockets.map(({ id, endpoint }) => [String(id), endpoint])),
      },
    )
    return [sockets[0], sockets[2]].flatMap((socket) =>
      socket === undefined ? [] : [socket.endpoint],
    )
  }
}

function profileOfSide({ profile, nat, behind }: SideOptions): NatProfile | undefined {
  if (profile !== undefined) return profile === 'unknown' ? undefined : profile
  if (nat !== undefined) return profileOf(nat)
  return behind === undefined ? profileOf(undefined) : undefined
}
