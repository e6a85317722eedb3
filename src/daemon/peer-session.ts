/**
 * One rendezvous session with one peer: from an introduction to a connection that carries messages, until it ends.
 *
 *     introducing ──► connecting ──► connected ──► closed
 *
 * Introducing is over with the first word about the peer: its answer, where we asked, else its question.
 *
 * It holds the relay channel, the path agent and the connection of the session, hands each what is for it, and lets the
 * connection follow the path that the agent chooses: the same packets go direct or through the relay. A session that
 * stands is renewed by the same words that made it, an introduction with its id: for a fresh relay ticket, and when
 * either side has other addresses.
 */
import { copyOf, equalBytes } from '../core/bytes.ts'
import type { Endpoint } from '../core/endpoint.ts'
import { after, earliest, type Instant } from '../core/instant.ts'
import type { SocketId, Transmit } from '../core/machine.ts'
import { OutboundQueue } from '../core/outbound-queue.ts'
import type { Random } from '../core/random.ts'
import type { Identity } from '../crypto/identity.ts'
import { KEY_BYTES } from '../crypto/raw-key.ts'
import { type StaticKey, staticKeyFromSeed } from '../crypto/static-key.ts'
import type { ChannelId } from '../protocol/relay/frames.ts'
import type {
  AccountNumber,
  Candidate,
  DeviceKeys,
  Introduced,
} from '../protocol/server/messages.ts'
import type { NatProfile } from '../protocol/server/nat-profile.ts'
import { type ConnectionId, connectionIdOf } from '../reliable-udp/packet.ts'
import type { AddressPurses } from '../traversal/address-purses.ts'
import type { PathPolicy } from '../traversal/candidate.ts'
import type { Path } from '../traversal/path.ts'
import type { ProbeTag } from '../traversal/probe.ts'
import type { NetworkSilences } from '../traversal/idle-interval.ts'
import type { PunchBudget } from '../traversal/punch-budget.ts'
import type { RelayStreams } from '../traversal/relay-streams.ts'
import { PeerConnection, type PeerConnectionEvent } from './peer-connection.ts'
import type { PeerCloseReason } from './peer-events.ts'
import {
  connectionRole,
  firstConnectionId,
  isConsistentDevice,
  sessionKeyOf,
  sharedProbeKey,
} from './peer-keys.ts'
import { PeerIntroduction, type Said } from './peer-introduction.ts'
import { admitted } from './peer-offer.ts'
import { type PeerPathReport, PeerPaths, type PeerPathsEvent } from './peer-paths.ts'
import type { ServerTime } from './peer-server-time.ts'
import type { PeerSessionEvent } from './peer-session-event.ts'
import { StallWatch } from './peer-stall.ts'

export interface PeerSessionOptions {
  readonly own: AccountNumber
  readonly peer: AccountNumber
  readonly session: Uint8Array // 16 bytes
  /** We ask for it; else the peer did, and `introduced` follows. */
  readonly isOurs: boolean
  readonly policy: PathPolicy
  readonly pinnedStatic: Uint8Array | undefined
  readonly identity: Identity
  readonly staticKey: StaticKey
  readonly device: DeviceKeys
  readonly random: Random
  /** Of all sessions: what strangers may still be sent. */
  readonly purses: AddressPurses
  /** Of all sessions: TLS streams to relays. */
  readonly streams: RelayStreams
  /** Of all sessions: what guessing at ports may still cost. */
  readonly budget: PunchBudget
  /** Of all sessions: what silences do to paths out of this network. */
  readonly silences: NetworkSilences
  readonly serverTime: ServerTime
}

/** An introduction that has not become a connection by then never will. */
const GIVE_UP_MS = 30_000

/** Time to tell the peer of the end: a few round trips. */
const LINGER_MS = 3_000

type Stage =
  | { readonly kind: 'introducing' | 'connecting' | 'connected' }
  | { readonly kind: 'closed'; readonly lingerUntil: Instant }

/** What an introduction taught us. */
interface Peer {
  readonly device: DeviceKeys
  readonly probeKey: Uint8Array
}

export class PeerSession {
  readonly id: Uint8Array
  /** `id` as hex: keeps the order of the bytes. */
  readonly key: string
  readonly #options: PeerSessionOptions
  readonly #isInitiator: boolean
  readonly #probeKey: StaticKey
  readonly #paths: PeerPaths
  readonly #introduction: PeerIntroduction
  readonly #stalls = new StallWatch()
  readonly #events = new OutboundQueue<PeerSessionEvent>()
  readonly #giveUpAt: Instant
  #stage: Stage = { kind: 'introducing' }
  #peer: Peer | undefined
  #connection: PeerConnection | undefined
  #idsVersion = 0

