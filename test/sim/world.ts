/**
 * A world in virtual time that runs `Machine`s unchanged: hosts, NATs, links and an internet, all from one seed.
 *
 *     const world = new World(7)
 *     const home = world.router('home', { addresses: ['198.51.100.1'], nat: natKinds.portRestricted })
 *     const alice = world.host('alice', { behind: home, addresses: ['192.168.1.5'] })
 *     const running = world.attach(alice, machine, { port: 5000, onEvent: (event, now) => … })
 *     running.change((now) => machine.connect(now, peer))
 *     world.runUntil(() => machine.isConnected, 10_000)
 *
 * This file and io/drive.ts are the only callers of `poll*` from outside: one change, drain everything, next change.
 * A datagram lent to a machine is overwritten once the machine is drained, so that whoever keeps it is found out.
 * `simulate.ts` prints the seed and the last packets when a test fails.
 */
import type { Instant } from '../../src/core/instant.ts'
import { forEachDatagram, type Machine, type SocketId } from '../../src/core/machine.ts'
import { EventQueue } from './event-queue.ts'
import { Host, type SimHandler, type SimSocket, type SimSocketOptions } from './host.ts'
import { Attachment, type LinkPair, Network, type Node } from './network.ts'
import type { Packet } from './packet.ts'
import { Router, type RouterOptions } from './router.ts'
import { SeededRandom } from './seeded-random.ts'
import { type PacketStage, Trace } from './trace.ts'

export interface WorldOptions {
  /** Routers between two access links: what a low-TTL opener must not survive. 8 when absent. */
  readonly internetHops?: number
}

export interface Place {
  /** The router it is behind; the open internet when absent. */
  readonly behind?: Router
  /** 10 ms each way when on the internet, perfect when behind a router. */
  readonly link?: LinkPair
}

export interface AttachOptions<Event> extends SimSocketOptions {
  readonly onEvent?: (event: Event, now: Instant) => void
  /** Sockets beside the primary one, by the name that the machine uses in `Transmit.via`. */
  readonly sockets?: Readonly<Record<string, SimSocketOptions>>
}

/** A machine that runs on a host: the counterpart of `io/drive.ts`'s driver. */
export interface Running {
  /** The port of the primary socket. */
  readonly port: number
  change<R>(command: (now: Instant) => R): R
  addSocket(id: SocketId, options: SimSocketOptions): SimSocket
  /**
   * A socket that is no UDP socket: what a TLS stream carries. `carry` gets what the machine sends there; what is
   * returned hands it what comes.
   */
  addPipe(id: SocketId, carry: (bytes: Uint8Array) => void): SimHandler
  removeSocket(id: SocketId): void
  /** Beside the primary one. */
  readonly socketCount: number
  /** The process dies: nothing more is heard, sent or woken. */
  stop(): void
}

export type PacketTap = (stage: PacketStage, packet: Packet, where: string, why: string) => void

/** The links of hosts and routers on the internet, unless said otherwise: 20 ms from door to door. */
const ACCESS_LINK: LinkPair = { latencyMs: 10 }
const MAX_WAKES_AT_ONE_MOMENT = 10_000

export class World {
  readonly random: SeededRandom
  readonly internet: Network
  /** With `SIM_TRACE`, all of it is printed as it happens: `npm run replay`. */
  readonly trace = new Trace(process.env['SIM_TRACE'] === undefined ? undefined : printLine)
  #now = 0
  readonly #queue = new EventQueue()
  readonly #running: { readonly host: Host; drain(): void }[] = []
  readonly #taps: PacketTap[] = []
  readonly #blocked = new Set<string>()

  constructor(seed: number, options: WorldOptions = {}) {
    this.random = new SeededRandom(seed)
    this.internet = new Network('internet', options.internetHops ?? 8, this)
  }

  /** The world's time in ms. A host's own clock stands still while it sleeps. */
  get now(): number {
    return this.#now
  }

  host(name: string, place: Place & { readonly addresses: readonly string[] }): Host {
    const host = new Host(name, this, this.random.fork(name))
    this.plug(host, place)
    return host
  }

