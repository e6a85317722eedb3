/**
 * One attempt at a strategy with one peer: opens its sockets, tells the peer by notes over the relay how far it is, and
 * sends what `moves.ts` says when it is time. It ends when its owner has found a path, or by its deadline.
 *
 * A note is repeated until the peer has one that says "ready" and answers "heard". What is probed has the one public
 * address that the server attested of the peer: a hostile buddy chooses ports of its own NAT, and nothing else.
 */
import type { Endpoint } from '../core/endpoint.ts'
import { after, earliest, type Instant } from '../core/instant.ts'
import { type SocketId, socketNamed, type Transmit } from '../core/machine.ts'
import { OutboundQueue } from '../core/outbound-queue.ts'
import type { TransactionId } from '../stun/message.ts'
import { type StunOutcome, StunTransactions } from '../stun/transactions.ts'
import { type Moves, movesOf, type Pair, probeLimit } from './moves.ts'
import type { Path } from './path.ts'
import type { ProbeExchange } from './probe-exchange.ts'
import type { PunchNote } from './punch-note.ts'
import type { Strategy } from './strategy.ts'
import { CHECK_SCHEDULE, TableWatch } from './table-watch.ts'
import { Volley, type VolleyPlan } from './volley.ts'

export interface AttemptOptions extends Pair {
  readonly number: number
  readonly strategy: Strategy
  readonly exchange: ProbeExchange
  readonly relay: Path
  readonly openerTtl: number
  readonly stunServer: Endpoint | undefined
  /** Begins the names of its sockets. */
  readonly name: string
}

export type SocketEvent =
  /** Open a socket on a port of the system's choice, of the peer's family, and say `socketOpened` or `socketRefused`. */
  | { readonly kind: 'socket-wanted'; readonly socket: SocketId; readonly family: 4 | 6 }
  | { readonly kind: 'socket-unwanted'; readonly socket: SocketId }

export type AttemptOutcome = 'running' | 'unanswered' | 'failed' | 'no-sockets' | 'table-full'

/** Notes are small; one that is lost must not hold up the rest for long. */
const NOTE_GAP_MS = 60
/** Then the peer is not there, or does not want to. */
const NOTE_PATIENCE_MS = 3000

/** As the gatherer asks, only sooner: everything waits for it. */
const STUN_SCHEDULE = { sendAtMs: [0, 100, 250, 500, 1000], giveUpAtMs: 2000 }

type LocalPort = number | undefined

export class Attempt {
  readonly number: number
  readonly strategy: Strategy
  readonly #options: AttemptOptions
  readonly #moves: Moves
  readonly #wanted: ReadonlyMap<SocketId, number>
  readonly #open = new Map<SocketId, LocalPort>() // ≤ 256, as moves.ts wants them
  readonly #refused = new Set<SocketId>() // ≤ the same
  readonly #events = new OutboundQueue<SocketEvent>()
  readonly #stun: StunTransactions
  readonly #checks = new Set<TransactionId>() // ≤ MAX_CHECKS
  #watch: TableWatch | undefined
  #volleys: readonly Volley[] = []
  #probesLeft: number
  #port: number | undefined
  #isReady = false
  #peer: { readonly port: number | undefined } | undefined
  #isHeard = false
  #hasProbed = false
  #noteAt: Instant | undefined
  #endsAt: Instant
  #outcome: AttemptOutcome = 'running'
  #probesSent = 0

