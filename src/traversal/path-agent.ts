/**
 * From candidates to a working path, for one peer.
 *
 * The story. The server introduces two daemons; both learn each other's candidates, a fresh key and a moment T0. Data
 * flows over the relay from the first moment (`relayReady`), so nobody waits for what follows. Each side sends an
 * opener to every public candidate at once and another at T0 (`opener.ts`); then it probes all of them, best first, one
 * packet in 4 ms (`probe-schedule.ts`). An authentic question from an address nobody named makes a peer-reflexive pair, which is
 * answered and asked back at once. A pair works when *our own* question is answered from where it was asked: the first
 * one that works carries the data; a better one takes over when it proves so three times (`path-choice.ts`).
 *
 * From then on it is kept (`path-keeper.ts`). When trust ends, data goes back to the relay in the same moment and the
 * search begins again (`path-search.ts`). The relay is measured like any pair: a direct path that is worse yields to it.
 *
 * Each side chooses for what it sends; the two directions may differ for a while, and nothing depends on it.
 *
 * What it never does: act on a packet that is not authentic and new; send to a candidate under the policy `relay`;
 * send an address that never answered more than `probe-budget.ts` allows.
 */
import type { Endpoint } from '../core/endpoint.ts'
import { after, earliest, type Instant } from '../core/instant.ts'
import type { Machine, SocketId, Transmit } from '../core/machine.ts'
import { OutboundQueue } from '../core/outbound-queue.ts'
import type { Random } from '../core/random.ts'
import { type Candidate, MAX_CANDIDATES } from '../protocol/server/messages.ts'
import type { NatProfile } from '../protocol/server/nat-profile.ts'
import { AddressPurses } from './address-purses.ts'
import type { SocketEvent } from './attempt.ts'
import { Attempts } from './attempts.ts'
import type { PathPolicy } from './candidate.ts'
import type { CandidatePair } from './candidate-pair.ts'
import { NetworkSilences } from './idle-interval.ts'
import { DEFAULT_OPENER_TTL } from './opener.ts'
import type { Path } from './path.ts'
import { PathKeeper } from './path-keeper.ts'
import { type PathReport, reportOf } from './path-report.ts'
import { PathSearch } from './path-search.ts'
import { type PathEvent, PathSelection } from './path-selection.ts'
import { type ProbeRole, type ProbeTag, probeKey } from './probe.ts'
import { type Heard, ProbeExchange } from './probe-exchange.ts'
import { PunchBudget } from './punch-budget.ts'
import { Puncher } from './puncher.ts'
import type { PathReason } from './reasons.ts'
import { verdictOf } from './verdict.ts'

export interface PathAgentOptions {
  /** The connection's role: which of the two speaks is part of every probe. */
  readonly role: ProbeRole
  /** 32 bytes that only this session's two daemons know. */
  readonly key: Uint8Array
  readonly policy: PathPolicy
  /** What we offered. */
  readonly local: readonly Candidate[]
  readonly random: Random
  /** Our own NATs and one more; `DEFAULT_OPENER_TTL` when absent, 0 for no openers (no NAT). */
  readonly openerTtl?: number
  /** Shared by all agents of a daemon; its own when absent. */
  readonly purses?: AddressPurses
  /** As `purses`. */
  readonly budget?: PunchBudget
  /** As `purses`: what silences do to paths out of this network. */
  readonly silences?: NetworkSilences
  /** Who the budget counts for. */
  readonly peer?: string
}

/** What both sides know of their NATs: the one that was offered to the peer, and the one that he offered. */
export interface Nats {
  readonly local: NatProfile | undefined
  readonly remote: NatProfile | undefined
}

export type PathAgentEvent =
  | PathEvent
  | SocketEvent
  /** The question that `ping` asked was answered, by the path that carries data. */
  | { readonly kind: 'pong'; readonly rttMs: number }
  /** The relay was silent and carries again, and there is no direct path: what was offered may not be true any more. */
  | { readonly kind: 'revived' }

