/**
 * The punching attempts of one peer, one after another: which strategy the two NATs want, when the next attempt begins,
 * and which of its sockets stay open afterwards.
 *
 * The initiator begins; the responder follows its note where it has chosen the same. Both ask `punch-budget.ts` first.
 */
import type { Endpoint } from '../core/endpoint.ts'
import { after, earliest, type Instant } from '../core/instant.ts'
import type { SocketId, Transmit } from '../core/machine.ts'
import { OutboundQueue } from '../core/outbound-queue.ts'
import type { Random } from '../core/random.ts'
import type { Candidate } from '../protocol/server/messages.ts'
import type { NatProfile } from '../protocol/server/nat-profile.ts'
import { Attempt, type SocketEvent } from './attempt.ts'
import { type AttemptRecord, AttemptRecords, type AttemptVerdict } from './attempt-records.ts'
import { attestedEndpoint, isFixed, type NatSide, natSideOf } from './nat-side.ts'
import type { Path } from './path.ts'
import type { ProbeRole } from './probe.ts'
import type { ProbeExchange } from './probe-exchange.ts'
import type { AttemptSubject, PunchBudget } from './punch-budget.ts'
import { type PunchNote, sameStrategy } from './punch-note.ts'
import { chooseStrategy, type Hopeless, type Strategy } from './strategy.ts'

/** Where plain probes should do, or not everything is known, they have had their chance by then. */
const PATIENCE_MS = 1500

/** Answers that are on their way when a path is found may make a better one. */
const RELEASE_AFTER_MS = 2000

/** A peer may ask for another socket so often: it costs us a socket and seven probes. */
const ROTATION_EVERY_MS = 10_000

export interface AttemptsOptions {
  readonly role: ProbeRole
  readonly exchange: ProbeExchange
  readonly random: Random
  readonly openerTtl: number
  readonly budget: PunchBudget
  readonly peer: string
  /** Begins the names of its sockets. */
  readonly name: string
}

/** What is known of both sides. */
export interface Sides {
  readonly local: readonly Candidate[]
  readonly remote: readonly Candidate[]
  readonly localNat: NatProfile | undefined
  readonly remoteNat: NatProfile | undefined
}

interface Plan {
  readonly strategy: Strategy
  readonly subject: AttemptSubject
  readonly own: NatSide
  readonly peer: NatSide
  readonly peerEndpoint: Endpoint
  /** Plain probes are given a chance first. */
  readonly delayMs: number
}

type Outlook = Plan | Hopeless | { readonly kind: 'plain' }

export class Attempts {
  readonly #options: AttemptsOptions
  readonly #events = new OutboundQueue<SocketEvent>()
  readonly #kept = new Set<SocketId>() // ≤ 256, until their pairs are dead
  readonly #records = new AttemptRecords()
  #outlook: Outlook = { kind: 'plain' }
  #running: { readonly attempt: Attempt; readonly subject: AttemptSubject } | undefined
  #relay: Path | undefined
  #stunServer: Endpoint | undefined
  #startAt: Instant | undefined
  #nextAt: Instant | undefined
  #releaseAt: Instant | undefined
  #number = 0
  #isWanted = true
  /** What runs is to take the place of a path that works. */
  #isRotating = false
  #rotatedAt: Instant | undefined

  constructor(options: AttemptsOptions) {
    this.#options = options
  }

  get isRunning(): boolean {
    return this.#running !== undefined
  }

  get isRotating(): boolean {
    return this.#isRotating && this.#running !== undefined
  }

