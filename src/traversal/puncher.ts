/** Who is probed when: a round of punching over all pairs of one peer. */
import { type Endpoint, sameEndpoint } from '../core/endpoint.ts'
import { after, earliest, type Instant } from '../core/instant.ts'
import type { SocketId } from '../core/machine.ts'
import type { Candidate } from '../protocol/server/messages.ts'
import { mayProbe, type PathPolicy, Surroundings, targetsOf } from './candidate.ts'
import { CandidatePair } from './candidate-pair.ts'
import { deservesOpener, openerTimes } from './opener.ts'
import { PairTable } from './pair-table.ts'
import type { Path } from './path.ts'
import type { Step } from './path-report.ts'
import type { ProbeExchange } from './probe-exchange.ts'
import { Pacer, ProbeSchedule } from './probe-schedule.ts'

export interface PuncherOptions {
  readonly exchange: ProbeExchange
  readonly policy: PathPolicy
  readonly local: readonly Candidate[]
  readonly openerTtl: number
}

/** Two questions to one address closer than this ask the same. */
const MIN_ASK_GAP_MS = 20

export class Puncher {
  readonly #pairs = new PairTable()
  readonly #pacer = new Pacer()
  readonly #strategies = new Set<Step>()
  readonly #exchange: ProbeExchange
  readonly #policy: PathPolicy
  readonly #openerTtl: number
  #around: Surroundings
  #isHopeless = false
  #relay: CandidatePair | undefined

  constructor({ exchange, policy, local, openerTtl }: PuncherOptions) {
    this.#exchange = exchange
    this.#policy = policy
    this.#openerTtl = openerTtl
    this.#around = new Surroundings(local)
  }

  /** The direct pairs. */
  get pairs(): readonly CandidatePair[] {
    return this.#pairs.all()
  }

  /** The relay first, where there is one. */
  get all(): readonly CandidatePair[] {
    return this.#relay === undefined ? this.pairs : [this.#relay, ...this.pairs]
  }

  get relay(): CandidatePair | undefined {
    return this.#relay
  }

  get strategies(): ReadonlySet<Step> {
    return this.#strategies
  }

  setLocal(local: readonly Candidate[]): void {
    this.#around = new Surroundings(local)
  }