  constructor(now: Instant, options: AttemptOptions) {
    this.#options = options
    this.number = options.number
    this.strategy = options.strategy
    this.#moves = movesOf(options.strategy, options)
    this.#stun = new StunTransactions({ random: options.random })
    this.#probesLeft = probeLimit(options.strategy)
    this.#endsAt = after(now, NOTE_PATIENCE_MS)
    const ids = Array.from(
      { length: this.#moves.socketCount + this.#moves.watchCount },
      (_, index) => [socketNamed(`${options.name}:${options.number}:${index}`), index] as const,
    )
    this.#wanted = new Map(ids)
    const { family } = options.peerEndpoint
    for (const [socket] of ids) this.#events.push({ kind: 'socket-wanted', socket, family })
    this.#noteAt = now
    if (ids.length === 0) this.#handleOpen(now)
  }

  get outcome(): AttemptOutcome {
    return this.#outcome
  }

  get probesSent(): number {
    return this.#probesSent
  }

  get sockets(): readonly SocketId[] {
    return [...this.#wanted.keys()]
  }

  owns(socket: SocketId): boolean {
    return this.#wanted.has(socket)
  }

  socketOpened(now: Instant, socket: SocketId, local: Endpoint): void {
    if (!this.#wanted.has(socket) || this.#open.has(socket)) return
    this.#open.set(socket, local.port)
    this.#checkOpen(now)
  }

  socketRefused(now: Instant, socket: SocketId): void {
    if (!this.#wanted.has(socket)) return
    this.#refused.add(socket)
    this.#checkOpen(now)
  }

  /** One of this very attempt. */
  handleNote(now: Instant, { isReady, hasHeard, isDone, port }: PunchNote): void {
    if (hasHeard && this.#isReady) this.#isHeard = true
    const isNews = isReady && this.#peer === undefined
    if (isNews) this.#meet(now, port)
    if (this.#isBegun) this.#probe(now)
    // Who still asks has not heard: tell, but not at the speed of who floods us.
    if (!isDone) this.#noteAt = earliest(this.#noteAt, after(now, isNews ? 0 : NOTE_GAP_MS / 3))
  }

  handleStun(now: Instant, from: Endpoint, bytes: Uint8Array, via: SocketId): void {
    this.#stun.handleDatagram(now, from, bytes, via)
    this.#settle(now)
  }

  handleTimeout(now: Instant): void {
    if (this.#outcome !== 'running') return
    this.#stun.handleTimeout(now)
    this.#settle(now)
    this.#check(now)
    for (const volley of this.#volleys) this.#fire(now, volley)
    if (this.#noteAt !== undefined && now >= this.#noteAt) this.#tell(now)
    if (now >= this.#endsAt) this.#outcome = this.#isBegun ? 'failed' : 'unanswered'
  }

  pollTransmit(): Transmit | undefined {
    return this.#stun.pollTransmit()
  }

  pollEvent(): SocketEvent | undefined {
    return this.#events.shift()
  }

  pollTimeout(): Instant | undefined {
    if (this.#outcome !== 'running') return undefined
    let first = earliest(this.#endsAt, this.#noteAt, this.#watch?.dueAt, this.#stun.pollTimeout())
    for (const { dueAt } of this.#volleys) first = earliest(first, dueAt)
    return first
  }

  get #isBegun(): boolean {
    return this.#peer !== undefined && this.#isHeard
  }

  /** Those that take part in the attempt. */
  get #openSockets(): readonly SocketId[] {
    const playing = this.sockets.slice(0, this.#moves.socketCount)
    return playing.filter((socket) => this.#open.has(socket))
  }

  #checkOpen(now: Instant): void {
    if (this.#open.size + this.#refused.size < this.#wanted.size || this.#isReady) return
    // The first one is what others are found by.
    const [first] = this.sockets
    const isMissing = this.#moves.socketCount > 0 && first !== undefined && !this.#open.has(first)
    if (isMissing) this.#outcome = 'no-sockets'
    else this.#handleOpen(now)
  }

  #handleOpen(now: Instant): void {
    const watching = this.sockets.slice(this.#moves.socketCount)
    if (watching.length > 0) {
      this.#watch = new TableWatch(
        now,
        watching.filter((socket) => this.#open.has(socket)),
      )
      this.#check(now)
    }
    const [first] = this.#openSockets
    const { stunServer } = this.#options
    if (this.#moves.tells === 'stun-port' && first !== undefined && stunServer !== undefined) {
      this.#stun.request(now, { server: stunServer, via: first, schedule: STUN_SCHEDULE })
      this.#plan(now, this.#moves.opening(this.#openSockets))
      return
    }
    if (this.#moves.tells === 'local-port' && first !== undefined)
      this.#port = this.#open.get(first)
    this.#plan(now, this.#moves.opening(this.#openSockets))
    this.#becomeReady(now)
  }

  #settle(now: Instant): void {
    for (let told = this.#stun.pollEvent(); told !== undefined; told = this.#stun.pollEvent()) {
      if (this.#checks.delete(told.id)) this.#noteCheck(told)
      else if (told.kind === 'answered') {
        this.#port = told.mapped.port
        this.#becomeReady(now)
      }
    }
    if (this.#watch?.isFull === true) this.#outcome = 'table-full'
  }

  #noteCheck(told: StunOutcome): void {
    if (told.kind !== 'answered') this.#watch?.noteLost()
    else this.#watch?.noteAnswer(told.sends === 1 ? told.rttMs : undefined)
  }

  /** Begins a flow that is new to the router. */
  #check(now: Instant): void {
    const { stunServer: server } = this.#options
    const via = this.#watch?.take(now)
    if (via === undefined || server === undefined) return
    this.#checks.add(this.#stun.request(now, { server, via, schedule: CHECK_SCHEDULE }))
  }

  #becomeReady(now: Instant): void {
    this.#isReady = true
    this.#noteAt = now
    if (this.#peer !== undefined) this.#meetNow(now, this.#peer.port)
  }

  #meet(now: Instant, port: number | undefined): void {
    this.#peer = { port }
    if (this.#isReady) this.#meetNow(now, port)
  }

  #meetNow(now: Instant, port: number | undefined): void {
    this.#plan(now, this.#moves.meeting(this.#openSockets, port))
    this.#endsAt = after(now, NOTE_PATIENCE_MS)
  }

  #probe(now: Instant): void {
    if (this.#hasProbed || this.#peer === undefined) return
    this.#hasProbed = true
    this.#plan(now, this.#moves.probing(this.#openSockets, this.#peer.port))
    this.#endsAt = after(now, this.#moves.durationMs + NOTE_GAP_MS)
  }

  #plan(now: Instant, plans: readonly VolleyPlan[]): void {
    const planned = plans.map((plan) => new Volley(now, plan))
    this.#volleys = [...this.#volleys.filter(({ dueAt }) => dueAt !== undefined), ...planned]
    for (const volley of this.#volleys) this.#fire(now, volley)
  }

  #fire(now: Instant, volley: Volley): void {
    const { exchange, openerTtl } = this.#options
    for (const { via, to, isOpener = false } of volley.take(now)) {
      if (this.#probesLeft === 0) return
      this.#probesLeft -= 1
      this.#probesSent += 1
      const ttl = isOpener && openerTtl > 0 ? openerTtl : undefined
      exchange.shoot(now, via === undefined ? { to } : { to, via }, ttl)
    }
  }

  #tell(now: Instant): void {
    const isDone = this.#isBegun
    this.#noteAt = isDone ? undefined : after(now, NOTE_GAP_MS)
    this.#options.exchange.tell(this.#options.relay, {
      number: this.number,
      strategy: this.strategy,
      isReady: this.#isReady,
      hasHeard: this.#peer !== undefined,
      isDone,
      port: this.#port,
    })
  }
}
