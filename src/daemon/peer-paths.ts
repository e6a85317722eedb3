/**
 * The ways to one peer in one session: the relay's channel and what the path agent finds, as one thing that carries
 * datagrams. It tells which way is chosen; what travels is its owner's business.
 */
import { equalBytes, copyOf } from '../core/bytes.ts'
import { datagramKind } from '../core/datagram-kind.ts'
import { type Endpoint, keyOf } from '../core/endpoint.ts'
import { earliest, type Instant, instant } from '../core/instant.ts'
import { forEachDatagram, type SocketId, type Transmit } from '../core/machine.ts'
import { OutboundQueue } from '../core/outbound-queue.ts'
import type { Random } from '../core/random.ts'
import type { Identity } from '../crypto/identity.ts'
import type { ChannelId } from '../protocol/relay/frames.ts'
import type { Candidate, RelayGrant } from '../protocol/server/messages.ts'
import type { NatProfile } from '../protocol/server/nat-profile.ts'
import type { AddressPurses } from '../traversal/address-purses.ts'
import type { SocketEvent } from '../traversal/attempt.ts'
import { mayProbe, type PathPolicy, Surroundings } from '../traversal/candidate.ts'
import type { Path } from '../traversal/path.ts'
import { PathAgent, type PathAgentEvent } from '../traversal/path-agent.ts'
import type { PathEvent } from '../traversal/path-selection.ts'
import type { PathReport } from '../traversal/path-report.ts'
import type { NetworkSilences } from '../traversal/idle-interval.ts'
import type { PunchBudget } from '../traversal/punch-budget.ts'
import type { ProbeRole, ProbeTag } from '../traversal/probe.ts'
import { hasVanished } from './peer-offer.ts'
import type { RelayTransport } from '../traversal/relay-access.ts'
import type { RelayStreams } from '../traversal/relay-streams.ts'
import { Doubling } from './peer-doubling.ts'
import { PeerRelay, type PeerRelayEvent } from './peer-relay.ts'

export interface PeerPathsOptions {
  readonly session: Uint8Array
  readonly role: ProbeRole
  readonly policy: PathPolicy
  readonly identity: Identity
  readonly random: Random
  /** Of all sessions: what strangers may still be sent. */
  readonly purses: AddressPurses
  /** Of all sessions: TLS streams to relays. */
  readonly streams: RelayStreams
  /** Of all sessions: what guessing at ports may still cost. */
  readonly budget: PunchBudget
  /** Of all sessions: what silences do to paths out of this network. */
  readonly silences: NetworkSilences
  /** Who the budget counts for. */
  readonly peer: string
}

/** The agent's report, how the relay is reached where it is the relay, and what the peer said of its NAT. */
export type PeerPathReport = PathReport & {
  readonly relay: RelayTransport | undefined
  readonly nat: NatProfile | undefined
}

export type PeerPathsEvent =
  /** Send there from now on. */
  | { readonly kind: 'selected'; readonly path: Path; readonly rttMs: number | undefined }
  /** A direct path died: what we offered may not be true any more. */
  | { readonly kind: 'direct-lost' }
  /** The network was silent and is back, and there is no direct path: what we offered may not be true any more. */
  | { readonly kind: 'revived' }
  /** Once for all that one change did. */
  | { readonly kind: 'changed'; readonly report: PeerPathReport }
  /** A connection's packet that came through the relay. The bytes are lent until the next change. */
  | { readonly kind: 'packet'; readonly path: Path; readonly bytes: Uint8Array }
  | { readonly kind: 'ticket-refused' }
  | { readonly kind: 'relay-unreachable'; readonly relayId: Uint8Array }
  /** What `ping` asked was answered. */
  | { readonly kind: 'pong'; readonly rttMs: number }
  | SocketEvent

/** Half of the shortest mapping lifetime that is common. */
const DOUBTED_AFTER_MS = 15_000

