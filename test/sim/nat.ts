/**
 * A NAT as RFC 4787 describes one: mapping, filtering, port allocation, lifetimes, hairpinning, pooling; and the
 * misbehaviour of real ones that hole punching must cope with. Packets in, packets out, time handed in.
 */
import { type Endpoint, type EndpointKey, keyOf } from '../../src/core/endpoint.ts'
import { integerBetween, type Random } from '../../src/core/random.ts'
import type { Packet } from './packet.ts'
import { type PortAllocation, PortAllocator } from './port-allocator.ts'

/** RFC 4787 §4.1 and §5: on what of the outside endpoint a mapping, or the filter, depends. */
export type Dependence = 'endpoint-independent' | 'address-dependent' | 'address-and-port-dependent'

export interface NatBehaviour {
  readonly mapping: Dependence
  readonly filtering: Dependence
  /** `preserve` when absent. */
  readonly ports?: PortAllocation
  /** How long a mapping that has seen a reply lives without traffic; 120 s when absent. */
  readonly lifetimeMs?: number
  /** The same for one that never saw a reply; 30 s when absent, as on Linux. */
  readonly unrepliedMs?: number
  /** Does a packet from outside keep a mapping alive (RFC 4787 REQ-6)? True when absent. */
  readonly isRefreshedByInbound?: boolean
  /** A mapping dies at this age, used or not, as with some carriers. */
  readonly absoluteLifetimeMs?: number
  /** What a host behind sees as the source of a hairpinned packet; `off` drops it. `off` when absent. */
  readonly hairpin?: 'off' | 'external-source' | 'internal-source'
  /**
   * Linux masquerade whose INPUT chain accepts: a packet from outside that nothing asked for is taken by the router
   * itself, and from then on its outside port is not free towards that sender: the inside host gets another one.
   */
  readonly isPoisonable?: boolean
  /** A sender of an unsolicited packet is refused for so long, whatever is asked for later. */
  readonly blocksUnsolicitedMs?: number
  /** With several addresses: does an inside host keep one (`paired`) or get any? `paired` when absent. */
  readonly pooling?: 'paired' | 'arbitrary'
  /** A port may be given again for another destination, as on Linux and most carriers' NATs. Only where mapping is by port. */
  readonly overlapsPorts?: boolean
  readonly maxMappings?: number
  /** What a full table does with a new mapping; `drop` when absent. */
  readonly whenFull?: 'drop' | 'evict-oldest'
}

export type NatDrop = 'no-mapping' | 'filtered' | 'blocked' | 'table-full' | 'no-hairpin'

export type NatResult =
  | { readonly kind: 'passed'; readonly packet: Packet }
  | { readonly kind: 'dropped'; readonly why: NatDrop }

/** One flow through a mapping: what the filter knows about one outside endpoint. */
interface Session {
  readonly remote: Endpoint
  isReplied: boolean
  sentAt: number
  expiresAt: number
}

interface Mapping {
  readonly key: string
  readonly inside: Endpoint
  readonly outside: Endpoint
  /** Under which packets from outside find it. */
  readonly outsideKey: string
  readonly createdAt: number
  expiresAt: number
  readonly sessions: Map<EndpointKey, Session>
}

const LIFETIME_MS = 120_000
const UNREPLIED_MS = 30_000

export class Nat {
  readonly behaviour: NatBehaviour
  readonly #random: Random
  readonly #byKey = new Map<string, Mapping>() // ≤ maxMappings; in order of age
  readonly #byOutside = new Map<string, Mapping>()
  readonly #pairedAddress = new Map<string, string>()
  readonly #poisonedUntil = new Map<string, number>()
  readonly #blockedUntil = new Map<string, number>()
  #allocators = new Map<string, PortAllocator>()
  #addresses: readonly string[]

  constructor(behaviour: NatBehaviour, addresses: readonly string[], random: Random) {
    this.behaviour = behaviour
    this.#addresses = addresses
    this.#random = random
  }

  get mappingCount(): number {
    return this.#byKey.size
  }