  mayProbe(subject: Endpoint): boolean {
    return mayProbe(subject, this.#around, this.#policy)
  }

  /** The relay is asked like any pair: through it the peer answers, and its round trip is known. */
  setRelay(now: Instant, path: Path | undefined): CandidatePair | undefined {
    if (this.#relay !== undefined) this.#exchange.forget(this.#relay)
    this.#relay = path && new CandidatePair('relay', 'relay', path)
    if (this.#relay === undefined) return undefined
    this.#strategies.add('relay')
    this.#relay.schedule = new ProbeSchedule(now, { openers: [], isSparse: false })
    return this.#relay
  }

  /**
   * Makes pairs of the peer's candidates that are new, to be probed from `startAt` on. True when there were any. What he
   * offers no more is withdrawn.
   */
  adopt(now: Instant, remote: readonly Candidate[], startAt: Instant | undefined): boolean {
    let hasNew = false
    const targets = targetsOf(remote, this.#around, this.#policy)
    this.#withdrawAllBut(targets.map(({ endpoint }) => endpoint))
    for (const { kind, endpoint } of targets) {
      const known = this.#pairs.get({ to: endpoint })
      const pair = known ?? this.#add(kind, { to: endpoint })
      if (pair === undefined) continue
      this.#exchange.name(endpoint)
      if (known !== undefined) continue
      if (startAt !== undefined) this.#arm(now, pair, startAt)
      hasNew = true
    }
    return hasNew
  }

  /** The pair that a datagram came from: a new, peer-reflexive one where nobody named the address (RFC 8445 §7.3.1.3). */
  pairFrom(path: Path): CandidatePair | undefined {
    const known = this.#pairs.get(path)
    if (known !== undefined) return known
    this.#strategies.add('peer-reflexive')
    return this.#add('peer-reflexive', path)
  }

  /** The pair of a question that hit. */
  predictedPair(path: Path): CandidatePair | undefined {
    return this.#pairs.get(path) ?? this.#add('predicted', path)
  }

  /**
   * Probes to the peer's reflexive addresses cannot work, as both NATs are known to be: then none is sent, since some
   * routers refuse an address altogether from which something unasked-for came, and the attempt would fail as well.
   */
  setHopeless(isHopeless: boolean): void {
    this.#isHopeless = isHopeless
  }

  /** Whether a pair that works, or may soon, depends on the socket. */
  usesSocket(via: SocketId): boolean {
    return this.pairs.some((pair) => pair.via === via && pair.heartbeat !== undefined)
  }

  /** The socket is going to be closed. */
  removeVia(via: SocketId): void {
    for (const pair of this.pairs) if (pair.via === via) this.#remove(pair)
  }

  /** Begins a round for everything that does not work yet; the first openers leave now. */
  punch(now: Instant, startAt: Instant): void {
    for (const pair of this.pairs) {
      if (pair.heartbeat === undefined && !pair.isWithdrawn) this.#arm(now, pair, startAt)
    }
  }

  punchAgain(now: Instant): void {
    this.#strategies.add('punch-again')
    this.punch(now, now)
  }

  /** RFC 8445 §7.3.1.4's triggered check, and every further rung of the ladder. */
  askBack(now: Instant, pair: CandidatePair): void {
    if (pair.schedule?.dueAt === undefined) {
      pair.schedule = new ProbeSchedule(now, { openers: [], isSparse: false })
    } else {
      pair.schedule.widen(now)
    }
    const { lastAskedAt } = pair
    if (lastAskedAt === undefined || now >= after(lastAskedAt, MIN_ASK_GAP_MS)) {
      this.#exchange.ask(now, pair)
    }
  }

  /** What is probed after this pair is hardly better; what the peer asks from is looked at all the same. */
  stopWorseThan(pair: CandidatePair): void {
    for (const other of this.pairs) if (other.rank > pair.rank) other.schedule = undefined
  }

  /** The network is another one: what the peer named is tried anew, what he was seen at meant the old one. */
  reset(): void {
    this.#exchange.reset()
    for (const pair of this.pairs) {
      pair.reset()
      if (!pair.wasNamed) this.#remove(pair)
    }
  }

  /** Sends what is due, best first, one packet in 4 ms. */
  handleTimeout(now: Instant): void {
    for (;;) {
      const pair = this.#firstDue(now)
      const dueAt = pair?.schedule?.dueAt
      if (dueAt === undefined || this.#pacer.slotFor(dueAt) > now) return
      const step = pair?.schedule?.take(now)
      if (pair === undefined || step === undefined) return
      const ttl = step === 'opener' ? this.#openerTtl : undefined
      if (!this.#exchange.ask(now, pair, ttl)) continue
      this.#pacer.noteSent(now)
      if (!pair.isRelay) this.#strategies.add(step)
    }
  }

  pollTimeout(): Instant | undefined {
    let first: Instant | undefined
    for (const { schedule } of this.all) {
      const dueAt = schedule?.dueAt
      if (dueAt !== undefined) first = earliest(first, this.#pacer.slotFor(dueAt))
    }
    return first
  }

  #firstDue(now: Instant): CandidatePair | undefined {
    let first: CandidatePair | undefined
    for (const pair of this.all) {
      const dueAt = pair.schedule?.dueAt
      if (dueAt === undefined || dueAt > now) continue
      if (first === undefined || pair.rank < first.rank) first = pair
    }
    return first
  }

  #arm(now: Instant, pair: CandidatePair, startAt: Instant): void {
    if (this.#isHopeless && (pair.kind === 'server-reflexive' || pair.kind === 'port-guess')) return
    const hasOpeners = this.#openerTtl > 0 && deservesOpener(pair.remote, this.#around)
    const openers = hasOpeners ? openerTimes(now, startAt) : []
    const isSparse = !pair.wasHeard && !this.#exchange.isProved(pair)
    pair.schedule = new ProbeSchedule(startAt, { openers, isSparse })
  }

  #withdrawAllBut(offered: readonly Endpoint[]): void {
    for (const pair of this.pairs) {
      if (!pair.wasNamed) continue
      pair.isWithdrawn = !offered.some((endpoint) => sameEndpoint(endpoint, pair.remote))
      if (pair.isWithdrawn && pair.heartbeat === undefined) pair.schedule = undefined
    }
  }

  #remove(pair: CandidatePair): void {
    this.#pairs.remove(pair)
    const isLast = !this.pairs.some(({ remote }) => sameEndpoint(remote, pair.remote))
    this.#exchange.forget(pair, isLast)
  }

  #add(kind: CandidatePair['kind'], path: Path): CandidatePair | undefined {
    const pathKind = this.#around.isInside(path.to) ? 'lan' : 'direct'
    const pair = new CandidatePair(kind, pathKind, path)
    return this.#pairs.add(pair, (dropped) => this.#exchange.forget(dropped)) ? pair : undefined
  }
}
