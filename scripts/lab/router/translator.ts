/**
 * The router without its devices: a packet in, and the same packet translated, or the reason why it is dropped.
 *
 * UDP goes through the very NAT (or firewall) of the simulated worlds, so that what a world shows can be seen with real
 * programs, and a kind that real judges have looked at is the kind that the simulations run. TCP and echoes are
 * masqueraded in the same way by every kind. ICMP errors follow the packet that they are about, back to its sender.
 *
 * Of the time to live nothing is taken here: see `KERNEL_HOPS`.
 */
import type { Endpoint } from '../../../src/core/endpoint.ts'
import type { Random } from '../../../src/core/random.ts'
import { Firewall, type FirewallBehaviour } from '../../../test/sim/firewall.ts'
import { Nat, type NatBehaviour, type NatResult } from '../../../test/sim/nat.ts'
import { FlowTable } from './flow-table.ts'
import { decodeIcmp, type Quoted, readdressedEcho, readdressedError } from './icmp.ts'
import { decodeIpv4, encodeIpv4, type Ipv4Packet, PROTOCOLS } from './ipv4.ts'
import { Masquerade } from './masquerade.ts'
import { Reassembler } from './reassembler.ts'
import { decodeEndpoints, type Endpoints, readdressed } from './transport.ts'

export type Side = 'inside' | 'outside'

export type Outcome =
  | { readonly kind: 'forward'; readonly to: Side; readonly bytes: Uint8Array }
  | { readonly kind: 'drop'; readonly why: string }
  /** A fragment: its packet comes with the last of them. */
  | { readonly kind: 'wait' }

export interface TranslatorOptions {
  /** Its public addresses; several make a pool. Unused without `nat`. */
  readonly addresses: readonly string[]
  readonly nat?: NatBehaviour
  /** Without `nat` nothing is translated, and this decides what comes in. `stateful` when absent. */
  readonly firewall?: FirewallBehaviour
}

/**
 * The kernel forwards each packet twice, into one TUN device and out of the other, and takes one from its time to live
 * each time; a router is one hop, so one is given back. Whatever would die here has died in the kernel before, which has
 * told the sender so (ICMP time exceeded), and no mapping was made for it: as on Linux.
 */
const KERNEL_HOPS = 2

export class Translator {
  /** Drops every UDP packet, as some office networks do. */
  isBlockingUdp = false
  /** Drops what goes to any other TCP port, where it is set. */
  onlyTcpPort: number | undefined
  readonly #nat: Nat | undefined
  readonly #firewall: Firewall
  readonly #others = new Masquerade()
  /** For errors alone: what went through the NAT, which itself must not take an error for traffic. */
  readonly #udpFlows = new FlowTable()
  readonly #fragments = { inside: new Reassembler(), outside: new Reassembler() }
  #addresses: readonly string[]

  constructor({ addresses, nat, firewall }: TranslatorOptions, random: Random) {
    this.#addresses = addresses
    this.#nat = nat && new Nat(nat, addresses, random)
    this.#firewall = new Firewall(firewall ?? { inbound: 'stateful' })
  }

  get mappingCount(): number {
    return this.#nat?.mappingCount ?? 0
  }

  /** All mappings and flows are gone; the addresses may be new ones. */
  reboot(addresses: readonly string[] = this.#addresses): void {
    this.#addresses = addresses
    this.#nat?.reboot(addresses)
    this.#firewall.reboot()
    this.#others.clear()
    this.#udpFlows.clear()
  }

  /** UDP to and from these hosts is as if it had never been. */
  forgetRemotes(addresses: ReadonlySet<string>): void {
    this.#nat?.forgetRemotes(addresses)
    this.#firewall.forgetRemotes(addresses)
  }

  /** A packet as it was read from the device on this side. */
  handle(now: number, side: Side, bytes: Uint8Array): Outcome {
    const decodedPacket = decodeIpv4(bytes)
    if (!decodedPacket.ok) return drop(`malformed: ${decodedPacket.why}`)
    const packet = this.#fragments[side].add(now, decodedPacket.value)
    if (packet === undefined) return { kind: 'wait' }
    if (side === 'outside' && this.#nat !== undefined && !this.#nat.owns(packet.destination)) {
      return drop('not-our-address')
    }
    if (packet.protocol === PROTOCOLS.icmp) return this.#handleIcmp(now, side, packet)
    const ends = decodeEndpoints(packet)
    if (!ends.ok) return drop(`malformed: ${ends.why}`)
    if (packet.protocol === PROTOCOLS.udp) return this.#handleUdp(now, side, packet, ends.value)
    if (side === 'inside' && this.#isForbidden(packet, ends.value)) return drop('tcp-blocked')
    return forwarded(side, this.#masqueraded(now, side, packet, ends.value), (translated) =>
      readdressed(packet, translated),
    )
  }

  #isForbidden({ protocol }: Ipv4Packet, { to }: Endpoints): boolean {
    const { onlyTcpPort = to.port } = this
    return protocol === PROTOCOLS.tcp && to.port !== onlyTcpPort
  }