export class PathAgent implements Machine<PathAgentEvent> {
  /** Which probes are ours: the owner of many agents asks `probeTagOf` of each datagram. */
  readonly probeTag: ProbeTag
  readonly #policy: PathPolicy
  readonly #exchange: ProbeExchange
  readonly #puncher: Puncher
  readonly #attempts: Attempts
  readonly #selection = new PathSelection()
  readonly #keeper: PathKeeper
  readonly #search: PathSearch
  readonly #signs = new OutboundQueue<Extract<PathAgentEvent, { kind: 'pong' | 'revived' }>>()
  #nats: Nats = { local: undefined, remote: undefined }
  #local: readonly Candidate[]
  #remote: readonly Candidate[] = [] // ≤ MAX_CANDIDATES
  #startAt: Instant | undefined
  #isPinged = false

  constructor(options: PathAgentOptions) {
    const { role, key, policy, local, random, purses } = options
    const openerTtl = options.openerTtl ?? DEFAULT_OPENER_TTL
    const probes = probeKey(key)
    this.probeTag = probes.tag
    this.#policy = policy
    this.#local = local
    this.#search = new PathSearch(policy)
    const exchange = new ProbeExchange(probes, role, random, purses ?? new AddressPurses())
    this.#exchange = exchange
    this.#puncher = new Puncher({ exchange, policy, local, openerTtl })
    const budget = options.budget ?? new PunchBudget()
    const [peer, name] = [options.peer ?? '', `punch:${probes.tag}`]
    this.#attempts = new Attempts({ role, exchange, random, openerTtl, budget, peer, name })
    const [pairs, selection] = [this.#puncher, this.#selection]
    const silences = options.silences ?? new NetworkSilences()
    this.#keeper = new PathKeeper({ role, exchange, pairs, selection, silences })
  }

  /** The answers by the path that carries data say that the peer is there; the next question is due then. */
  get vouchedUntil(): Instant | undefined {
    return this.#selection.current?.heartbeat?.vouchedUntil
  }

  /** For how long nothing has gone over the chosen path. */
  quietMs(now: Instant): number {
    return this.#keeper.quietMs(now)
  }

  /** The moment T0 that both sides were told. Another introduction begins another round with what is known by then. */
  start(now: Instant, startInMs: number): void {
    this.#startAt = after(now, startInMs)
    this.#exchange.refill(now)
    this.#attempts.start(now, this.#startAt)
    this.#puncher.punch(now, this.#startAt)
    this.#beginRound(this.#startAt)
  }

  /** What the NATs do, as far as both sides know it: decides what is tried beyond plain probes. */
  setNats(now: Instant, nats: Nats): void {
    this.#nats = nats
    this.#replan(now)
  }

  /** The STUN server that tells an attempt's socket its public port. */
  setStunServer(server: Endpoint | undefined): void {
    this.#attempts.setStunServer(server)
  }

  /** A socket that was wanted is open. Its datagrams are handed in with its id as `via`. */
  socketOpened(now: Instant, socket: SocketId, local: Endpoint): void {
    this.#attempts.socketOpened(now, socket, local)
  }

  socketRefused(now: Instant, socket: SocketId): void {
    this.#attempts.socketRefused(now, socket)
  }

  /** Whether the socket is one of an attempt's. */
  ownsSocket(socket: SocketId): boolean {
    return this.#attempts.owns(socket)
  }

  /** An answer to what an attempt's socket asked of the STUN server. */
  handleStun(now: Instant, from: Endpoint, bytes: Uint8Array, via: SocketId): void {
    this.#attempts.handleStun(now, from, bytes, via)
  }

  /**
   * What the peer offers now, at any time: new candidates join the round that runs, or begin one. Those that he offers no
   * more are asked nothing, since questions to one address are counted, and the next ones may be needed at another port.
   */
  setRemote(now: Instant, candidates: readonly Candidate[]): void {
    this.#remote = candidates.slice(0, MAX_CANDIDATES)
    this.#adopt(now)
  }

  /** Our own candidates became more, or others. */
  setLocal(now: Instant, local: readonly Candidate[]): void {
    this.#local = local
    this.#puncher.setLocal(local)
    this.#adopt(now)
  }

  /** The relay carries packets for us. What comes through it is handed in with `path.via` as its socket. */
  relayReady(now: Instant, path: Path): void {
    const old = this.#puncher.relay
    const relay = this.#puncher.setRelay(now, path)
    this.#attempts.setRelay(now, path)
    if (relay === undefined) return
    if (this.#keeper.relayReady(now, relay, old)) this.#revive(now)
  }

  /** UDP brings something where it brought nothing before. */
  udpHeard(now: Instant): void {
    this.#revive(now)
  }

  relayLost(now: Instant): void {
    const old = this.#puncher.relay
    this.#puncher.setRelay(now, undefined)
    this.#attempts.setRelay(now, undefined)
    this.#keeper.relayLost(now, old)
  }

  /** Our addresses changed or the peer's did, or the machine slept: what worked is not believed any more; all is tried anew. */
  networkChanged(now: Instant): void {
    this.#puncher.reset()
    this.#attempts.reset(now)
    this.#keeper.networkChanged(now)
    this.#search.forget()
    if (this.#startAt !== undefined) this.start(now, 0)
  }

  /** Asks by the path that carries data, now; `pong` tells of the answer, if one comes. False without a path. */
  ping(now: Instant): boolean {
    const pair = this.#selection.current
    if (pair === undefined) return false
    this.#exchange.ask(now, pair)
    this.#isPinged = true
    return true
  }

  /** Timers were late by so much: what was not heard meanwhile says nothing of the paths. */
  handleTimeJump(byMs: number): void {
    this.#keeper.handleTimeJump(byMs)
  }

  /** Data was sent or received: the chosen path is watched closely for a while. */
  dataFlowed(now: Instant): void {
    this.#keeper.dataFlowed(now)
  }

  /** Data goes unacknowledged though heartbeats may be answered: the path is as good as dead. */
  pathStalled(now: Instant): void {
    if (this.#keeper.pathStalled(now)) this.#directLost(now)
  }

  handleDatagram(now: Instant, from: Endpoint, bytes: Uint8Array, via?: SocketId): void {
    const { relay } = this.#puncher
    const isRelayed = via !== undefined && via === relay?.via
    const isOurs = via === undefined || this.#attempts.owns(via)
    if (!isRelayed && !(isOurs && this.#puncher.mayProbe(from))) {
      this.#exchange.counts.ignored += 1
      return
    }
    const heard = this.#exchange.read(now, via, bytes)
    if (isRelayed && heard !== undefined && this.#keeper.relayHeard()) this.#revive(now)
    if (heard?.kind === 'request') {
      const path = via === undefined ? { to: from } : { to: from, via }
      const pair = isRelayed ? relay : this.#puncher.pairFrom(path)
      if (pair !== undefined) this.#handleRequest(now, pair, heard)
    } else if (heard?.kind === 'response') {
      this.#handleResponse(now, heard)
    } else if (heard?.kind === 'note' && isRelayed && this.#policy === 'auto') {
      this.#attempts.handleNote(now, heard.note)
    }
  }

  handleTimeout(now: Instant): void {
    this.#exchange.handleTimeout(now)
    if (this.#keeper.handleTimeout(now)) this.#directLost(now)
    this.#puncher.handleTimeout(now)
    this.#attempts.handleTimeout(now)
    if (this.#keeper.takeRotation(now)) this.#attempts.rotate(now)
    for (const socket of this.#attempts.release(now, (id) => this.#puncher.usesSocket(id))) {
      this.#puncher.removeVia(socket)
    }
    const giveUpAt = this.#giveUpAt
    if (giveUpAt !== undefined && now >= giveUpAt) this.#search.giveUp(this.#verdict())
  }

  pollTransmit(): Transmit | undefined {
    return this.#attempts.pollTransmit() ?? this.#exchange.pollTransmit()
  }

  pollEvent(): PathAgentEvent | undefined {
    return this.#attempts.pollEvent() ?? this.#selection.pollEvent() ?? this.#signs.shift()
  }

  pollTimeout(): Instant | undefined {
    const own = earliest(this.#giveUpAt, this.#attempts.pollTimeout(), this.#keeper.pollTimeout())
    return earliest(own, this.#exchange.pollTimeout(), this.#puncher.pollTimeout())
  }

  report(): PathReport {
    return reportOf({
      selection: this.#selection,
      reason: this.#search.reason(this.#selection.current?.isRelay === true),
      local: this.#local,
      pairs: this.#puncher.pairs,
      strategies: this.#puncher.strategies,
      attempts: this.#attempts.records,
      counts: this.#exchange.counts,
    })
  }

  #handleRequest(
    now: Instant,
    pair: CandidatePair,
    { transaction }: Extract<Heard, { kind: 'request' }>,
  ): void {
    const isFirst = !pair.wasHeard && !pair.isRelay
    pair.wasHeard = true
    this.#exchange.answer(now, pair, transaction, isFirst)
    this.#keeper.noteAsked(now, pair)
    if (pair.heartbeat === undefined) this.#puncher.askBack(now, pair)
  }

  #handleResponse(now: Instant, heard: Extract<Heard, { kind: 'response' }>): void {
    const pair = heard.pair ?? this.#puncher.predictedPair(heard.path)
    if (pair === undefined) return
    if (this.#keeper.provesDeath(now, pair)) this.pathStalled(now)
    if (this.#keeper.noteAnswer(now, pair, heard)) this.#handleWorking(now, pair)
    if (!this.#isPinged || pair !== this.#selection.current) return
    this.#isPinged = false
    this.#signs.push({ kind: 'pong', rttMs: heard.rttMs })
  }

  #handleWorking(now: Instant, pair: CandidatePair): void {
    this.#search.found()
    if (!this.#attempts.isRotating) {
      this.#attempts.succeed(now)
      this.#selection.offer(now, pair)
    } else if (pair.via !== undefined && this.#attempts.owns(pair.via)) {
      this.#attempts.succeed(now)
      this.#selection.succeed(now, pair)
    }
    if (this.#selection.current === pair) this.#puncher.stopWorseThan(pair)
  }

  /** The last one works no more. */
  #directLost(now: Instant): void {
    this.#search.lost()
    this.#searchAgain(now)
  }

  /** The network is back: the peer hears the same, and there is nothing to wait for. */
  #revive(now: Instant): void {
    if (!this.#search.isRoundWanted(now)) return
    this.#searchAgain(now)
    this.#signs.push({ kind: 'revived' })
  }

  #searchAgain(now: Instant): void {
    this.#attempts.want(now)
    this.#puncher.punchAgain(now)
    this.#beginRound(now)
  }

  /** The round is over then; while an attempt runs it is not. */
  get #giveUpAt(): Instant | undefined {
    return this.#attempts.isRunning ? undefined : this.#search.giveUpAt
  }

  #beginRound(startAt: Instant): void {
    this.#search.begin(startAt, this.#attempts.hopeless !== undefined)
  }

  #replan(now: Instant): void {
    if (this.#policy !== 'auto') return
    const { local: localNat, remote: remoteNat } = this.#nats
    this.#attempts.setSides(now, {
      local: this.#local,
      remote: this.#remote,
      localNat,
      remoteNat,
    })
    this.#puncher.setHopeless(this.#attempts.isPlainHopeless)
  }

  #adopt(now: Instant): void {
    this.#replan(now)
    const startAt = this.#startAt !== undefined && this.#startAt < now ? now : this.#startAt
    const hasNew = this.#puncher.adopt(now, this.#remote, startAt)
    if (hasNew && this.#search.hasFailed) this.#beginRound(now)
  }

  #verdict(): PathReason {
    const { pairs } = this.#puncher
    return verdictOf({
      policy: this.#policy,
      local: this.#local,
      remote: this.#remote,
      targets: pairs.length,
      hasLostDirect: this.#search.hasLostDirect,
      hasHeard: pairs.some((pair) => pair.wasHeard),
      hasStarved: this.#exchange.hasStarved,
      hopeless: this.#attempts.hopeless,
      lastAttempt: this.#attempts.lastVerdict,
    })
  }
}