  get records(): readonly AttemptRecord[] {
    const { attempt } = this.#running ?? {}
    if (attempt === undefined) return this.#records.all
    const { strategy, probesSent } = attempt
    return [...this.#records.all, { strategy: strategy.kind, verdict: 'running', probesSent }]
  }

  /** How the last attempt ended that guessed at ports: fresh sockets tell no more than plain probes do. */
  get lastVerdict(): AttemptVerdict | undefined {
    return this.#records.lastVerdict
  }

  /** Nothing but the relay is left for these two NATs. */
  get hopeless(): Hopeless['why'] | undefined {
    return isHopeless(this.#outlook) ? this.#outlook.why : undefined
  }

  /** Whether probes to reflexive candidates are known to be in vain. */
  get isPlainHopeless(): boolean {
    return isPlan(this.#outlook) && this.#outlook.delayMs === 0
  }

  setStunServer(server: Endpoint | undefined): void {
    this.#stunServer = server
  }

  setRelay(now: Instant, relay: Path | undefined): void {
    this.#relay = relay
    this.#begin(now)
  }

  /** The moment T0 of this round. */
  start(now: Instant, startAt: Instant): void {
    this.#startAt = startAt
    this.#schedule(now)
  }

  setSides(now: Instant, sides: Sides): void {
    this.#outlook = this.#choose(sides)
    this.#schedule(now)
  }

  /** A path works: no more attempts, and of the sockets those stay that carry something. */
  succeed(now: Instant): void {
    this.#isWanted = false
    this.#nextAt = undefined
    this.#end(now, 'direct')
  }

  /** A path works, and will not for long: another one beside it, on sockets of its own. The initiator begins. */
  rotate(now: Instant): void {
    const outlook = this.#outlook
    const isPossible = isPlan(outlook) && outlook.strategy.kind === 'fresh-sockets'
    if (!isPossible || this.#options.role !== 'initiator' || !this.#mayRotate(now)) return
    this.#rotatedAt = now
    this.#nextAt = now
    this.#begin(now)
    this.#nextAt = undefined // whoever rotates asks again
    this.#isRotating = this.isRunning
  }

  /** No direct path works any more. */
  want(now: Instant): void {
    this.#isWanted = true
    this.#schedule(now)
  }

  /** The network is another one: whatever was open is worth nothing. */
  reset(now: Instant): void {
    this.#isWanted = true
    this.#nextAt = undefined
    this.#end(now, 'unanswered')
    this.#releaseAt = undefined
    for (const socket of this.#kept) this.#close(socket)
  }

  owns(socket: SocketId): boolean {
    return this.#kept.has(socket) || this.#running?.attempt.owns(socket) === true
  }

  socketOpened(now: Instant, socket: SocketId, local: Endpoint): void {
    if (this.#running?.attempt.owns(socket) === true) {
      this.#running.attempt.socketOpened(now, socket, local)
      this.#settle(now)
    } else {
      this.#close(socket) // too late
    }
  }

  socketRefused(now: Instant, socket: SocketId): void {
    this.#running?.attempt.socketRefused(now, socket)
    this.#settle(now)
  }

  handleStun(now: Instant, from: Endpoint, bytes: Uint8Array, via: SocketId): void {
    this.#running?.attempt.handleStun(now, from, bytes, via)
    this.#settle(now)
  }

  /** What the peer says of its part of an attempt. */
  handleNote(now: Instant, note: PunchNote): void {
    const isKnown = note.number === this.#running?.attempt.number
    if (!isKnown && this.#options.role === 'responder') this.#handleNewNote(now, note)
    const { attempt } = this.#running ?? {}
    if (attempt?.number !== note.number || !sameStrategy(attempt.strategy, note.strategy)) return
    attempt.handleNote(now, note)
    this.#settle(now)
  }

  #handleNewNote(now: Instant, note: PunchNote): void {
    if (this.#isWanted) {
      this.#follow(now, note)
    } else if (note.strategy.kind === 'fresh-sockets' && this.#mayRotate(now)) {
      this.#rotatedAt = now
      this.#follow(now, note)
      this.#isRotating = this.isRunning
    }
  }

  #mayRotate(now: Instant): boolean {
    const last = this.#rotatedAt
    const isSoon = last !== undefined && now < after(last, ROTATION_EVERY_MS)
    return !this.#isWanted && this.#running === undefined && !isSoon
  }

  handleTimeout(now: Instant): void {
    this.#running?.attempt.handleTimeout(now)
    this.#settle(now)
    if (this.#nextAt !== undefined && now >= this.#nextAt) this.#begin(now)
  }

  /** Closes the sockets that carry nothing; `isNeeded` knows. */
  release(now: Instant, isNeeded: (socket: SocketId) => boolean): readonly SocketId[] {
    if (this.#releaseAt !== undefined && now < this.#releaseAt) return []
    this.#releaseAt = undefined
    const idle = [...this.#kept].filter((socket) => !isNeeded(socket))
    for (const socket of idle) this.#close(socket)
    return idle
  }

  pollTransmit(): Transmit | undefined {
    return this.#running?.attempt.pollTransmit()
  }

  pollEvent(): SocketEvent | undefined {
    return this.#running?.attempt.pollEvent() ?? this.#events.shift()
  }

  pollTimeout(): Instant | undefined {
    return earliest(
      this.#running?.attempt.pollTimeout(),
      this.#relay === undefined ? undefined : this.#nextAt,
      this.#releaseAt,
    )
  }

  #choose({ local, remote, localNat, remoteNat }: Sides): Outlook {
    const peerEndpoint = attestedEndpoint(remote)
    const ownEndpoint = attestedEndpoint(local)
    if (peerEndpoint === undefined || ownEndpoint === undefined) return { kind: 'plain' }
    // Behind one and the same NAT private addresses do it, or nothing does.
    if (peerEndpoint.address === ownEndpoint.address) return { kind: 'plain' }
    const own = natSideOf(localNat, local)
    const peer = natSideOf(remoteNat, remote)
    const isInitiator = this.#options.role === 'initiator'
    const chosen = isInitiator ? chooseStrategy(own, peer) : chooseStrategy(peer, own)
    if (chosen.kind === 'none') return chosen
    const isPlain = chosen.kind === 'punch'
    if (isPlain && !(isFixed(own) && isFixed(peer))) return { kind: 'plain' }
    const strategy = isPlain ? ({ kind: 'fresh-sockets' } as const) : chosen
    const isCertain = own.isCertain && peer.isCertain && !(hasIpv6(local) && hasIpv6(remote))
    const networks = [ownEndpoint.address, peerEndpoint.address].sort().join(' ')
    const subject = { peer: this.#options.peer, networks, strategy }
    const delayMs = isPlain || !isCertain ? PATIENCE_MS : 0
    return { strategy, subject, own, peer, peerEndpoint, delayMs }
  }

  /** The initiator's next attempt: at T0, or a little later where plain probes may do. */
  #schedule(now: Instant): void {
    const outlook = this.#outlook
    const isOurs = this.#isWanted && this.#options.role === 'initiator'
    if (this.#startAt === undefined || !isOurs || !isPlan(outlook)) {
      this.#nextAt = undefined
      return
    }
    if (this.#running !== undefined) return
    this.#nextAt = outlook.delayMs === 0 ? now : after(this.#startAt, outlook.delayMs)
    this.#begin(now)
  }

  #begin(now: Instant): void {
    const outlook = this.#outlook
    if (!isPlan(outlook)) this.#nextAt = undefined // it was one when that was set
    const isDue = this.#nextAt !== undefined && now >= this.#nextAt
    if (!isDue || this.#running !== undefined || !isPlan(outlook)) return
    if (this.#relay === undefined) return
    const refusal = this.#options.budget.refusal(now, outlook.subject)
    if (refusal === undefined) {
      this.#number += 1
      this.#run(now, outlook, this.#number, this.#relay)
      return
    }
    const isOver =
      refusal.why === 'forbidden' || refusal.why === 'given-up' || refusal.why === 'too-many'
    if (isOver) this.#records.refused(outlook.strategy, refusal.why)
    this.#nextAt = isOver ? undefined : refusal.until
  }

  #follow(now: Instant, note: PunchNote): void {
    const outlook = this.#outlook
    if (note.number <= this.#number || !isPlan(outlook) || this.#relay === undefined) return
    if (!sameStrategy(outlook.strategy, note.strategy)) return
    if (this.#options.budget.refusal(now, outlook.subject) !== undefined) return
    this.#end(now, 'unanswered')
    this.#number = note.number
    this.#run(now, outlook, note.number, this.#relay)
  }

  #run(now: Instant, plan: Plan, number: number, relay: Path): void {
    const { exchange, random, openerTtl, budget, role, name } = this.#options
    const { strategy, subject, own, peer, peerEndpoint } = plan
    this.#nextAt = undefined
    budget.begin(now, subject)
    const attempt = new Attempt(now, {
      number,
      strategy,
      role,
      own,
      peer,
      peerEndpoint,
      random,
      exchange,
      relay,
      openerTtl,
      stunServer: this.#stunServer,
      name,
    })
    this.#running = { attempt, subject }
  }

  #settle(now: Instant): void {
    const outcome = this.#running?.attempt.outcome
    if (outcome === undefined || outcome === 'running') return
    this.#end(now, outcome)
    if (this.#options.role === 'initiator' && this.#isWanted) {
      this.#nextAt = now // the budget knows for how long to wait
      this.#begin(now)
    }
  }

  #end(now: Instant, verdict: Exclude<AttemptVerdict, 'running'>): void {
    const running = this.#running
    this.#isRotating = false
    if (running === undefined) return
    this.#running = undefined
    const { attempt, subject } = running
    for (let event = attempt.pollEvent(); event !== undefined; event = attempt.pollEvent()) {
      this.#events.push(event)
    }
    for (const socket of attempt.sockets) this.#kept.add(socket)
    this.#releaseAt = verdict === 'direct' ? after(now, RELEASE_AFTER_MS) : now
    this.#options.exchange.forgetShots()
    this.#options.budget.end(now, subject, verdict !== 'direct')
    this.#records.ended(attempt.strategy, verdict, attempt.probesSent)
  }

  #close(socket: SocketId): void {
    this.#kept.delete(socket)
    this.#events.push({ kind: 'socket-unwanted', socket })
  }
}

function isPlan(outlook: Outlook): outlook is Plan {
  return 'strategy' in outlook
}

function isHopeless(outlook: Outlook): outlook is Hopeless {
  return 'kind' in outlook && outlook.kind === 'none'
}

function hasIpv6(candidates: readonly Candidate[]): boolean {
  return candidates.some(({ kind, endpoint }) => kind === 'host' && endpoint.family === 6)
}