  router(name: string, options: RouterOptions & Place): Router {
    const outer = options.behind?.inside ?? this.internet
    const link = options.link ?? (options.behind === undefined ? ACCESS_LINK : {})
    return new Router(name, outer, options, link, this, this.random.fork(name))
  }

  /** Gives a host another interface. */
  plug(
    host: Host,
    { behind, link, addresses }: Place & { readonly addresses: readonly string[] },
  ): void {
    const network = behind?.inside ?? this.internet
    const conditions = link ?? (behind === undefined ? ACCESS_LINK : {})
    const random = host.random.fork(addresses.join())
    host.plug(new Attachment(host, network, conditions, this, random), addresses)
    for (const address of addresses) behind?.announce(address)
  }

  /** Takes a host from where it is to another network, with other addresses; its sockets stay open. */
  move(host: Host, place: Place & { readonly addresses: readonly string[] }): void {
    host.unplugAll()
    this.plug(host, place)
  }

  /** Runs a machine on a host, with a primary socket of its own. */
  attach<Event>(host: Host, machine: Machine<Event>, options: AttachOptions<Event> = {}): Running {
    const running = new RunningMachine(this, host, machine, options)
    this.#running.push(running)
    return running
  }

  /** A bare socket, for tests that are their own machine. */
  open(host: Host, options: SimSocketOptions, handler: SimHandler): SimSocket {
    return host.open(options, handler)
  }

  /** The host sleeps: it hears nothing, its timers wait and its clock stands still. */
  suspend(host: Host): void {
    host.suspend()
  }