  #handleUdp(now: number, side: Side, packet: Ipv4Packet, ends: Endpoints): Outcome {
    if (this.isBlockingUdp) return drop('udp-blocked')
    if (this.#nat === undefined) return this.#handleThroughFirewall(now, side, packet, ends)
    const isHairpin = side === 'inside' && this.#nat.owns(ends.to.address)
    const result = this.#translated(now, this.#nat, side, {
      ...ends,
      bytes: packet.payload,
      ttl: packet.ttl,
      origin: packet.source,
    })
    if (result.kind === 'dropped') return drop(result.why)
    if (!isHairpin) this.#noteUdpFlow(now, side, ends, result.packet)
    const to = side === 'inside' && !isHairpin ? 'outside' : 'inside'
    return forward(to, readdressed(packet, result.packet))
  }

  #translated(now: number, nat: Nat, side: Side, packet: Parameters<Nat['inbound']>[1]): NatResult {
    if (side === 'outside') return nat.inbound(now, packet)
    return nat.owns(packet.to.address) ? nat.hairpin(now, packet) : nat.outbound(now, packet)
  }

  #noteUdpFlow(now: number, side: Side, before: Endpoints, after: Endpoints): void {
    const [inside, outside, remote] =
      side === 'inside' ? [before.from, after.from, before.to] : [after.to, before.to, before.from]
    this.#udpFlows.remember(now, { protocol: PROTOCOLS.udp, inside, outside, remote })
  }

  #handleThroughFirewall(now: number, side: Side, packet: Ipv4Packet, ends: Endpoints): Outcome {
    const whole = { ...ends, bytes: packet.payload, ttl: packet.ttl, origin: packet.source }
    if (side === 'inside') this.#firewall.noteOutbound(now, whole)
    else if (!this.#firewall.admits(now, whole)) return drop('filtered')
    this.#noteUdpFlow(now, side, ends, ends)
    return forward(other(side), packet)
  }

  #handleIcmp(now: number, side: Side, packet: Ipv4Packet): Outcome {
    const message = decodeIcmp(packet)
    if (!message.ok) return drop(`malformed: ${message.why}`)
    if (message.value.kind === 'error') {
      return this.#handleError(now, side, packet, message.value.about)
    }
    const { kind, identifier } = message.value
    const isRequest = kind === 'echo-request'
    const ends: Endpoints = {
      from: end(packet.source, isRequest ? identifier : 0),
      to: end(packet.destination, isRequest ? 0 : identifier),
    }
    if (isRequest !== (side === 'inside')) return drop('unsolicited-echo')
    return forwarded(side, this.#masqueraded(now, side, packet, ends), (translated) =>
      readdressedEcho(packet, translated),
    )
  }

  #handleError(now: number, side: Side, packet: Ipv4Packet, about: Quoted): Outcome {
    const { protocol, from, to } = about
    if (side === 'outside') {
      const sender =
        protocol === PROTOCOLS.udp
          ? this.#udpFlows.findInward(now, protocol, from, to)?.inside
          : this.#others.flowOutside(now, protocol, about)
      if (sender === undefined) return drop('error-about-nothing')
      const receiver = { source: packet.source, destination: sender.address }
      return forward('inside', readdressedError(packet, receiver, { from: sender, to }))
    }
    const target =
      protocol === PROTOCOLS.udp
        ? this.#udpFlows.findOutward(now, protocol, to, from)?.outside
        : this.#others.flowInside(now, protocol, about)
    if (target === undefined) return drop('error-about-nothing')
    const receiver = { source: target.address, destination: from.address }
    return forward('outside', readdressedError(packet, receiver, { from, to: target }))
  }

  /** TCP and echoes. */
  #masqueraded(
    now: number,
    side: Side,
    { protocol }: Ipv4Packet,
    ends: Endpoints,
  ): Endpoints | undefined {
    if (side === 'outside') {
      const isOpen = this.#nat === undefined && this.#firewall.behaviour.inbound === 'open'
      return isOpen ? ends : this.#others.inbound(now, protocol, ends)
    }
    if (this.#nat === undefined) return this.#others.outbound(now, protocol, ends, undefined)
    if (this.#nat.owns(ends.to.address)) return undefined // nothing of ours hairpins TCP
    return this.#others.outbound(now, protocol, ends, this.#addresses[0])
  }
}

function forwarded(
  side: Side,
  ends: Endpoints | undefined,
  translate: (ends: Endpoints) => Ipv4Packet,
): Outcome {
  return ends === undefined ? drop('filtered') : forward(other(side), translate(ends))
}

function forward(to: Side, packet: Ipv4Packet): Outcome {
  return {
    kind: 'forward',
    to,
    bytes: encodeIpv4({ ...packet, ttl: packet.ttl + KERNEL_HOPS - 1 }),
  }
}

function drop(why: string): Outcome {
  return { kind: 'drop', why }
}

function other(side: Side): Side {
  return side === 'inside' ? 'outside' : 'inside'
}

function end(address: string, port: number): Endpoint {
  return { family: 4, address, port }
}
