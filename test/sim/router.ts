import type { Random } from '../../src/core/random.ts'
import { Firewall, type FirewallBehaviour } from './firewall.ts'
import { Nat, type NatBehaviour, type NatResult } from './nat.ts'
import { Attachment, type Fabric, type LinkPair, Network, type Node } from './network.ts'
import type { Packet } from './packet.ts'

export interface RouterOptions {
  /** Its addresses in the outer network; several make a pool. */
  readonly addresses: readonly string[]
  /** IPv4 is translated so; without it, routed through `firewall`. */
  readonly nat?: NatBehaviour
  /** For what is not translated: all IPv6, and IPv4 where there is no `nat`. `stateful` when absent. */
  readonly firewall?: FirewallBehaviour
}

/** Joins an inner network to an outer one. Each packet through it loses one TTL. */
export class Router implements Node {
  readonly name: string
  readonly inside: Network
  readonly nat: Nat | undefined
  readonly firewall: Firewall
  readonly outside: Attachment
  /** Drops every UDP packet, as some office networks do. */
  isBlockingUdp = false
  readonly #fabric: Fabric
  readonly #insidePort: Attachment
  #addresses: readonly string[]

  constructor(
    name: string,
    outer: Network,
    options: RouterOptions,
    link: LinkPair,
    fabric: Fabric,
    random: Random,
  ) {
    this.name = name
    this.#fabric = fabric
    this.#addresses = options.addresses
    this.nat = options.nat && new Nat(options.nat, options.addresses, random)
    this.firewall = new Firewall(options.firewall ?? { inbound: 'stateful' })
    this.outside = new Attachment(this, outer, link, fabric, random)
    this.inside = new Network(`network of ${name}`, 0, fabric)
    this.#insidePort = new Attachment(this, this.inside, {}, fabric, random)
    this.inside.gateway = this.#insidePort
    for (const address of options.addresses) outer.own(address, this.outside)
  }

  get addresses(): readonly string[] {
    return this.#addresses
  }

  /** All mappings and flows are gone; the addresses may be new ones. */
  reboot(addresses: readonly string[] = this.#addresses): void {
    for (const address of this.#addresses) this.outside.network.disown(address)
    for (const address of addresses) this.outside.network.own(address, this.outside)
    this.#addresses = addresses
    this.nat?.reboot(addresses)
    this.firewall.reboot()
  }

  /** A host inside has an address that is not translated: the outer networks must find their way to it. */
  announce(address: string): void {
    if (this.#isTranslated(address)) return
    this.outside.network.own(address, this.outside)
    const above = this.outside.network.gateway?.node
    if (above instanceof Router) above.announce(address)
  }

  receive(packet: Packet, at: Attachment): void {
    if (this.isBlockingUdp) {
      this.#fabric.drop(packet, this.name, 'udp-blocked')
      return
    }
    if (this.#fabric.isBlocked(packet, this)) {
      this.#fabric.drop(packet, this.name, 'blocked')
      return
    }
    if (at === this.outside) this.#receiveFromOutside(packet)
    else this.#receiveFromInside(packet)
  }

  #receiveFromInside(packet: Packet): void {
    const onward = { ...packet, ttl: packet.ttl - 1 }
    const { now } = this.#fabric
    if (onward.ttl <= 0) {
      this.#fabric.drop(packet, this.name, 'ttl') // before any mapping is made, as on Linux
    } else if (this.#addresses.includes(packet.to.address)) {
      this.#pass(this.nat?.hairpin(now, onward), packet, this.#insidePort)
    } else if (this.nat !== undefined && packet.to.family === 4) {
      this.#pass(this.nat.outbound(now, onward), packet, this.outside)
    } else {
      this.firewall.noteOutbound(now, packet)
      this.outside.send(onward)
    }
  }

  #receiveFromOutside(packet: Packet): void {
    const onward = { ...packet, ttl: packet.ttl - 1 }
    const { now } = this.#fabric
    if (this.#addresses.includes(packet.to.address)) {
      this.#pass(this.nat?.inbound(now, onward), packet, this.#insidePort)
    } else if (this.firewall.admits(now, packet)) {
      this.#pass({ kind: 'passed', packet: onward }, packet, this.#insidePort)
    } else {
      this.#fabric.drop(packet, this.name, 'filtered')
    }
  }

  /** Without a result the packet was for the router itself, which speaks no protocol of ours. */
  #pass(result: NatResult | undefined, packet: Packet, through: Attachment): void {
    if (result === undefined) this.#fabric.drop(packet, this.name, 'for-the-router')
    else if (result.kind === 'dropped') this.#fabric.drop(packet, this.name, result.why)
    else if (result.packet.ttl <= 0) this.#fabric.drop(packet, this.name, 'ttl')
    else through.send(result.packet)
  }

  #isTranslated(address: string): boolean {
    return this.nat !== undefined && !address.includes(':')
  }
}
