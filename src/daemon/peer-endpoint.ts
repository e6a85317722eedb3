/**
 * The daemon's one UDP port as a machine: tells STUN, relay frames, probes and packets apart, hands each to the session
 * it names, and keeps the table of peers. The whole client below its store is in here and has no I/O, so it runs in
 * simulated worlds as it is.
 *
 *     introduce(peer) ──► introduce-wanted ──► (server) ──► introduced ──► punching, relay, handshake ──► peer-connected
 *
 * There is one session with a peer at most. An introduction that arrives for a peer who has one takes its place, since
 * whoever asks anew has lost the old one; only where both sides ask each other at the same moment does the session with
 * the lower id stay, on both sides.
 */
import { copyOf } from '../core/bytes.ts'
import { datagramKind } from '../core/datagram-kind.ts'
import type { Endpoint } from '../core/endpoint.ts'
import { HollerError } from '../core/holler-error.ts'
import { after, earliest, type Instant } from '../core/instant.ts'
import type { Machine, SocketId, Transmit } from '../core/machine.ts'
import { OutboundQueue } from '../core/outbound-queue.ts'
import type { Random } from '../core/random.ts'
import type { Identity } from '../crypto/identity.ts'
import type { StaticKey } from '../crypto/static-key.ts'
import type {
  AccountNumber,
  DeviceKeys,
  Introduced,
  RelayOffer,
  Relays,
} from '../protocol/server/messages.ts'
import type { NatProfile } from '../protocol/server/nat-profile.ts'
import { AddressPurses } from '../traversal/address-purses.ts'
import type { PathPolicy } from '../traversal/candidate.ts'
import { type KnownSilences, NetworkSilences } from '../traversal/idle-interval.ts'
import { PunchBudget } from '../traversal/punch-budget.ts'
import { RelayHome } from '../traversal/relay-home.ts'
import { RelayStreams } from '../traversal/relay-streams.ts'
import { MAX_PEER_MESSAGE_BYTES } from './peer-chat.ts'
import type { PeerCloseReason, PeerEndpointEvent } from './peer-events.ts'
import { SESSION_BYTES, sessionKeyOf } from './peer-keys.ts'
import { LocalOffer, type UdpState } from './peer-local-offer.ts'
import type { PeerPathReport } from './peer-paths.ts'
import { ServerTime } from './peer-server-time.ts'
import { PeerSession } from './peer-session.ts'
import type { PeerSessionEvent } from './peer-session-event.ts'
import { MAX_PEERS, PeerTable } from './peer-table.ts'

export interface PeerEndpointOptions {
  readonly identity: Identity
  readonly staticKey: StaticKey
  /** The public halves, as the server publishes them. */
  readonly device: DeviceKeys
  readonly random: Random
  /** Neither prediction nor birthday attempts: plain probes and the relay have to do. */
  readonly isPunchForbidden?: boolean
}

export interface PeerEndpointStats {
  readonly peers: number
  readonly connected: number
  /** What nobody could use, by reason. */
  readonly dropped: Readonly<Record<DropReason, number>>
}

export type DropReason =
  | 'empty'
  | 'unknown-probe'
  | 'unknown-connection'
  /** A connection's packet that came by a path which the peer's policy forbids. */
  | 'forbidden-path'
  | 'unknown-relay-frame'
  /** An introduction that answers nothing, or is malformed. */
  | 'unknown-introduction'
  | 'too-many-peers'

/** Two introductions that cross are answered within this time; what is older has got lost on its way. */
const FRESH_MS = 5_000

/** How long the answer to ours may take, when the peer's own introduction waits for it. */
const DEFERRED_MS = 3_000

/** A peer that restarts is asked anew at once, and no more often than this: who says so may say so for ever. */
const REASK_MS = 30_000

/** The peer's introduction, put off because ours has the lower id. */
interface Deferred {
  readonly message: Introduced
  readonly adoptAt: Instant
}