  /** Forgets everything, as a power cut does; with other addresses, where given. */
  reboot(addresses: readonly string[] = this.#addresses): void {
    this.#addresses = addresses
    this.#allocators = new Map()
    for (const table of [this.#byKey, this.#byOutside, this.#pairedAddress]) table.clear()
    this.#poisonedUntil.clear()
    this.#blockedUntil.clear()
  }

  /** Forgets what went to or came from these hosts, as after a long silence; mappings that others keep alive stay. */
  forgetRemotes(addresses: ReadonlySet<string>): void {
    for (const mapping of [...this.#byKey.values()]) {
      for (const [key, { remote }] of [...mapping.sessions]) {
        if (addresses.has(remote.address)) mapping.sessions.delete(key)
      }
      if (mapping.sessions.size === 0) this.#remove(mapping)
    }
    for (const address of addresses) this.#blockedUntil.delete(address)
  }

  owns(address: string): boolean {
    return this.#addresses.includes(address)
  }

  outbound(now: number, packet: Packet): NatResult {
    const mapping = this.#mappingTowards(now, packet)
    if (mapping === undefined) return { kind: 'dropped', why: 'table-full' }
    const session = this.#sessionOf(mapping, packet.to)
    session.sentAt = now
    this.#refresh(now, mapping, session)
    return { kind: 'passed', packet: { ...packet, from: mapping.outside } }
  }

  inbound(now: number, packet: Packet): NatResult {
    if ((this.#blockedUntil.get(packet.from.address) ?? 0) > now) return dropped('blocked')
    const mapping = this.#live(now, this.#byOutside.get(this.#outsideKey(packet.to, packet.from)))
    if (mapping === undefined || !this.#admits(now, mapping, packet.from)) {
      this.#handleUnsolicited(now, packet)
      return dropped(mapping === undefined ? 'no-mapping' : 'filtered')
    }
    this.#noteReply(now, mapping, packet.from)
    return { kind: 'passed', packet: { ...packet, to: mapping.inside } }
  }

  /** From inside to one of our own outside addresses. */
  hairpin(now: number, packet: Packet): NatResult {
    const { hairpin = 'off' } = this.behaviour
    if (hairpin === 'off') return dropped('no-hairpin')
    const out = this.outbound(now, packet)
    if (out.kind === 'dropped') return out
    const back = this.inbound(now, out.packet)
    if (back.kind === 'dropped' || hairpin === 'external-source') return back
    return { kind: 'passed', packet: { ...back.packet, from: packet.from } }
  }

  #mappingTowards(now: number, { from, to }: Packet): Mapping | undefined {
    const key = mappingKey(this.behaviour.mapping, from, to)
    const exceptional = this.#live(now, this.#byKey.get(`${key} towards ${keyOf(to)}`))
    if (exceptional !== undefined) return exceptional
    const mapping = this.#live(now, this.#byKey.get(key)) ?? this.#create(now, key, from, to)
    if (mapping === undefined || !this.#isPoisonedTowards(now, mapping, to)) return mapping
    return this.#create(now, `${key} towards ${keyOf(to)}`, from, to, true)
  }

  #create(
    now: number,
    key: string,
    inside: Endpoint,
    to: Endpoint,
    isPoisoned = false,
  ): Mapping | undefined {
    if (!this.#makeRoom(now)) return undefined
    const address = this.#outsideAddress(inside.address)
    const port = this.#allocator(address).allocate({
      insideAddress: inside.address,
      insidePort: inside.port,
      isFree: (candidate) =>
        this.#isFree(now, { ...inside, address, port: candidate }, to, isPoisoned),
    })
    if (port === undefined) return undefined
    const outside: Endpoint = { family: inside.family, address, port }
    const outsideKey = this.#outsideKey(outside, to)
    const times = { createdAt: now, expiresAt: now }
    const mapping = { key, inside, outside, outsideKey, ...times, sessions: new Map() }
    this.#byKey.set(key, mapping)
    this.#byOutside.set(outsideKey, mapping)
    return mapping
  }

  #isFree(now: number, outside: Endpoint, towards: Endpoint, isPoisoned: boolean): boolean {
    const taken = this.#byOutside.get(this.#outsideKey(outside, towards))
    if (this.#live(now, taken) !== undefined) return false
    return !isPoisoned || !this.#isPoisoned(now, outside, towards)
  }

  #outsideKey(outside: Endpoint, remote: Endpoint): string {
    const { overlapsPorts = false, mapping } = this.behaviour
    const isByFlow = overlapsPorts && mapping === 'address-and-port-dependent'
    return isByFlow ? flowKey(outside, remote) : keyOf(outside)
  }

  #makeRoom(now: number): boolean {
    const { maxMappings = Infinity, whenFull = 'drop' } = this.behaviour
    if (this.#byKey.size < maxMappings) return true
    for (const mapping of [...this.#byKey.values()]) this.#live(now, mapping)
    if (this.#byKey.size < maxMappings) return true
    const [oldest] = this.#byKey.values()
    if (whenFull === 'drop' || oldest === undefined) return false
    this.#remove(oldest)
    return true
  }

  /** The mapping, unless its time is over: then it goes. */
  #live(now: number, mapping: Mapping | undefined): Mapping | undefined {
    if (mapping === undefined) return undefined
    const { absoluteLifetimeMs = Infinity } = this.behaviour
    const isNew = mapping.createdAt === now
    if (isNew || (mapping.expiresAt > now && now < mapping.createdAt + absoluteLifetimeMs)) {
      return mapping
    }
    this.#remove(mapping)
    return undefined
  }

  #remove(mapping: Mapping): void {
    if (this.#byKey.get(mapping.key) === mapping) this.#byKey.delete(mapping.key)
    const { outsideKey } = mapping
    if (this.#byOutside.get(outsideKey) === mapping) this.#byOutside.delete(outsideKey)
  }

  #sessionOf(mapping: Mapping, remote: Endpoint): Session {
    const key = keyOf(remote)
    const known = mapping.sessions.get(key)
    if (known !== undefined) return known
    const session = { remote, isReplied: false, sentAt: 0, expiresAt: 0 }
    mapping.sessions.set(key, session)
    return session
  }

  #admits(now: number, mapping: Mapping, from: Endpoint): boolean {
    switch (this.behaviour.filtering) {
      case 'endpoint-independent':
        return true
      case 'address-dependent': {
        const prefix = keyOf({ ...from, port: 0 }).slice(0, -1)
        for (const [remote, { expiresAt }] of mapping.sessions) {
          if (expiresAt > now && remote.startsWith(prefix)) return true
        }
        return false
      }
      case 'address-and-port-dependent':
        return (mapping.sessions.get(keyOf(from))?.expiresAt ?? 0) > now
    }
  }

  #noteReply(now: number, mapping: Mapping, from: Endpoint): void {
    const { isRefreshedByInbound = true } = this.behaviour
    const session = mapping.sessions.get(keyOf(from))
    if (session === undefined) {
      // A stranger whom the filter lets in.
      if (isRefreshedByInbound) this.#refresh(now, mapping)
      return
    }
    session.isReplied = true
    this.#refresh(isRefreshedByInbound ? now : session.sentAt, mapping, session)
  }

  #refresh(from: number, mapping: Mapping, session?: Session): void {
    const expiresAt = from + this.#lifetimeMs(session)
    if (session !== undefined) session.expiresAt = expiresAt
    mapping.expiresAt = Math.max(mapping.expiresAt, expiresAt)
  }

  #lifetimeMs(session?: Session): number {
    const { lifetimeMs = LIFETIME_MS, unrepliedMs = UNREPLIED_MS } = this.behaviour
    return session?.isReplied === false ? Math.min(lifetimeMs, unrepliedMs) : lifetimeMs
  }

