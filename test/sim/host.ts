import { copyOf } from '../../src/core/bytes.ts'
import type { Endpoint } from '../../src/core/endpoint.ts'
import { type Instant, instant } from '../../src/core/instant.ts'
import type { Attachment, Fabric, Node } from './network.ts'
import type { Packet } from './packet.ts'
import type { SeededRandom } from './seeded-random.ts'

export type SimHandler = (from: Endpoint, bytes: Uint8Array) => void

export interface SimSocketOptions {
  /** One of the host's addresses; any of them when absent. */
  readonly address?: string
  /** A free one when absent. */
  readonly port?: number
}

export interface SimSocket {
  readonly port: number
  /** `bytes` are copied. */
  send(to: Endpoint, bytes: Uint8Array, ttl?: number): void
  close(): void
}

interface OpenSocket {
  readonly address: string | undefined
  readonly handler: SimHandler
}

interface Place {
  readonly attachment: Attachment
  readonly addresses: readonly string[]
}

const DEFAULT_TTL = 64
const FIRST_EPHEMERAL_PORT = 40_000

/** What a host wants of its world. */
export interface HostFabric extends Fabric {
  note(stage: 'sent' | 'received', packet: Packet, where: string): void
}

/** A machine with interfaces, sockets and a monotonic clock that stands still while it sleeps. */
export class Host implements Node {
  readonly name: string
  readonly random: SeededRandom
  readonly #fabric: HostFabric
  readonly #sockets = new Map<string, OpenSocket>()
  #places: readonly Place[] = []
  #nextPort = FIRST_EPHEMERAL_PORT
  #sleptMs = 0
  #asleepSince: number | undefined

  constructor(name: string, fabric: HostFabric, random: SeededRandom) {
    this.name = name
    this.#fabric = fabric
    this.random = random
  }

  get addresses(): readonly string[] {
    return this.#places.flatMap((place) => place.addresses)
  }

  get isSuspended(): boolean {
    return this.#asleepSince !== undefined
  }

  /** Its own clock, which stood still while it slept. */
  get now(): Instant {
    return instant((this.#asleepSince ?? this.#fabric.now) - this.#sleptMs)
  }

  /** When its own clock shows `own`, if it does not sleep before. */
  worldTimeOf(own: Instant): number {
    return own + this.#sleptMs
  }

  suspend(): void {
    this.#asleepSince ??= this.#fabric.now
  }

  resume(): void {
    this.#sleptMs += this.#fabric.now - (this.#asleepSince ?? this.#fabric.now)
    this.#asleepSince = undefined
  }

  /** Its first attachment: where its links may be worsened. */
  get link(): Attachment {
    const [first] = this.#places
    if (first === undefined) throw new Error(`${this.name} is not attached to any network`)
    return first.attachment
  }

  plug(attachment: Attachment, addresses: readonly string[]): void {
    this.#places = [...this.#places, { attachment, addresses }]
    for (const address of addresses) attachment.network.own(address, attachment)
  }

  unplugAll(): void {
    for (const { attachment } of this.#places) attachment.unplug()
    this.#places = []
  }

  open({ address, port }: SimSocketOptions, handler: SimHandler): SimSocket {
    const bound = port ?? this.#freePort(address)
    const key = socketKey(address, bound)
    if (this.#sockets.has(key)) throw new Error(`Port ${bound} of ${this.name} is taken`)
    this.#sockets.set(key, { address, handler })
    return {
      port: bound,
      send: (to, bytes, ttl = DEFAULT_TTL) => this.#send(address, bound, to, copyOf(bytes), ttl),
      close: () => void this.#sockets.delete(key),
    }
  }

  receive(packet: Packet): void {
    // Never at once: nobody hears anything while somebody else is still being drained.
    this.#fabric.plan(this.#fabric.now, () => this.#hand(packet))
  }

  #hand(packet: Packet): void {
    const { address, port } = packet.to
    const socket =
      this.#sockets.get(socketKey(address, port)) ?? this.#sockets.get(socketKey(undefined, port))
    if (this.isSuspended) {
      this.#fabric.drop(packet, this.name, 'suspended')
      return
    }
    if (this.#fabric.isBlocked(packet, this)) {
      this.#fabric.drop(packet, this.name, 'blocked')
      return
    }
    if (socket === undefined) {
      this.#fabric.drop(packet, this.name, 'no-socket')
      return
    }
    this.#fabric.note('received', packet, this.name)
    socket.handler(packet.from, packet.bytes)
  }

  #send(
    address: string | undefined,
    port: number,
    to: Endpoint,
    bytes: Uint8Array,
    ttl: number,
  ): void {
    const place = this.#placeTowards(address, to)
    const source = address ?? place?.addresses.find((own) => familyOf(own) === to.family)
    const from: Endpoint = { family: to.family, address: source ?? 'nowhere', port }
    const packet: Packet = { from, to, bytes, ttl, origin: this.name }
    this.#fabric.note('sent', packet, this.name)
    if (place === undefined) {
      this.#fabric.drop(packet, this.name, 'no-address')
      return
    }
    if (this.addresses.includes(to.address)) {
      this.receive(packet)
      return
    }
    place.attachment.send(packet)
  }

  #placeTowards(address: string | undefined, to: Endpoint): Place | undefined {
    const usable = this.#places.filter((place) =>
      place.addresses.some((own) =>
        address === undefined ? familyOf(own) === to.family : own === address,
      ),
    )
    return usable.find((place) => place.attachment.network.has(to.address)) ?? usable[0]
  }

  #freePort(address: string | undefined): number {
    while (this.#sockets.has(socketKey(address, this.#nextPort))) this.#nextPort += 1
    return this.#nextPort++
  }
}

function familyOf(address: string): 4 | 6 {
  return address.includes(':') ? 6 : 4
}

function socketKey(address: string | undefined, port: number): string {
  return `${address ?? '*'} ${port}`
}