export class PeerPaths {
  readonly #options: PeerPathsOptions
  readonly #relay: PeerRelay
  readonly #doubling = new Doubling()
  readonly #events = new OutboundQueue<PeerPathsEvent>()
  #agent: PathAgent | undefined
  #local: readonly Candidate[] = []
  #remote: readonly Candidate[] = [] // ≤ MAX_CANDIDATES, as the decoder made sure
  #localNat: NatProfile | undefined
  #remoteNat: NatProfile | undefined
  #stunServer: Endpoint | undefined
  readonly #sockets = new Set<SocketId>() // ≤ 256 of an attempt, and what the last one left
  #ticket: Uint8Array | undefined
  #path: Path | undefined
  #rttMs: number | undefined
  #heardDirectly = 0
  #heardByRelay = 0
  #told = ''
  /** Of the last change: what is polled belongs to it. */
  #now = instant(0)
  #namesVersion = 0

  constructor(options: PeerPathsOptions) {
    this.#options = options
    this.#relay = new PeerRelay(options)
  }

  /** Rises whenever `probeTag` or `channels` may have changed. */
  get namesVersion(): number {
    return this.#namesVersion
  }

  get probeTag(): ProbeTag | undefined {
    return this.#agent?.probeTag
  }

  get channels(): readonly ChannelId[] {
    return this.#relay.channels
  }

  /** Whether a relay frame that names no channel may be an answer to ours. */
  isBindingAt(from: Endpoint, via: SocketId | undefined): boolean {
    return this.#relay.isBindingAt(from, via)
  }

  /** The chosen one. */
  get path(): Path | undefined {
    return this.#path
  }

  get isDirect(): boolean {
    return this.#path !== undefined && this.#path.via !== this.#relay.socket
  }

  /** The peer shows himself on the chosen path; it is asked for the next sign of life then. */
  get vouchedUntil(): Instant | undefined {
    return this.#agent?.vouchedUntil
  }

  /** There is no direct path, and nobody forbids one. */
  get isDirectWanted(): boolean {
    return this.#options.policy === 'auto' && this.#remote.length > 0 && !this.isDirect
  }

  /** Whether anything authentic ever came from the peer, by whichever way. */
  get wasHeard(): boolean {
    const packets = this.#agent?.report().packets
    return packets !== undefined && packets.requestsHeard + packets.answersHeard > 0
  }

  /** How many packets of the connection came the way that ours go. */
  get heardOnPath(): number {
    return this.isDirect ? this.#heardDirectly : this.#heardByRelay
  }

