/**
 * Finds the addresses under which this daemon may be reached, and notices when they change: host candidates at once,
 * server-reflexive ones as the STUN servers answer on the primary socket. One per daemon; all peers share the result.
 *
 * Servers are asked at 0, 150, 400, 900 and 1800 ms; whatever is known at 1.2 s is the result, what comes later is told
 * as a change. Afterwards one server is asked every 20-26 s: the answer keeps our mapping alive and tells when the
 * public address is another, and then everything is asked again.
 */
import { type Endpoint, type EndpointKey, keyOf, sameEndpoint } from '../core/endpoint.ts'
import { after, earliest, type Instant } from '../core/instant.ts'
import type { Machine, Transmit } from '../core/machine.ts'
import { OutboundQueue } from '../core/outbound-queue.ts'
import { type Random, uniform } from '../core/random.ts'
import type { Candidate } from '../protocol/server/messages.ts'
import type { TransactionId } from '../stun/message.ts'
import { type Schedule, type StunOutcome, StunTransactions } from '../stun/transactions.ts'
import { hostCandidates, offered } from './candidate.ts'

export type GathererEvent =
  /** What to offer is more, less or other than it was. */
  | { readonly kind: 'candidates-changed'; readonly candidates: readonly Candidate[] }
  /** All servers answered, or their time is over. `isSilent`: not one did, so UDP may be blocked. */
  | {
      readonly kind: 'gathering-finished'
      readonly candidates: readonly Candidate[]
      readonly isSilent: boolean
    }
  /** The world sees us elsewhere: peers must be told. Gathering has begun again. */
  | { readonly kind: 'public-address-changed'; readonly endpoint: Endpoint }

const SEND_AT_MS = [0, 150, 400, 900, 1800] as const
const GIVE_UP_MS = 3000
const TARGET_MS = 1200
const SPREAD = 0.1

/** Below the 30 s that UDP mappings live at least in practice; at random, so that daemons do not march in step. */
const KEEPALIVE_MS = { least: 20_000, most: 26_000 } as const

/**
 * While somebody waits for the network a server that answers is asked so often, to notice when it does not any more; where
 * nobody answers, one round follows the other. After two minutes he waits anyway, and a server that is dead is spared.
 */
const CLOSE_WATCH_MS = 1_000
const CLOSE_WATCH_FOR_MS = 120_000

/** The server names at most four; the user may have configured some more. */
const MAX_SERVERS = 8

type Round =
  | { readonly kind: 'idle' }
  /** Without a target once that has passed and nobody has answered: then whoever is first. */
  | { readonly kind: 'gathering'; readonly targetAt: Instant | undefined }
  | { readonly kind: 'watching'; readonly askAt: Instant }

/** Our address as one server saw it, and in which round. */
interface Reflexive {
  readonly endpoint: Endpoint
  readonly round: number
}

export class Gatherer implements Machine<GathererEvent> {
  readonly #random: Random
  readonly #transactions: StunTransactions
  readonly #asked = new Map<TransactionId, Endpoint>() // ≤ MAX_SERVERS + 1
  readonly #reflexive = new Map<EndpointKey, Reflexive>() // by server, ≤ MAX_SERVERS
  readonly #events = new OutboundQueue<GathererEvent>()
  #mapped: readonly Candidate[] = [] // ≤ 1
  #hosts: readonly Candidate[] = []
  #servers: readonly Endpoint[] = []
  #round: Round = { kind: 'idle' }
  #rounds = 0
  #closeUntil: Instant | undefined
  #told = ''

  constructor({ random }: { readonly random: Random }) {
    this.#random = random
    this.#transactions = new StunTransactions({ random })
  }