  #handleUnsolicited(now: number, { from, to }: Packet): void {
    const { isPoisonable = false, blocksUnsolicitedMs, unrepliedMs = UNREPLIED_MS } = this.behaviour
    if (isPoisonable) this.#poisonedUntil.set(flowKey(to, from), now + unrepliedMs)
    if (blocksUnsolicitedMs !== undefined) {
      this.#blockedUntil.set(from.address, now + blocksUnsolicitedMs)
    }
  }

  // A flow that stood before the unsolicited packet came keeps its port: that is what an opener is for.
  #isPoisonedTowards(now: number, mapping: Mapping, to: Endpoint): boolean {
    const session = mapping.sessions.get(keyOf(to))
    const stands = session !== undefined && session.expiresAt > now
    return !stands && this.#isPoisoned(now, mapping.outside, to)
  }

  #isPoisoned(now: number, outside: Endpoint, towards: Endpoint): boolean {
    return (this.#poisonedUntil.get(flowKey(outside, towards)) ?? 0) > now
  }

  #outsideAddress(inside: string): string {
    const any = (): string => {
      const chosen = this.#addresses[integerBetween(this.#random, 0, this.#addresses.length - 1)]
      if (chosen === undefined) throw new Error('A NAT needs an outside address')
      return chosen
    }
    if (this.behaviour.pooling === 'arbitrary') return any()
    const paired = this.#pairedAddress.get(inside) ?? any()
    this.#pairedAddress.set(inside, paired)
    return paired
  }

  #allocator(address: string): PortAllocator {
    const known = this.#allocators.get(address)
    if (known !== undefined) return known
    const made = new PortAllocator(this.behaviour.ports ?? { kind: 'preserve' }, this.#random)
    this.#allocators.set(address, made)
    return made
  }
}

function dropped(why: NatDrop): NatResult {
  return { kind: 'dropped', why }
}

function flowKey(outside: Endpoint, remote: Endpoint): string {
  return `${keyOf(outside)} ${keyOf(remote)}`
}

function mappingKey(mapping: Dependence, inside: Endpoint, to: Endpoint): string {
  switch (mapping) {
    case 'endpoint-independent':
      return keyOf(inside)
    case 'address-dependent':
      return `${keyOf(inside)} ${to.address}`
    case 'address-and-port-dependent':
      return `${keyOf(inside)} ${keyOf(to)}`
  }
}