export class PeerEndpoint implements Machine<PeerEndpointEvent> {
  readonly #options: PeerEndpointOptions
  readonly #serverTime = new ServerTime()
  readonly #offer: LocalOffer
  readonly #table = new PeerTable()
  readonly #purses = new AddressPurses()
  readonly #streams: RelayStreams
  readonly #home: RelayHome
  readonly #budget: PunchBudget
  readonly #silences = new NetworkSilences()
  readonly #sockets = new Map<SocketId, PeerSession>() // ≤ what the sessions' attempts want: see punch-budget.ts
  readonly #policies = new Map<AccountNumber, PathPolicy>() // ≤ the buddy list
  readonly #pinnedStatics = new Map<AccountNumber, Uint8Array>() // ≤ the buddy list
  readonly #reaskedAt = new Map<AccountNumber, Instant>() // ≤ the buddy list
  readonly #deferred = new Map<AccountNumber, Deferred>() // ≤ MAX_PEERS: only beside a session
  readonly #events = new OutboundQueue<PeerEndpointEvent>()
  readonly #dropped: Record<DropReason, number> = {
    empty: 0,
    'unknown-probe': 0,
    'unknown-connection': 0,
    'forbidden-path': 0,
    'unknown-relay-frame': 0,
    'unknown-introduction': 0,
    'too-many-peers': 0,
  }
  #own: AccountNumber | undefined
  #nat: NatProfile | undefined
  #stunServer: Endpoint | undefined

  constructor(options: PeerEndpointOptions) {
    this.#options = options
    this.#offer = new LocalOffer(options.random)
    this.#streams = new RelayStreams(options.random)
    this.#home = new RelayHome(options.random)
    this.#budget = new PunchBudget({ isForbidden: options.isPunchForbidden === true })
  }

  /** The server's wall clock is ahead of the host's by so much, where it was told. */
  clockOffsetMs(now: Instant, wallNowMs: number): number | undefined {
    const serverMs = this.#serverTime.at(now)
    return serverMs === undefined ? undefined : serverMs - wallNowMs
  }

  /** What our NAT does, as far as it is known. */
  get nat(): NatProfile | undefined {
    return this.#nat
  }

  /** Whether anything comes back over UDP, as STUN says. */
  get udp(): UdpState {
    return this.#offer.udp
  }

  /** Which account this device speaks for; another number, or none, ends every session. */
  setAccount(now: Instant, number: AccountNumber | undefined): void {
    if (number === this.#own) return
    for (const { peer } of this.#table.all) this.#close(now, peer, 'local')
    this.#policies.clear()
    this.#pinnedStatics.clear()
    this.#reaskedAt.clear()
    this.#own = number
  }

  /** Relays to choose from besides the server's own, which is at `own`. */
  setRelays(now: Instant, own: Endpoint | undefined, relays: Relays | undefined): void {
    this.#home.setRelays(now, own, relays)
  }

  /** How a relay that is not the server's own is reached. */
  relayOffer(relayId: Uint8Array): RelayOffer | undefined {
    return this.#home.offer(relayId)
  }

  /** The server's wall clock, from `welcome` and `pong`: relay tickets end by it. */
  setServerTime(now: Instant, timeMs: number): void {
    this.#serverTime.set(now, timeMs)
  }

  /** The addresses of the host's usable interfaces and the UDP port of the primary socket. */
  setLocalAddresses(now: Instant, addresses: readonly string[], port: number): void {
    this.#offer.setLocalAddresses(now, addresses, port)
    this.#takeOffer(now)
  }

  /** The server is there, and says where its UDP service is. */
  setStunServers(now: Instant, servers: readonly Endpoint[]): void {
    this.#streams.retryAll()
    for (const session of this.#table.all) {
      session.serverBack(now)
      this.#collect(now, session)
    }
    this.#offer.setStunServers(now, servers)
    this.#stunServer = servers.find(({ family }) => family === 4)
    for (const session of this.#table.all) session.setStunServer(this.#stunServer)
    this.#takeOffer(now)
  }

  /** The session with the server has ended: `network-back` tells, where that was the network's doing, when it is over. */
  serverLost(now: Instant): void {
    this.#offer.watchClosely(now)
  }

  get stunServers(): readonly Endpoint[] {
    return this.#offer.stunServers
  }

  /** A port of the gateway is being asked for; `setMapping` says what came of it. */
  expectMapping(now: Instant): void {
    this.#offer.expectMapping(now)
  }

  /** What the gateway forwards to the primary socket, as the gateway says; offered once the server has proven it. */
  setMapping(now: Instant, external: Endpoint | undefined): void {
    this.#offer.setMapping(now, external)
    this.#takeOffer(now)
  }

  /** What was found out about our NAT; peers are told with the next introduction, which comes soon. */
  setNatProfile(now: Instant, nat: NatProfile | undefined): void {
    this.#nat = nat
    const candidates = this.#offer.known(now)
    if (candidates === undefined) return // they are told together
    for (const session of this.#table.all) {
      session.setOffer(now, candidates, nat)
      this.#collect(now, session)
    }
  }

  /** What silences did before to paths out of the network that we are in; `silences-learnt` tells what they do now. */
  setSilences(known: KnownSilences): void {
    this.#silences.set(known)
  }

  /** A socket that `socket-wanted` asked for is open; hand in what comes to it with its id as `via`. */
  socketOpened(now: Instant, socket: SocketId, local: Endpoint): void {
    const session = this.#sockets.get(socket)
    if (session === undefined) {
      this.#events.push({ kind: 'socket-unwanted', socket })
      return
    }
    session.socketOpened(now, socket, local)
    this.#collect(now, session)
  }

  /** It cannot be had. */
  socketRefused(now: Instant, socket: SocketId): void {
    const session = this.#sockets.get(socket)
    if (session === undefined) return
    session.socketRefused(now, socket)
    this.#collect(now, session)
  }

  /** Which paths a peer may take. A change ends the session; the default is `auto`. */
  setPolicy(now: Instant, peer: AccountNumber, policy: PathPolicy): void {
    const before = this.#policyOf(peer)
    this.#policies.set(peer, policy)
    if (before !== policy) this.#close(now, peer, 'policy-changed')
  }

  /** The peer's static key, once it has been seen: handshakes with it take one trip less. */
  setPinnedStatic(peer: AccountNumber, remoteStatic: Uint8Array | undefined): void {
    if (remoteStatic === undefined) this.#pinnedStatics.delete(peer)
    else this.#pinnedStatics.set(peer, copyOf(remoteStatic))
  }

  /**
   * Starts a session; nothing happens where one stands or is being made.
   * @throws {HollerError} NOT_LOGGED_IN without an account, BUSY with too many peers.
   */
  introduce(now: Instant, peer: AccountNumber): void {
    if (this.#own === undefined) throw new HollerError('NOT_LOGGED_IN', 'Nobody is logged in')
    if (peer === this.#own) throw new HollerError('INVALID_PARAMS', 'That is your own account')
    if (this.#table.get(peer) !== undefined) return
    if (this.#table.isFull) {
      throw new HollerError('BUSY', `No more than ${MAX_PEERS} peers at once`)
    }
    this.#openOwn(now, this.#own, peer)
  }

  /** What the server brings: the first introduction from a peer, the answer to ours, or a renewal. */
  introduced(now: Instant, message: Introduced): void {
    const { from, session, isAnswer } = message
    const current = this.#table.get(from)
    const isAcceptable = session.length === SESSION_BYTES && from !== this.#own
    if (current?.key === sessionKeyOf(session)) {
      this.#deferred.delete(from) // ours is the one that stands
      current.introduced(now, message)
      this.#collect(now, current)
    } else if (isAnswer || !isAcceptable) {
      this.#drop('unknown-introduction')
    } else if (current !== undefined && this.#isOurTurn(now, current, session)) {
      this.#deferred.set(from, { message, adoptAt: after(now, DEFERRED_MS) })
    } else {
      this.#adopt(now, message)
    }
  }

  /** The server refused what `introduce-wanted` asked for. */
  introduceRefused(now: Instant, session: Uint8Array): void {
    const current = this.#table.withKey(sessionKeyOf(session))
    if (current === undefined) return
    const deferred = this.#deferred.get(current.peer)
    if (deferred !== undefined) {
      this.#adopt(now, deferred.message)
      return
    }
    current.refused(now)
    this.#collect(now, current)
  }

  /**
   * One encoded `PeerMessage`. False without a session, or when its buffer is full: `send-ready` comes then.
   * @throws {HollerError} TOO_LARGE
   */
  send(now: Instant, peer: AccountNumber, bytes: Uint8Array): boolean {
    if (bytes.length > MAX_PEER_MESSAGE_BYTES) {
      throw new HollerError('TOO_LARGE', `A message has ${MAX_PEER_MESSAGE_BYTES} bytes at most`)
    }
    const session = this.#table.get(peer)
    if (session === undefined) return false
    const isTaken = session.send(now, bytes)
    this.#collect(now, session)
    return isTaken
  }

  /** Asks the peer's daemon for a sign of life; `pong` tells of it. False without a path to it. */
  ping(now: Instant, peer: AccountNumber): boolean {
    const session = this.#table.get(peer)
    if (session === undefined) return false
    const isAsked = session.ping(now)
    this.#collect(now, session)
    return isAsked
  }

  isConnected(peer: AccountNumber): boolean {
    return this.#table.get(peer)?.isConnected === true
  }

  /** Says goodbye to the peer; `peer-closed` with reason `local` follows where there was a session. */
  disconnect(now: Instant, peer: AccountNumber): void {
    this.#close(now, peer, 'local')
  }

  /** The stream that `relay-stream-wanted` asked for is a socket of that name now; `proof` as `relayStreamProof` says. */
  relayStreamOpened(now: Instant, socket: SocketId, proof: Uint8Array, remote: Endpoint): void {
    this.#streams.opened(socket, proof, remote)
    this.#takeStreams(now)
  }

  /** It could not be made, or has ended. */
  relayStreamClosed(now: Instant, socket: SocketId): void {
    this.#streams.closed(now, socket)
    this.#takeStreams(now)
  }

  /** Addresses changed, the machine woke up, or sending fails: look again, and tell every peer. */
  networkChanged(now: Instant): void {
    this.#streams.isUdpSilent = false
    this.#streams.networkChanged()
    for (const session of this.#table.all) {
      session.networkChanged(now)
      this.#offer.renewWhenKnown(session)
      this.#collect(now, session)
    }
    this.#offer.gather(now)
    this.#takeOffer(now)
  }

  pathReport(_now: Instant, peer: AccountNumber): PeerPathReport | undefined {
    return this.#table.get(peer)?.report
  }

  stats(): PeerEndpointStats {
    const sessions = this.#table.all
    const connected = sessions.filter((session) => session.isConnected).length
    return { peers: sessions.length, connected, dropped: { ...this.#dropped } }
  }

  handleDatagram(now: Instant, from: Endpoint, bytes: Uint8Array, via?: SocketId): void {
    switch (datagramKind(bytes)) {
      case 'stun':
        this.#handleStun(now, from, bytes, via)
        return
      case 'connection':
        this.#handlePacket(now, from, bytes, via)
        return
      case 'probe':
        this.#handleProbe(now, from, bytes, via)
        return
      case 'relay':
        this.#handleRelayFrame(now, from, bytes, via)
        return
      case undefined:
        this.#drop('empty')
        return
    }
  }

  handleTimeout(now: Instant): void {
    this.#offer.handleTimeout(now)
    this.#takeOffer(now)
    this.#home.handleTimeout(now)
    this.#streams.handleTimeout(now)
    for (const session of this.#table.due(now)) {
      session.handleTimeout(now)
      this.#collect(now, session)
    }
    for (const { message, adoptAt } of [...this.#deferred.values()]) {
      if (adoptAt <= now) this.#adopt(now, message)
    }
  }

  handleTimeJump(byMs: number): void {
    for (const session of this.#table.all) {
      session.handleTimeJump(byMs)
      this.#table.touched(session)
    }
  }

  pollTransmit(): Transmit | undefined {
    return this.#offer.pollTransmit() ?? this.#home.pollTransmit() ?? this.#table.pollTransmit()
  }

  pollEvent(): PeerEndpointEvent | undefined {
    return this.#streams.pollEvent() ?? this.#events.shift()
  }

  pollTimeout(): Instant | undefined {
    let first = earliest(
      this.#offer.pollTimeout(),
      this.#home.pollTimeout(),
      this.#streams.pollTimeout(),
      this.#table.pollTimeout(),
    )
    for (const { adoptAt } of this.#deferred.values()) first = earliest(first, adoptAt)
    return first
  }

  #handleStun(now: Instant, from: Endpoint, bytes: Uint8Array, via?: SocketId): void {
    const session = via === undefined ? undefined : this.#sockets.get(via)
    if (session === undefined || via === undefined) {
      this.#offer.handleDatagram(now, from, bytes, via)
      if (via === undefined) this.#home.handleDatagram(now, from, bytes)
      this.#takeOffer(now)
      return
    }
    session.handleStun(now, from, bytes, via)
    this.#collect(now, session)
  }

  #handlePacket(now: Instant, from: Endpoint, bytes: Uint8Array, via?: SocketId): void {
    const session = this.#table.routes.forPacket(bytes)
    if (session === undefined) {
      this.#drop('unknown-connection')
      return
    }
    if (!session.allows(from)) {
      this.#drop('forbidden-path')
      return
    }
    session.handlePacket(now, from, bytes, via)
    this.#collect(now, session)
  }

  #handleProbe(now: Instant, from: Endpoint, bytes: Uint8Array, via?: SocketId): void {
    const session = this.#table.routes.forProbe(bytes)
    if (session === undefined) {
      this.#drop('unknown-probe')
      return
    }
    session.handleProbe(now, from, bytes, via)
    this.#collect(now, session)
  }

  #handleRelayFrame(now: Instant, from: Endpoint, bytes: Uint8Array, via?: SocketId): void {
    const sessions = this.#table.routes.forRelayFrame(from, bytes, via)
    if (sessions.length === 0) this.#drop('unknown-relay-frame')
    for (const session of sessions) {
      session.handleRelayFrame(now, from, bytes, via)
      this.#collect(now, session)
    }
  }

  /** Both asked at the same moment, and the lower id is ours: the peer answers it. */
  #isOurTurn(now: Instant, current: PeerSession, session: Uint8Array): boolean {
    const unansweredMs = current.unansweredMs(now)
    const isFresh = unansweredMs !== undefined && unansweredMs < FRESH_MS
    return isFresh && current.key < sessionKeyOf(session)
  }

  /** The peer's introduction takes the place of whatever there was. */
  #adopt(now: Instant, message: Introduced): void {
    const { from, session } = message
    this.#close(now, from, 'replaced')
    const own = this.#own
    if (own === undefined || this.#table.isFull) {
      this.#drop(own === undefined ? 'unknown-introduction' : 'too-many-peers')
      return
    }
    const opened = this.#open(now, own, from, session, false)
    opened.introduced(now, message)
    this.#collect(now, opened)
  }

  /** The peer knows nothing of the session that stands. */
  #askAnew(now: Instant, peer: AccountNumber): void {
    const reaskedAt = this.#reaskedAt.get(peer)
    if (this.#own === undefined || (reaskedAt !== undefined && now < after(reaskedAt, REASK_MS))) {
      this.#close(now, peer, 'outlived')
      return
    }
    this.#reaskedAt.set(peer, now)
    this.#close(now, peer, 'replaced')
    this.#openOwn(now, this.#own, peer)
  }

  #openOwn(now: Instant, own: AccountNumber, peer: AccountNumber): void {
    this.#open(now, own, peer, this.#options.random.bytes(SESSION_BYTES), true)
  }

  #open(
    now: Instant,
    own: AccountNumber,
    peer: AccountNumber,
    id: Uint8Array,
    isOurs: boolean,
  ): PeerSession {
    const { identity, staticKey, device, random } = this.#options
    const policy = this.#policyOf(peer)
    const session = new PeerSession(now, {
      own,
      peer,
      session: id,
      isOurs,
      policy,
      pinnedStatic: this.#pinnedStatics.get(peer),
      identity,
      staticKey,
      device,
      random,
      serverTime: this.#serverTime,
      purses: this.#purses,
      streams: this.#streams,
      budget: this.#budget,
      silences: this.#silences,
    })
    session.setStunServer(this.#stunServer)
    this.#table.add(session)
    const candidates = policy === 'relay' ? [] : this.#offer.known(now)
    if (candidates !== undefined) session.setOffer(now, candidates, this.#nat)
    this.#collect(now, session)
    return session
  }

  #close(now: Instant, peer: AccountNumber, reason: PeerCloseReason): void {
    const session = this.#table.get(peer)
    if (session === undefined) return
    session.close(now, reason)
    this.#collect(now, session)
  }

  /** Tells the sessions which streams there are now. */
  #takeStreams(now: Instant): void {
    for (const session of this.#table.all) {
      session.relayStreamsChanged(now)
      this.#collect(now, session)
    }
  }

  /** Tells the sessions what the gatherer found out. */
  #takeOffer(now: Instant): void {
    const news = this.#offer.takeNews(now)
    if (news === undefined) return
    this.#takeUdp(now)
    if (news.publicEndpoints !== undefined) {
      this.#events.push({ kind: 'public-address', endpoints: news.publicEndpoints })
    }
    if (news.hasMoved) {
      for (const session of this.#table.all) this.#offer.renewWhenKnown(session)
    }
    if (news.candidates === undefined) return
    for (const session of this.#table.all) {
      session.setOffer(now, news.candidates, this.#nat)
      if (this.#offer.takeRenewal(session)) session.renew(now)
      this.#collect(now, session)
    }
  }

  /** Where UDP was silent and is not any more, those who use TLS instead try it at once. */
  #takeUdp(now: Instant): void {
    const wasSilent = this.#streams.isUdpSilent
    this.#streams.isUdpSilent = this.#offer.udp === 'silent'
    if (!wasSilent || this.#offer.udp !== 'works') return
    this.#events.push({ kind: 'network-back' })
    for (const session of this.#table.all) {
      session.udpHeard(now)
      this.#collect(now, session)
    }
  }

  /** What a session brought about becomes events, routes and work. */
  #collect(now: Instant, session: PeerSession): void {
    let event: PeerSessionEvent | undefined
    while ((event = session.pollEvent()) !== undefined) this.#tell(now, session, event)
    this.#table.touched(session)
    if (this.#silences.takeNews()) {
      this.#events.push({ kind: 'silences-learnt', known: this.#silences.known })
    }
  }

  #tell(now: Instant, session: PeerSession, event: PeerSessionEvent): void {
    const { peer } = session
    switch (event.kind) {
      case 'introduce-wanted':
        this.#events.push({ ...event, peer, session: session.id, relay: this.#home.chosen })
        return
      case 'relay-unreachable':
        if (this.#home.unreachable(now, event.relayId)) session.renew(now)
        return
      case 'connected':
        this.#events.push({ ...event, kind: 'peer-connected', peer })
        return
      case 'message':
      case 'send-ready':
      case 'path-changed':
      case 'pong':
        this.#events.push({ ...event, peer })
        return
      case 'socket-wanted':
        this.#sockets.set(event.socket, session)
        this.#events.push(event)
        return
      case 'socket-unwanted':
        this.#sockets.delete(event.socket)
        this.#events.push(event)
        return
      case 'revived':
        this.#events.push({ kind: 'network-back' })
        this.#searchAgain(now, session)
        return
      case 'direct-lost':
        this.#searchAgain(now, session)
        return
      case 'outlived':
        this.#askAnew(now, peer)
        return
      case 'closed':
        this.#table.retire(session)
        this.#deferred.delete(peer)
        this.#offer.takeRenewal(session)
        // An attempt that another one takes over goes on.
        if (event.reason === 'replaced' && !event.wasConnected) return
        this.#events.push({ ...event, kind: 'peer-closed', peer })
        return
    }
  }

  /** Our own address may be another one: the peer hears of it as soon as we do. */
  #searchAgain(now: Instant, session: PeerSession): void {
    this.#offer.renewWhenKnown(session)
    this.#offer.gather(now)
  }

  #policyOf(peer: AccountNumber): PathPolicy {
    return this.#policies.get(peer) ?? 'auto'
  }

  #drop(reason: DropReason): void {
    this.#dropped[reason] += 1
  }
}