  /** What to offer now: hosts first, at most `MAX_CANDIDATES`. */
  get candidates(): readonly Candidate[] {
    const reflexive = [...this.#reflexive.values()].map(
      ({ endpoint }) => ({ kind: 'server-reflexive', endpoint }) as const,
    )
    return offered([...this.#hosts, ...this.#mapped, ...reflexive])
  }

  /** Whether a server has answered over UDP. */
  get hasReflexive(): boolean {
    return this.#reflexive.size > 0
  }

  get isGathering(): boolean {
    return this.#round.kind === 'gathering'
  }

  /** The addresses of the usable interfaces and the port of the primary socket. Other ones mean another network. */
  setLocalAddresses(now: Instant, addresses: readonly string[], port: number): void {
    this.#hosts = hostCandidates(addresses, port)
    this.#reflexive.clear()
    this.gather(now)
  }

  setServers(now: Instant, servers: readonly Endpoint[]): void {
    this.#servers = servers.slice(0, MAX_SERVERS)
    this.#closeUntil = undefined
    this.#reflexive.clear()
    this.gather(now)
  }

  /** A port of the gateway that is proven to lead to the primary socket; `undefined` when there is none any more. */
  setMapped(endpoint: Endpoint | undefined): void {
    this.#mapped = endpoint === undefined ? [] : [{ kind: 'mapped', endpoint }]
    this.#tellCandidates()
  }

  /** From now on it matters when the servers answer again, should they not: until `setServers`, but not for ever. */
  watchClosely(now: Instant): void {
    if (this.#closeUntil !== undefined) return
    this.#closeUntil = after(now, CLOSE_WATCH_FOR_MS)
    if (this.#round.kind === 'watching') this.#rest(now)
  }

  /** Asks all servers anew. What they said before is believed until the round is over. */
  gather(now: Instant): void {
    for (const id of this.#asked.keys()) this.#transactions.cancel(id)
    this.#asked.clear()
    this.#rounds += 1
    this.#round = { kind: 'gathering', targetAt: after(now, TARGET_MS) }
    for (const server of this.#servers) if (this.#hasFamily(server)) this.#ask(now, server)
    this.#settle(now)
  }

  handleDatagram(now: Instant, from: Endpoint, bytes: Uint8Array): void {
    this.#transactions.handleDatagram(now, from, bytes)
    this.#settle(now)
  }

  handleTimeout(now: Instant): void {
    this.#transactions.handleTimeout(now)
    if (this.#round.kind === 'watching' && now >= this.#round.askAt) this.#watch(now)
    this.#settle(now)
  }

  pollTransmit(): Transmit | undefined {
    return this.#transactions.pollTransmit()
  }

  pollEvent(): GathererEvent | undefined {
    return this.#events.shift()
  }

  pollTimeout(): Instant | undefined {
    return earliest(this.#transactions.pollTimeout(), this.#deadline())
  }

  #deadline(): Instant | undefined {
    switch (this.#round.kind) {
      case 'idle':
        return undefined
      case 'gathering':
        return this.#round.targetAt
      case 'watching':
        return this.#round.askAt
    }
  }

  #ask(now: Instant, server: Endpoint): void {
    const id = this.#transactions.request(now, { server, schedule: this.#schedule() })
    this.#asked.set(id, server)
  }

  #schedule(): Schedule {
    const spread = (ms: number): number => ms * (1 - SPREAD + 2 * SPREAD * uniform(this.#random))
    return { sendAtMs: SEND_AT_MS.map(spread), giveUpAtMs: GIVE_UP_MS }
  }

  /** Takes in what the transactions brought, then tells what changed. */
  #settle(now: Instant): void {
    let outcome: StunOutcome | undefined
    while ((outcome = this.#transactions.pollEvent()) !== undefined) this.#take(now, outcome)
    this.#tellCandidates()
    if (this.#round.kind !== 'gathering') return
    const { targetAt } = this.#round
    const isLate = targetAt === undefined || now >= targetAt
    if (this.#asked.size === 0 || (isLate && this.#hasAnswer())) this.#finish(now)
    else if (isLate) this.#round = { kind: 'gathering', targetAt: undefined }
  }

  #take(now: Instant, outcome: StunOutcome): void {
    const server = this.#asked.get(outcome.id)
    this.#asked.delete(outcome.id)
    if (server === undefined) return
    const key = keyOf(server)
    const known = this.#reflexive.get(key)?.endpoint
    if (outcome.kind === 'answered') {
      this.#reflexive.set(key, { endpoint: outcome.mapped, round: this.#rounds })
      const isOther = known !== undefined && !sameEndpoint(known, outcome.mapped)
      if (isOther && this.#round.kind === 'watching') this.#handleMoved(now, outcome.mapped)
    } else if (this.#round.kind === 'watching') {
      this.#reflexive.delete(key) // the next server is watched, and in the end all are asked anew
    }
  }

  #handleMoved(now: Instant, endpoint: Endpoint): void {
    this.#events.push({ kind: 'public-address-changed', endpoint })
    this.gather(now)
  }

  #hasAnswer(): boolean {
    return [...this.#reflexive.values()].some(({ round }) => round === this.#rounds)
  }

  #finish(now: Instant): void {
    for (const [server, { round }] of this.#reflexive) {
      if (round !== this.#rounds && !this.#isAsked(server)) this.#reflexive.delete(server)
    }
    this.#tellCandidates()
    const isSilent = this.#servers.length > 0 && this.#reflexive.size === 0
    this.#events.push({ kind: 'gathering-finished', candidates: this.candidates, isSilent })
    this.#rest(now)
  }

  #rest(now: Instant): void {
    const { least, most } = KEEPALIVE_MS
    const isClose = this.#closeUntil !== undefined && now < this.#closeUntil
    const closeMs = this.hasReflexive ? CLOSE_WATCH_MS : 0
    const restMs = isClose ? closeMs : least + (most - least) * uniform(this.#random)
    const askAt = after(now, restMs)
    this.#round = this.#servers.length === 0 ? { kind: 'idle' } : { kind: 'watching', askAt }
  }

  /** Asks whoever answered before; where nobody did, everybody: UDP may be back. */
  #watch(now: Instant): void {
    if (this.#asked.size > 0) {
      this.#rest(now)
      return
    }
    const server = this.#servers.find((candidate) => this.#reflexive.has(keyOf(candidate)))
    if (server === undefined) {
      this.gather(now)
      return
    }
    this.#ask(now, server)
    this.#rest(now)
  }

  #tellCandidates(): void {
    const { candidates } = this
    const told = candidates.map(({ kind, endpoint }) => `${kind} ${keyOf(endpoint)}`).join()
    if (told === this.#told) return
    this.#told = told
    this.#events.push({ kind: 'candidates-changed', candidates })
  }

  #isAsked(server: EndpointKey): boolean {
    return [...this.#asked.values()].some((asked) => keyOf(asked) === server)
  }

  #hasFamily({ family }: Endpoint): boolean {
    return this.#hosts.some((host) => host.endpoint.family === family)
  }
}