  /** Whether the policy lets a direct path lead there. A packet that proves itself may come from anywhere else. */
  allows(remote: Endpoint): boolean {
    const { policy } = this.#options
    return policy === 'auto' || mayProbe(remote, new Surroundings(this.#local), policy)
  }

  get report(): PeerPathReport | undefined {
    const report = this.#agent?.report()
    const nat = this.#remoteNat
    if (report?.kind !== 'relay') return report && { ...report, relay: undefined, nat }
    const { transport, remote } = this.#relay
    return { ...report, remote: remote ?? report.remote, relay: transport, nat }
  }

  /** The peer's key is known: probes can be told from forgeries, and the search may begin. */
  learn(key: Uint8Array): void {
    const { role, policy, random, purses, budget, silences, peer } = this.#options
    const local = this.#local
    const shared = { random, purses, budget, silences }
    this.#agent = new PathAgent({ role, key, policy, local, peer, ...shared })
    this.#agent.setStunServer(this.#stunServer)
    this.#namesVersion += 1
  }

  setLocal(now: Instant, candidates: readonly Candidate[]): void {
    this.#local = candidates
    this.#agent?.setLocal(now, candidates)
    this.#settle(now)
  }

  /** What is known of our NAT, as the peer was or will be told. */
  setLocalNat(now: Instant, nat: NatProfile | undefined): void {
    this.#localNat = nat
    this.#tellNats(now)
  }

  setStunServer(server: Endpoint | undefined): void {
    this.#stunServer = server
    this.#agent?.setStunServer(server)
  }

  socketOpened(now: Instant, socket: SocketId, local: Endpoint): void {
    this.#agent?.socketOpened(now, socket, local)
    this.#settle(now)
  }

  socketRefused(now: Instant, socket: SocketId): void {
    this.#agent?.socketRefused(now, socket)
    this.#settle(now)
  }

  handleStun(now: Instant, from: Endpoint, bytes: Uint8Array, via: SocketId): void {
    this.#agent?.handleStun(now, from, bytes, via)
    this.#settle(now)
  }

  /** What the peer's NAT does, as he says. */
  setRemoteNat(now: Instant, nat: NatProfile | undefined): void {
    this.#remoteNat = nat
    this.#tellNats(now)
  }

  /** What the peer offers now. Where an address has vanished the peer has moved, and nothing is believed any more. */
  setRemote(now: Instant, candidates: readonly Candidate[]): void {
    if (hasVanished(this.#remote, candidates)) this.#agent?.networkChanged(now)
    this.#remote = candidates
    this.#agent?.setRemote(now, candidates)
    this.#settle(now)
  }

  /** Binds at the relay, if the ticket is a new one. */
  grant(now: Instant, { endpoint, ticket }: RelayGrant): void {
    if (this.#ticket !== undefined && equalBytes(this.#ticket, ticket)) return
    this.#ticket = copyOf(ticket)
    this.#relay.grant(now, { endpoint, ticket: this.#ticket })
    this.#settle(now)
  }

  /** The moment when both sides begin to punch. */
  start(now: Instant, startInMs: number): void {
    this.#agent?.start(now, startInMs)
    this.#settle(now)
  }

  /** Nothing about our side of the network is as it was. */
  networkChanged(now: Instant): void {
    this.#agent?.networkChanged(now)
    this.#relay.rebind(now)
    this.#settle(now)
  }

  /** Timers were late by so much: nothing is concluded from what was not heard meanwhile. */
  handleTimeJump(byMs: number): void {
    this.#agent?.handleTimeJump(byMs)
  }

  /** Asks the peer for a sign of life by the chosen path; false where there is none. */
  ping(now: Instant): boolean {
    const isAsked = this.#agent?.ping(now) === true
    this.#settle(now)
    return isAsked
  }

  /**
   * A message was sent or received: the path is watched closely for a while. After a long silence its NATs may have
   * forgotten it; nobody should wait to find out.
   */
  dataFlowed(now: Instant): void {
    if (this.isDirect && (this.#agent?.quietMs(now) ?? 0) > DOUBTED_AFTER_MS) {
      this.#doubling.begin(now, this.#rttMs)
    }
    this.#agent?.dataFlowed(now)
    this.#settle(now)
  }

  /** The chosen path takes our packets and brings nothing back. */
  pathStalled(now: Instant): void {
    if (this.isDirect) this.#agent?.pathStalled(now)
    else this.#relay.check(now)
    this.#settle(now)
  }

  /** UDP brings something where it brought nothing before. */
  udpHeard(now: Instant): void {
    this.#relay.udpHeard(now)
    this.#agent?.udpHeard(now)
    this.#settle(now)
  }

  /** A TLS stream to a relay was opened, or is gone. */
  relayStreamsChanged(now: Instant): void {
    this.#relay.streamsChanged(now)
    this.#settle(now)
  }

  /** A packet of the connection came by this path. */
  noteHeard(now: Instant, { via }: Path): void {
    this.#now = now
    if (via === this.#relay.socket) {
      this.#heardByRelay += 1
    } else {
      this.#heardDirectly += 1
      this.#doubling.heard(now)
    }
  }

  /** The search is over. The relay still carries what is on its way. */
  stopSearching(now: Instant): void {
    this.#agent = undefined
    this.#relay.retire(now)
    for (const socket of this.#sockets) this.#events.push({ kind: 'socket-unwanted', socket })
    this.#sockets.clear()
    this.#namesVersion += 1
  }

  handleProbe(now: Instant, from: Endpoint, bytes: Uint8Array, via?: SocketId): void {
    this.#agent?.handleDatagram(now, from, bytes, via)
    this.#settle(now)
  }

  handleRelayFrame(now: Instant, from: Endpoint, bytes: Uint8Array, via?: SocketId): void {
    this.#relay.handleDatagram(now, from, bytes, via)
    this.#settle(now)
  }

  handleTimeout(now: Instant): void {
    this.#relay.handleTimeout(now)
    this.#agent?.handleTimeout(now)
    this.#settle(now)
  }

  /** The next datagram of its own, or of `more`, that the network is to carry: what goes by the relay is wrapped. */
  pollTransmit(more: () => Transmit | undefined): Transmit | undefined {
    for (;;) {
      const ready = this.#relay.pollTransmit()
      if (ready !== undefined) return ready
      const own = this.#agent?.pollTransmit()
      const transmit = own ?? more()
      if (transmit?.via === this.#relay.socket) this.#sendByRelay(transmit)
      else {
        if (transmit !== undefined && own === undefined) this.#double(transmit)
        return transmit
      }
    }
  }

  pollEvent(): PeerPathsEvent | undefined {
    return this.#events.shift()
  }

  pollTimeout(): Instant | undefined {
    return earliest(this.#relay.pollTimeout(), this.#agent?.pollTimeout())
  }

  #sendByRelay({ bytes, segmentBytes }: Transmit): void {
    forEachDatagram(bytes, segmentBytes, (datagram) => this.#relay.send(datagram))
  }

  /** A packet of the connection goes directly: perhaps by the relay, too. */
  #double({ bytes, segmentBytes }: Transmit): void {
    forEachDatagram(bytes, segmentBytes, (datagram) => {
      if (this.#doubling.takes(this.#now)) this.#relay.send(datagram)
    })
  }

  #settle(now: Instant): void {
    this.#now = now
    let isChanged = false
    for (;;) {
      const relayed = this.#relay.pollEvent()
      if (relayed !== undefined) this.#handleRelayEvent(now, relayed)
      const found = this.#agent?.pollEvent()
      if (found !== undefined) isChanged = this.#handleAgentEvent(found) || isChanged
      isChanged ||= relayed?.kind === 'ready'
      if (relayed === undefined && found === undefined) break
    }
    if (isChanged) this.#tell()
  }

  #handleRelayEvent(now: Instant, event: PeerRelayEvent): void {
    switch (event.kind) {
      case 'ready':
        this.#namesVersion += 1
        this.#agent?.relayReady(now, event.path)
        return
      case 'lost':
        this.#namesVersion += 1
        this.#agent?.relayLost(now)
        return
      case 'ticket-refused':
      case 'relay-unreachable':
        this.#events.push(event)
        return
      case 'datagram':
        this.#handleRelayed(now, event.path, event.bytes)
        return
    }
  }

  // Nothing but the peer's own two protocols travels inside a relay frame.
  #handleRelayed(now: Instant, path: Path, bytes: Uint8Array): void {
    const kind = datagramKind(bytes)
    if (kind === 'connection') this.#events.push({ kind: 'packet', path, bytes })
    else if (kind === 'probe') this.#agent?.handleDatagram(now, path.to, bytes, path.via)
  }

  /** Whether it changed the path. */
  #handleAgentEvent(event: PathAgentEvent): boolean {
    if (event.kind === 'path-selected' || event.kind === 'path-lost') {
      this.#handlePathEvent(event)
      return true
    }
    if (event.kind === 'pong' || event.kind === 'revived') {
      this.#events.push(event)
      return false
    }
    if (event.kind === 'socket-wanted') this.#sockets.add(event.socket)
    else this.#sockets.delete(event.socket)
    this.#events.push(event)
    return false
  }

  #handlePathEvent(event: PathEvent): void {
    if (event.kind === 'path-selected') {
      const wasRelayed = this.#path !== undefined && !this.isDirect
      if (wasRelayed && event.pathKind !== 'relay') this.#doubling.begin(this.#now, event.rttMs)
      if (event.pathKind === 'relay') this.#doubling.end()
      this.#path = event.path
      this.#rttMs = event.rttMs
      this.#events.push({ kind: 'selected', path: event.path, rttMs: event.rttMs })
    } else {
      this.#path = undefined
      if (event.pathKind !== 'relay') this.#events.push({ kind: 'direct-lost' })
    }
  }

  #tellNats(now: Instant): void {
    this.#agent?.setNats(now, { local: this.#localNat, remote: this.#remoteNat })
    this.#settle(now)
  }

  #tell(): void {
    const { report } = this
    if (report === undefined) return
    const where = report.remote === undefined ? '' : keyOf(report.remote)
    const told = `${report.kind} ${report.relay ?? ''} ${where}`
    if (told === this.#told) return
    this.#told = told
    this.#events.push({ kind: 'changed', report })
  }
}
