import { Link, type LinkConditions } from './link.ts'
import { type Packet, wireBytes } from './packet.ts'
import type { Random } from '../../src/core/random.ts'

/** What the parts of a world share: its time, its plan and its memory of what happened. */
export interface Fabric {
  readonly now: number
  plan(at: number, run: () => void): void
  drop(packet: Packet, where: string, why: string): void
  isBlocked(packet: Packet, at: Node): boolean
}

/** Whatever has a place in a network: a host or a router. */
export interface Node {
  readonly name: string
  receive(packet: Packet, at: Attachment): void
}

/** Conditions of both directions, or one set for both. `up` leads from the node into its network. */
export type LinkPair =
  LinkConditions | { readonly up: LinkConditions; readonly down: LinkConditions }

/** A node's place in a network: its addresses there and the link that leads to it. */
export class Attachment {
  readonly node: Node
  readonly network: Network
  readonly up: Link
  readonly down: Link
  readonly #fabric: Fabric
  #isUnplugged = false

  constructor(node: Node, network: Network, link: LinkPair, fabric: Fabric, random: Random) {
    this.node = node
    this.network = network
    this.#fabric = fabric
    this.up = new Link('up' in link ? link.up : link, random)
    this.down = new Link('down' in link ? link.down : link, random)
  }

  /** The cable is drawn: what is under way towards the node is lost. */
  unplug(): void {
    this.#isUnplugged = true
    this.network.remove(this)
  }

  send(packet: Packet): void {
    this.#carry(this.up, packet, () => this.network.forward(packet, this))
  }

  deliver(packet: Packet): void {
    this.#carry(this.down, packet, () => {
      if (this.#isUnplugged) this.#fabric.drop(packet, this.node.name, 'unplugged')
      else this.node.receive(packet, this)
    })
  }

  #carry(link: Link, packet: Packet, onward: () => void): void {
    const transit = link.transit(this.#fabric.now, wireBytes(packet))
    if (transit.kind === 'lost') {
      this.#fabric.drop(packet, `link of ${this.node.name}`, transit.why)
      return
    }
    for (const at of transit.at) {
      if (at <= this.#fabric.now) onward()
      else this.#fabric.plan(at, onward)
    }
  }
}

/** A segment: whoever is attached reaches each other by address; the rest goes to the gateway. */
export class Network {
  readonly name: string
  /** Routers that a packet crosses within: 0 in a LAN, many in the internet. */
  readonly hops: number
  gateway: Attachment | undefined
  readonly #fabric: Fabric
  readonly #owners = new Map<string, Attachment>()

  constructor(name: string, hops: number, fabric: Fabric) {
    this.name = name
    this.hops = hops
    this.#fabric = fabric
  }

  own(address: string, attachment: Attachment): void {
    const owner = this.#owners.get(address)
    if (owner !== undefined && owner !== attachment) {
      throw new Error(`${address} is taken in ${this.name} by ${owner.node.name}`)
    }
    this.#owners.set(address, attachment)
  }

  disown(address: string): void {
    this.#owners.delete(address)
  }

  remove(attachment: Attachment): void {
    for (const [address, owner] of this.#owners) if (owner === attachment) this.disown(address)
  }

  has(address: string): boolean {
    return this.#owners.has(address)
  }

  forward(packet: Packet, from: Attachment): void {
    const ttl = packet.ttl - this.hops
    const target = this.#owners.get(packet.to.address) ?? this.gateway
    if (ttl <= 0) this.#fabric.drop(packet, this.name, 'ttl')
    else if (target === undefined || target === from) {
      this.#fabric.drop(packet, this.name, 'no-route')
    } else target.deliver(this.hops === 0 ? packet : { ...packet, ttl })
  }
}