  resume(host: Host): void {
    host.resume()
    for (const running of this.#running) if (running.host === host) running.drain()
  }

  /**
   * From now on nothing that `from` sends reaches `to`; with `both`, nor the other way. Where `to` is a router, it is lost
   * before that, so that no NAT learns of it.
   */
  block(from: Host, to: Host, both?: boolean): void
  block(from: Host, to: Router, both: false): void
  block(from: Node, to: Node, both = true): void {
    this.#blocked.add(`${from.name} ${to.name}`)
    if (both) this.#blocked.add(`${to.name} ${from.name}`)
  }

  unblock(from: Host, to: Node): void {
    this.#blocked.delete(`${from.name} ${to.name}`)
    this.#blocked.delete(`${to.name} ${from.name}`)
  }

  /** Watches every packet as it is sent, received or dropped. */
  tap(tap: PacketTap): void {
    this.#taps.push(tap)
  }

  /** Something that happens once, at a time of the world. */
  plan(at: number, run: () => void): void {
    this.#queue.plan(Math.max(at, this.#now), run)
  }

  after(ms: number, run: () => void): void {
    this.plan(this.#now + ms, run)
  }

  runFor(ms: number): void {
    const end = this.#now + ms
    while ((this.#queue.nextAt ?? Infinity) <= end) this.#step()
    this.#now = end
  }

  /** Runs until `isDone`; false when that took longer than `withinMs`. */
  runUntil(isDone: () => boolean, withinMs: number): boolean {
    const end = this.#now + withinMs
    while (!isDone()) {
      if ((this.#queue.nextAt ?? Infinity) > end) {
        this.#now = end
        return false
      }
      this.#step()
    }
    return true
  }

  note(stage: PacketStage, packet: Packet, where: string, why = ''): void {
    this.trace.add({ at: this.#now, stage, packet, where, why })
    for (const tap of this.#taps) tap(stage, packet, where, why)
  }

  drop(packet: Packet, where: string, why: string): void {
    this.note('dropped', packet, where, why)
  }

  isBlocked(packet: Packet, { name }: Node): boolean {
    return this.#blocked.has(`${packet.origin} ${name}`)
  }

  #step(): void {
    this.#now = this.#queue.nextAt ?? this.#now
    this.#queue.take()?.()
  }
}

class RunningMachine<Event> implements Running {
  readonly host: Host
  readonly port: number
  readonly #world: World
  readonly #machine: Machine<Event>
  readonly #onEvent: (event: Event, now: Instant) => void
  readonly #primary: SimSocket
  readonly #named = new Map<SocketId, Pick<SimSocket, 'send' | 'close'>>()
  #isDraining = false
  #isStopped = false
  #plannedWake: number | undefined
  #wakesAtThisMoment = 0
  #lastWakeAt = -1

  constructor(world: World, host: Host, machine: Machine<Event>, options: AttachOptions<Event>) {
    this.#world = world
    this.host = host
    this.#machine = machine
    this.#onEvent = options.onEvent ?? (() => undefined)
    this.#primary = host.open(options, this.#handler())
    this.port = this.#primary.port
    for (const [name, socket] of Object.entries(options.sockets ?? {})) {
      this.addSocket(name as SocketId, socket)
    }
    this.drain()
  }

  change<R>(command: (now: Instant) => R): R {
    if (this.host.isSuspended) throw new Error(`${this.host.name} sleeps`)
    const result = command(this.host.now)
    this.drain()
    return result
  }

  addSocket(id: SocketId, options: SimSocketOptions): SimSocket {
    const socket = this.host.open(options, this.#handler(id))
    this.#named.set(id, socket)
    this.drain()
    return socket
  }

  addPipe(id: SocketId, carry: (bytes: Uint8Array) => void): SimHandler {
    const handler = this.#handler(id)
    const pipe = {
      send: (_to: unknown, bytes: Uint8Array) => carry(Uint8Array.from(bytes)),
      close: () => undefined,
    }
    this.#named.set(id, pipe)
    this.drain()
    return (from, bytes) => {
      if (this.#named.get(id) === pipe && !this.host.isSuspended) handler(from, bytes)
    }
  }

  removeSocket(id: SocketId): void {
    this.#named.get(id)?.close()
    this.#named.delete(id)
  }

  get socketCount(): number {
    return this.#named.size
  }

  stop(): void {
    this.#isStopped = true
    for (const socket of [this.#primary, ...this.#named.values()]) socket.close()
  }

  // An event's handler may give commands, which drain on their own: the loop here picks up what they left.
  drain(): void {
    if (this.#isDraining || this.#isStopped || this.host.isSuspended) return
    this.#isDraining = true
    try {
      for (;;) {
        this.#sendAll()
        const event = this.#machine.pollEvent()
        if (event === undefined) break
        this.#onEvent(event, this.host.now)
      }
    } finally {
      this.#isDraining = false
    }
    this.#planWake(this.#machine.pollTimeout())
  }

  #sendAll(): void {
    for (;;) {
      const transmit = this.#machine.pollTransmit()
      if (transmit === undefined || this.#isStopped) return
      const { to, bytes, segmentBytes, via, ttl } = transmit
      const socket = via === undefined ? this.#primary : this.#named.get(via)
      forEachDatagram(bytes, segmentBytes, (datagram) => socket?.send(to, datagram, ttl))
    }
  }

  #handler(via?: SocketId): SimHandler {
    return (from, bytes) => {
      if (this.#isStopped) return
      this.#machine.handleDatagram(this.host.now, from, bytes, via)
      this.drain()
      bytes.fill(0xaa) // lent for the call only
    }
  }

  #planWake(deadline: Instant | undefined): void {
    if (deadline === undefined) {
      this.#plannedWake = undefined
      return
    }
    const at = Math.max(this.host.worldTimeOf(deadline), this.#world.now)
    if (at === this.#plannedWake) return
    this.#plannedWake = at
    this.#world.plan(at, () => this.#wake(at, deadline))
  }

  // As io/drive.ts does: never before the deadline, though a slept clock is a difference of fractions and may be early.
  #wake(at: number, deadline: Instant): void {
    if (at !== this.#plannedWake || this.#isStopped) return
    this.#plannedWake = undefined
    if (this.host.isSuspended) return
    this.#noticeSpinning(at)
    const { now } = this.host
    this.#machine.handleTimeout(now < deadline ? deadline : now)
    this.drain()
  }

  #noticeSpinning(at: number): void {
    this.#wakesAtThisMoment = at === this.#lastWakeAt ? this.#wakesAtThisMoment + 1 : 0
    this.#lastWakeAt = at
    if (this.#wakesAtThisMoment > MAX_WAKES_AT_ONE_MOMENT) {
      throw new Error(`The machine on ${this.host.name} asks again and again to be woken at ${at}`)
    }
  }
}

function printLine(line: string): void {
  console.log(line)
}