  constructor(now: Instant, options: PeerSessionOptions) {
    const { own, peer, policy, identity, random, purses, streams, budget, silences } = options
    this.#options = options
    const session = copyOf(options.session)
    this.id = session
    this.key = sessionKeyOf(session)
    const role = connectionRole(own, peer)
    this.#isInitiator = role === 'initiator'
    this.#giveUpAt = after(now, GIVE_UP_MS)
    this.#probeKey = staticKeyFromSeed(random.bytes(KEY_BYTES))
    this.#paths = new PeerPaths({
      session,
      role,
      policy,
      identity,
      random,
      purses,
      streams,
      budget,
      silences,
      peer: String(peer),
    })
    this.#introduction = new PeerIntroduction(random, this.#isInitiator, options.isOurs)
  }

  get peer(): AccountNumber {
    return this.#options.peer
  }

  get isConnected(): boolean {
    return this.#stage.kind === 'connected'
  }

  /** Nothing is left to be said. */
  get isFinished(): boolean {
    return this.#stage.kind === 'closed' && (this.#connection?.isFinished ?? true)
  }

  /** How long the peer has not answered what we asked; `undefined` where that is not what we wait for. */
  unansweredMs(now: Instant): number | undefined {
    return this.#stage.kind === 'closed' ? undefined : this.#introduction.unansweredMs(now)
  }

  /** Rises whenever one of the names below may have changed. */
  get routesVersion(): number {
    return this.#idsVersion + this.#paths.namesVersion
  }

  get connectionIds(): readonly ConnectionId[] {
    if (this.#peer === undefined) return []
    const first = this.#isInitiator ? [] : [connectionIdOf(firstConnectionId(this.id))]
    return [...first, ...(this.#connection?.ids ?? [])]
  }

  get probeTag(): ProbeTag | undefined {
    return this.#paths.probeTag
  }

  get channels(): readonly ChannelId[] {
    return this.#paths.channels
  }

  /** Whether a relay frame that names no channel may be an answer to ours. */
  isBindingAt(from: Endpoint, via: SocketId | undefined): boolean {
    return this.#paths.isBindingAt(from, via)
  }

  get report(): PeerPathReport | undefined {
    return this.#paths.report
  }

  /** What may be offered of our addresses, as soon as that is known, and whenever it changes. */
  setOffer(now: Instant, candidates: readonly Candidate[], nat: NatProfile | undefined): void {
    const { policy } = this.#options
    const offer = admitted(candidates, policy)
    const told = policy === 'auto' ? nat : undefined
    this.#paths.setLocalNat(now, told)
    this.#paths.setLocal(now, offer)
    this.#introduction.setOffer(now, offer, told)
    this.#settle(now)
  }

  /** What the server says about this session: at first, in answer, or once more. */
  introduced(now: Instant, message: Introduced): void {
    if (this.#stage.kind === 'closed') return
    if (this.#isOutlivedBy(message)) {
      this.#events.push({ kind: 'outlived' })
      return
    }
    if (this.#learn(message)) this.#proceed(now, message)
    else this.close(now, 'identity-mismatch')
    this.#settle(now)
  }

  /** The server did not pass on what we said last. Only what stands already goes on. */
  refused(now: Instant): void {
    if (this.#introduction.hasStarted) this.#introduction.refused()
    else this.close(now, 'refused')
  }

  /** The server is there again: what it could not pass on meanwhile is said once more. */
  serverBack(now: Instant): void {
    this.#introduction.serverBack(now)
    this.#settle(now)
  }

  /** Timers were late by so much: nothing is concluded from what was not heard meanwhile. */
  handleTimeJump(byMs: number): void {
    this.#paths.handleTimeJump(byMs)
    this.#stalls.postpone(byMs)
  }

  /** Asks the peer for a sign of life by the path that carries data; false where there is none. */
  ping(now: Instant): boolean {
    return this.#paths.ping(now)
  }

  /** Asks to be introduced once more, as soon as may be. */
  renew(now: Instant): void {
    this.#introduction.renew(now)
    this.#settle(now)
  }

  /** The STUN server that a punching attempt's sockets ask. */
  setStunServer(server: Endpoint | undefined): void {
    this.#paths.setStunServer(server)
  }

  /** A socket that was wanted is open; what comes to it is handed in with its id. */
  socketOpened(now: Instant, socket: SocketId, local: Endpoint): void {
    this.#paths.socketOpened(now, socket, local)
    this.#settle(now)
  }

  socketRefused(now: Instant, socket: SocketId): void {
    this.#paths.socketRefused(now, socket)
    this.#settle(now)
  }

  handleStun(now: Instant, from: Endpoint, bytes: Uint8Array, via: SocketId): void {
    this.#paths.handleStun(now, from, bytes, via)
    this.#settle(now)
  }

  /** Nothing about our side of the network is as it was. */
  networkChanged(now: Instant): void {
    this.#paths.networkChanged(now)
    this.#settle(now)
  }

  /** False without a connection, or when there is no room: `send-ready` tells when there is. */
  send(now: Instant, message: Uint8Array): boolean {
    const connection = this.#connection
    if (connection === undefined || !this.isConnected) return false
    const isTaken = connection.send(now, message)
    this.#paths.dataFlowed(now)
    this.#stalls.watch(now, this.#paths.heardOnPath)
    this.#settle(now)
    return isTaken
  }

  /** The end, told at once. Telling the peer may take a few seconds more (`isFinished`). */
  close(now: Instant, reason: PeerCloseReason): void {
    if (this.#stage.kind === 'closed') return
    const wasConnected = this.isConnected
    this.#stage = { kind: 'closed', lingerUntil: after(now, LINGER_MS) }
    this.#paths.stopSearching(now)
    this.#connection?.close(now)
    this.#settle(now)
    this.#events.push({ kind: 'closed', reason, wasConnected })
  }

  /** Whether a packet may come from there past the relay: what the policy forbids is not even answered. */
  allows(from: Endpoint): boolean {
    return this.#paths.allows(from)
  }

  handleProbe(now: Instant, from: Endpoint, bytes: Uint8Array, via?: SocketId): void {
    this.#paths.handleProbe(now, from, bytes, via)
    this.#settle(now)
  }

  handleRelayFrame(now: Instant, from: Endpoint, bytes: Uint8Array, via?: SocketId): void {
    this.#paths.handleRelayFrame(now, from, bytes, via)
    this.#settle(now)
  }

  /** UDP brings something where it brought nothing before. */
  udpHeard(now: Instant): void {
    this.#paths.udpHeard(now)
    this.#settle(now)
  }

  /** A TLS stream to a relay was opened, or is gone. */
  relayStreamsChanged(now: Instant): void {
    this.#paths.relayStreamsChanged(now)
    this.#settle(now)
  }

  /** A packet that came directly, from where `allows` says. */
  handlePacket(now: Instant, from: Endpoint, bytes: Uint8Array, via?: SocketId): void {
    this.#receivePacket(now, via === undefined ? { to: from } : { to: from, via }, bytes)
    this.#settle(now)
  }

  handleTimeout(now: Instant): void {
    this.#paths.handleTimeout(now)
    this.#connection?.handleTimeout(now)
    this.#settle(now)
    if (this.#stage.kind === 'closed') {
      if (now >= this.#stage.lingerUntil) this.#connection = undefined
      return
    }
    this.#introduction.handleTimeout(now)
    this.#checkStall(now)
    this.#settle(now)
    if (!this.isConnected && now >= this.#giveUpAt) this.close(now, this.#failure())
  }

  pollTransmit(): Transmit | undefined {
    return this.#paths.pollTransmit(() => this.#connection?.pollTransmit())
  }

  pollEvent(): PeerSessionEvent | undefined {
    return this.#events.shift()
  }

  pollTimeout(): Instant | undefined {
    const inner = earliest(this.#paths.pollTimeout(), this.#connection?.pollTimeout())
    if (this.#stage.kind === 'closed') {
      return this.isFinished ? undefined : earliest(inner, this.#stage.lingerUntil)
    }
    return earliest(
      inner,
      this.#introduction.deadline,
      this.#stalls.deadline,
      this.isConnected ? undefined : this.#giveUpAt,
    )
  }

  /** Who says other keys in the same session did not say the first ones: it was another run of that daemon. */
  #isOutlivedBy({ probeKey, device }: Introduced): boolean {
    const known = this.#peer
    if (known === undefined) return false
    return (
      !equalBytes(known.probeKey, probeKey) ||
      !equalBytes(known.device.identity, device.identity) ||
      !equalBytes(known.device.static, device.static)
    )
  }

  /**
   * False for a device whose keys do not belong together, or a probe key that is none: nobody could prove anything with
   * them.
   */
  #learn({ device, probeKey }: Introduced): boolean {
    if (this.#peer !== undefined) return true
    const key = sharedProbeKey(this.#probeKey, probeKey, this.id)
    if (key === undefined || !isConsistentDevice(device)) return false
    this.#peer = { device, probeKey: copyOf(probeKey) }
    this.#stage = { kind: 'connecting' }
    this.#idsVersion += 1
    this.#paths.learn(key)
    return true
  }

  #proceed(now: Instant, { candidates, nat, relay, isAnswer, startInMs }: Introduced): void {
    this.#paths.setRemoteNat(now, nat)
    this.#paths.setRemote(now, admitted(candidates, this.#options.policy))
    if (relay !== undefined) this.#paths.grant(now, relay)
    if (!isAnswer) {
      this.#introduction.asked(now)
      return
    }
    const { serverTime } = this.#options
    const ticketEndsAt = relay && serverTime.ticketEndsAt(now, relay.ticket)
    this.#introduction.answered(now, ticketEndsAt, this.#paths.isDirectWanted)
    this.#paths.start(now, startInMs)
  }

  #checkStall(now: Instant): void {
    const connection = this.#connection
    if (connection === undefined) return
    if (!this.#stalls.isStalled(now, connection.stats, this.#paths.heardOnPath)) return
    this.#paths.pathStalled(now)
  }

  #receivePacket(now: Instant, path: Path, bytes: Uint8Array): void {
    this.#paths.noteHeard(now, path)
    if (!this.#isInitiator) this.#connection ??= this.#newConnection(now, path)
    this.#connection?.handleDatagram(now, path.to, bytes, path.via)
  }

  #newConnection(now: Instant, path: Path): PeerConnection | undefined {
    if (this.#peer === undefined || this.#stage.kind === 'closed') return undefined
    const { own, peer, staticKey, device, random, pinnedStatic } = this.#options
    const peerDevice = this.#peer.device
    const isPinned = pinnedStatic !== undefined && equalBytes(pinnedStatic, peerDevice.static)
    const connection = new PeerConnection({
      own,
      peer,
      session: this.id,
      staticKey,
      device,
      peerDevice,
      isPinned,
      path,
      random,
    })
    connection.start(now)
    this.#idsVersion += 1
    return connection
  }

  /** Takes in what the parts brought about, until nothing is left. */
  #settle(now: Instant): void {
    for (;;) {
      const change = this.#paths.pollEvent()
      if (change !== undefined) this.#handlePathsEvent(now, change)
      const event = this.#connection?.pollEvent()
      if (event !== undefined) this.#handleConnectionEvent(now, event)
      const said = this.#introduction.poll()
      if (said !== undefined) this.#say(said)
      if (change === undefined && event === undefined && said === undefined) break
    }
    this.#connection?.vouch(now, this.#paths.vouchedUntil)
  }

  #say(said: Said): void {
    if (this.#stage.kind === 'closed') return
    this.#events.push({ kind: 'introduce-wanted', probeKey: this.#probeKey.publicKey, ...said })
  }

  #handlePathsEvent(now: Instant, event: PeerPathsEvent): void {
    if (event.kind === 'packet') {
      this.#receivePacket(now, event.path, event.bytes)
      return
    }
    if (event.kind === 'socket-wanted' || event.kind === 'socket-unwanted') {
      this.#events.push(event)
      return
    }
    if (this.#stage.kind === 'closed') return
    switch (event.kind) {
      case 'selected':
        if (this.#paths.isDirect) this.#introduction.foundDirect()
        this.#follow(now, event.path, event.rttMs)
        return
      case 'direct-lost':
      case 'revived':
        this.#events.push(event)
        return
      case 'changed':
        this.#events.push({ kind: 'path-changed', report: event.report })
        return
      case 'ticket-refused':
        this.#introduction.renew(now)
        return
      case 'relay-unreachable':
        this.#events.push(event)
        return
      case 'pong':
        this.#events.push(event)
        return
    }
  }

  /** The connection goes where the agent says; the initiator's begins with the first path. */
  #follow(now: Instant, path: Path, rttMs?: number): void {
    if (this.#connection !== undefined) this.#connection.migrate(now, path, rttMs)
    else if (this.#isInitiator) this.#connection = this.#newConnection(now, path)
  }

  #handleConnectionEvent(now: Instant, event: PeerConnectionEvent): void {
    if (this.#stage.kind === 'closed') return
    switch (event.kind) {
      case 'open':
        this.#handleOpen(now, event)
        return
      case 'message':
        this.#paths.dataFlowed(now)
        this.#events.push(event)
        return
      case 'send-ready':
        this.#events.push(event)
        return
      case 'ids-changed':
        this.#idsVersion += 1
        return
      case 'closed':
        this.close(now, event.reason === 'handshake-failed' ? this.#failure() : event.reason)
        return
    }
  }

  #handleOpen(
    now: Instant,
    { remoteStatic, payload }: Extract<PeerConnectionEvent, { kind: 'open' }>,
  ): void {
    this.#stage = { kind: 'connected' }
    const identity = payload.slice(0, KEY_BYTES)
    this.#events.push({ kind: 'connected', identity, remoteStatic, payload })
    if (this.#paths.path !== undefined) this.#follow(now, this.#paths.path)
  }

  /** Why it did not become a connection. */
  #failure(): PeerCloseReason {
    if (this.#peer === undefined) return 'unanswered'
    if (this.#connection?.hasRefusedSomebody === true) return 'identity-mismatch'
    return this.#paths.wasHeard ? 'handshake-failed' : 'no-path'
  }
}
