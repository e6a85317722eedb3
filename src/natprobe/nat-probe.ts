/**
 * All tests of one address family, in their order: a machine without I/O.
 *
 *     sockets wanted ─► all opened ─► mapping ─┬─► filtering ─► depth ─┐
 *                                              ├─► hairpin             ├─► finished
 *                                              ├─► poisoning           │
 *                                              ├─► allocation, latency │
 *                                              ├─► egress, sizes       │
 *                                              └─► lifetime ───────────┘
 *
 * Each test has fresh sockets of its own (RFC 5780 §4.1), which the machine asks for by `socket-wanted` and names in
 * `Transmit.via`: whoever runs it opens them and says `socketOpened`. What follows mapping runs side by side, in that
 * order of right of way; the pacer keeps them all together below what a server may be asked. The quick mode ends with
 * filtering; that for a profile also asks for what strategies need of some NATs: allocation and depth; that for lifetimes
 * asks for these alone.
 */
import { type Endpoint, keyOf } from '../core/endpoint.ts'
import { earliest, type Instant } from '../core/instant.ts'
import type { Machine, SocketId, Transmit } from '../core/machine.ts'
import { OutboundQueue } from '../core/outbound-queue.ts'
import type { Random } from '../core/random.ts'
import { type AllocatorResult, allocatorScript } from './allocator-probe.ts'
import { depthScript } from './depth-probe.ts'
import { egressScript, type UdpEgress } from './egress-probe.ts'
import { filteringScript } from './filtering-probe.ts'
import type { FilteringValue, Finding, Judgement } from './finding.ts'
import { HairpinProbe } from './hairpin-probe.ts'
import { type Latency, latencyScript } from './latency-probe.ts'
import { mappingScript, type MappingResult } from './mapping-probe.ts'
import { Pacer } from './pacer.ts'
import type { Lifetime } from './lifetime-judgement.ts'
import { type LifetimeMode, lifetimeScript } from './lifetime-probe.ts'
import { poisonScript } from './poison-probe.ts'
import {
  ALLOCATION,
  DEPTH,
  EGRESS,
  POISON,
  FILTERING,
  HAIRPIN,
  LATENCY,
  LIFETIME,
  lifetimeBuckets,
  MAIN,
  SIZE,
  UNFRAGMENTED,
  wantedSockets,
} from './probe-sockets.ts'
import type { Evidence, ProbeSocket } from './question.ts'
import { sizeScript } from './size-probe.ts'
import { type ProbeFinished, StunProbe } from './stun-probe.ts'
import type { Mode } from './timing.ts'

export interface NatProbeOptions {
  /** Of one family, each once, in the user's order. */
  readonly servers: readonly Endpoint[]
  readonly mode: Mode
  /** Idle times to test behind a NAT; `off` when absent, and in the quick mode. */
  readonly lifetime?: LifetimeMode
  /** This host's own addresses of that family. */
  readonly ownAddresses: readonly string[]
  readonly random: Random
}

export const testNames = [
  'mapping',
  'filtering',
  'hairpin',
  'poisoning',
  'depth',
  'allocation',
  'latency',
  'egress',
  'sizes',
  'lifetime',
] as const

export type TestName = (typeof testNames)[number]

/** They send little, and wait long: for idle times, or for silence once for each hop. */
const SLOW_TESTS: readonly TestName[] = ['depth', 'lifetime']

export type NatProbeEvent =
  /** Open a socket, on a port of the system's choice unless the user wants another one for `isMain`. */
  | {
      readonly kind: 'socket-wanted'
      readonly id: SocketId
      readonly isMain: boolean
      /** What it sends must never be fragmented: refuse it where that cannot be had. */
      readonly forbidsFragments: boolean
    }
  | { readonly kind: 'test-started' | 'test-finished'; readonly test: TestName }
  /** Nothing runs any more but what takes its time (`SLOW_TESTS`): what the others found. Said once, before `finished`. */
  | { readonly kind: 'settled'; readonly result: NatProbeResult }
  | { readonly kind: 'finished'; readonly result: NatProbeResult }

/** What the tests of one family found. What was not tested is absent. */
export interface NatProbeResult {
  readonly local: Endpoint | undefined
  readonly mapping: MappingResult
  readonly mappingEvidence: readonly Evidence[]
  readonly filtering?: Finding<FilteringValue>
  readonly hairpin?: Finding<boolean | 'unknown'>
  readonly allocation?: AllocatorResult & { readonly evidence: readonly Evidence[] }
  readonly poisonable?: Finding<boolean | 'unknown'>
  readonly natDepth?: Finding<number | 'unknown'>
  readonly lifetime?: Finding<Lifetime>
  readonly egress?: readonly UdpEgress[]
  readonly mtu?: Finding<number | 'unknown'>
  readonly fragments?: Finding<boolean | 'unknown'>
  readonly latency: readonly { readonly server: Endpoint; readonly latency: Latency }[]
}

interface Part extends Machine<unknown> {
  start(now: Instant): void
}

interface Running {
  readonly test: TestName
  readonly part: Part
  /** Takes the part's result when it has one. */
  readonly takeResult: () => boolean
}

type Collected = {
  -readonly [Key in keyof NatProbeResult]?: NatProbeResult[Key]
}

export class NatProbe implements Machine<NatProbeEvent> {
  readonly #options: NatProbeOptions
  readonly #pacer = new Pacer()
  readonly #transmits = new OutboundQueue<Transmit>()
  readonly #events = new OutboundQueue<NatProbeEvent>()
  readonly #wanted: ReadonlySet<SocketId>
  readonly #sockets = new Map<SocketId, ProbeSocket | 'refused'>()
  readonly #collected: Collected = {}
  readonly #latency: { readonly server: Endpoint; readonly latency: Latency }[] = []
  #running: readonly Running[] = []
  #isSettled = false
  #isFinished = false

  constructor(options: NatProbeOptions) {
    this.#options = options
    this.#wanted = new Set(wantedSockets(options.mode, options.lifetime ?? 'off'))
  }

  start(): void {
    for (const id of this.#wanted) {
      const forbidsFragments = id === UNFRAGMENTED
      this.#events.push({ kind: 'socket-wanted', id, isMain: id === MAIN, forbidsFragments })
    }
  }

  /** A wanted socket is open; its local address may be the unspecified one. */
  socketOpened(now: Instant, id: SocketId, local: Endpoint): void {
    this.#noteSocket(now, id, { id, local })
  }

  /** A wanted socket cannot be had: the tests that need it are left out. */
  socketRefused(now: Instant, id: SocketId): void {
    this.#noteSocket(now, id, 'refused')
  }

  handleDatagram(now: Instant, from: Endpoint, bytes: Uint8Array, via?: SocketId): void {
    for (const { part } of this.#running) part.handleDatagram(now, from, bytes, via)
    this.#proceed(now)
  }

  handleTimeout(now: Instant): void {
    for (const { part } of this.#running) part.handleTimeout(now)
    this.#proceed(now)
  }

  pollTransmit(): Transmit | undefined {
    return this.#transmits.shift()
  }

  pollEvent(): NatProbeEvent | undefined {
    return this.#events.shift()
  }

  /** What has been found by now; `undefined` until the mapping is known. */
  get found(): NatProbeResult | undefined {
    if (this.#collected.mapping === undefined) return undefined
    return { ...nothingFound(), ...this.#collected, latency: [...this.#latency] }
  }

  pollTimeout(): Instant | undefined {
    return earliest(...this.#running.map(({ part }) => part.pollTimeout()))
  }

  #noteSocket(now: Instant, id: SocketId, socket: ProbeSocket | 'refused'): void {
    if (!this.#wanted.has(id) || this.#sockets.has(id)) return
    this.#sockets.set(id, socket)
    if (this.#sockets.size < this.#wanted.size) return
    const main = this.#socket(MAIN)
    if (main === undefined) this.#finish(nothingFound())
    else this.#startMapping(now, main)
  }

  #socket(id: SocketId): ProbeSocket | undefined {
    const socket = this.#sockets.get(id)
    return socket === 'refused' ? undefined : socket
  }

  // ---- Parts: started together, drained here, gone when they have their result ---------------------------------------

  #startMapping(now: Instant, socket: ProbeSocket): void {
    this.#collected.local = socket.local
    const probe = this.#stunProbe(mappingScript({ ...this.#options, socket }))
    this.#run(now, 'mapping', probe, ({ result, evidence }) => {
      this.#collected.mapping = result
      this.#collected.mappingEvidence = evidence
    })
    this.#proceed(now)
  }

  #startOthers(now: Instant, mapping: MappingResult): void {
    const { mode } = this.#options
    const server = mapping.full?.main ?? mapping.answered[0]?.server
    if (mode === 'lifetime') {
      if (server !== undefined) this.#startLifetime(now, server, mapping)
      return
    }
    this.#startFiltering(now, mapping)
    if (mode === 'quick') return
    if (mode === 'profile') {
      if (server !== undefined && mayDepend(mapping)) this.#startAllocation(now, server)
      return
    }
    if (server !== undefined && mapping.isNatted === true) {
      // To another destination such a socket would have another address: nobody could be told where it is.
      if (mapping.mapping.value === 'endpoint-independent') {
        this.#startHairpin(now, server)
        this.#startPoisoning(now, mapping)
      }
      this.#startAllocation(now, server)
    }
    for (const candidate of this.#options.servers) {
      // The questions of the allocation test are counted for its server: they are as good as others.
      const isCountedLater =
        server !== undefined && keyOf(candidate) === keyOf(server) && mapping.isNatted === true
      if (mapping.silent.includes(candidate) || isCountedLater) continue
      this.#startLatency(now, candidate, rttTo(candidate, mapping), [])
    }
    if (server === undefined) return
    const rttMs = rttTo(server, mapping)
    this.#startEgress(now, server, rttMs)
    this.#startSizes(now, server, rttMs)
    // Last: the many mappings that it makes must not come between those of the allocation test.
    this.#startLifetime(now, server, mapping)
  }

  #startFiltering(now: Instant, { full: server }: MappingResult): void {
    const [first, second] = FILTERING.map((id) => this.#socket(id))
    if (server === undefined || first === undefined || second === undefined) return
    const { mode } = this.#options
    const probe = this.#stunProbe(filteringScript({ sockets: [first, second], server, mode }))
    this.#run(now, 'filtering', probe, ({ result, evidence }) => {
      this.#collected.filtering = { ...result, evidence }
    })
  }

  #startHairpin(now: Instant, server: Endpoint): void {
    const [first, second] = HAIRPIN.map((id) => this.#socket(id))
    if (first === undefined || second === undefined) return
    const { mode, random } = this.#options
    const options = { sockets: [first, second], server, mode } as const
    const probe = new HairpinProbe(options, { random, pacer: this.#pacer })
    this.#run(now, 'hairpin', probe, ({ result, evidence }) => {
      this.#collected.hairpin = { ...result, evidence }
    })
  }

  #startPoisoning(now: Instant, { full: server }: MappingResult): void {
    const [first, second] = POISON.map((id) => this.#socket(id))
    if (server?.answersAtOther !== true || first === undefined || second === undefined) return
    const { mode } = this.#options
    const probe = this.#stunProbe(poisonScript({ sockets: [first, second], server, mode }))
    this.#run(now, 'poisoning', probe, ({ result, evidence }) => {
      this.#collected.poisonable = { ...result, evidence }
    })
  }

  /** Only a filter shows where it is: what lets everything in cannot be seen. */
  #startDepth(now: Instant, { full: server, mapping, isNatted }: MappingResult): void {
    const filtering = this.#collected.filtering?.value
    const filters = filtering === 'address-dependent' || filtering === 'address-and-port-dependent'
    if (this.#options.mode === 'quick' || server === undefined || isNatted !== true) return
    if (!filters || mapping.value !== 'endpoint-independent') return
    const sockets = DEPTH.flatMap((id) => this.#socket(id) ?? [])
    const probe = this.#stunProbe(depthScript({ sockets, server }))
    this.#run(now, 'depth', probe, ({ result, evidence }) => {
      this.#collected.natDepth = { ...result, evidence }
    })
  }

  #startAllocation(now: Instant, server: Endpoint): void {
    const sockets = ALLOCATION.flatMap((id) => this.#socket(id) ?? [])
    const { mode } = this.#options
    const probe = this.#stunProbe(allocatorScript({ sockets, server, mode }))
    this.#run(now, 'allocation', probe, ({ result, evidence }) => {
      this.#collected.allocation = { ...result, evidence }
    })
  }

  #startEgress(now: Instant, server: Endpoint, rttMs: number): void {
    const [first, second] = EGRESS.map((id) => this.#socket(id))
    if (first === undefined || second === undefined) return
    const { mode } = this.#options
    const script = egressScript({ sockets: [first, second], server, rttMs, mode })
    this.#run(now, 'egress', this.#stunProbe(script), ({ result }) => {
      this.#collected.egress = result
    })
  }

  #startSizes(now: Instant, server: Endpoint, rttMs: number): void {
    const [first, second] = SIZE.map((id) => this.#socket(id))
    if (first === undefined || second === undefined) return
    const { mode } = this.#options
    const unfragmented = this.#socket(UNFRAGMENTED)
    const free = unfragmented === undefined ? {} : { unfragmented }
    const script = sizeScript({ ...free, sockets: [first, second], server, rttMs, mode })
    this.#run(now, 'sizes', this.#stunProbe(script), ({ result, evidence }) => {
      const isMtu = ({ test }: Evidence): boolean => test.endsWith('unfragmented')
      this.#collected.mtu = { ...result.mtu, evidence: evidence.filter(isMtu) }
      const others = evidence.filter((one) => !isMtu(one))
      this.#collected.fragments = { ...result.fragments, evidence: others }
    })
  }

  #startLatency(
    now: Instant,
    server: Endpoint,
    rttMs: number,
    samples: readonly (number | undefined)[],
  ): void {
    const socket = this.#socket(LATENCY)
    if (socket === undefined) return
    const { mode } = this.#options
    const probe = this.#stunProbe(latencyScript({ socket, server, rttMs, mode, samples }))
    this.#run(now, 'latency', probe, ({ result: latency }) => {
      this.#latency.push({ server, latency })
    })
  }

  #startLifetime(now: Instant, server: Endpoint, mapping: MappingResult): void {
    const caller = this.#socket(LIFETIME.caller)
    const listener = this.#socket(LIFETIME.listener)
    if (mapping.isNatted !== true || caller === undefined || listener === undefined) return
    const buckets = lifetimeBuckets(this.#options.lifetime ?? 'off').flatMap((bucket) => {
      const [idle, unreplied] = [this.#socket(bucket.idle), this.#socket(bucket.unreplied)]
      return idle === undefined ? [] : [{ seconds: bucket.seconds, idle, unreplied }]
    })
    const sockets = { caller, listener, refreshed: this.#socket(LIFETIME.refreshed), buckets }
    const rttMs = rttTo(server, mapping)
    const probe = this.#stunProbe(lifetimeScript({ sockets, server, rttMs }))
    this.#run(now, 'lifetime', probe, ({ result, evidence }) => {
      this.#collected.lifetime = { ...result, evidence }
    })
  }

  #stunProbe<Result>(
    script: ConstructorParameters<typeof StunProbe<Result>>[0],
  ): StunProbe<Result> {
    return new StunProbe(script, { random: this.#options.random, pacer: this.#pacer })
  }

  #run<Result>(
    now: Instant,
    test: TestName,
    part: Machine<ProbeFinished<Result>> & Part,
    take: (finished: ProbeFinished<Result>) => void,
  ): void {
    const takeResult = (): boolean => {
      const finished = part.pollEvent()
      if (finished !== undefined) take(finished)
      return finished !== undefined
    }
    this.#running = [...this.#running, { test, part, takeResult }]
    this.#events.push({ kind: 'test-started', test })
    part.start(now)
  }

  #proceed(now: Instant): void {
    if (this.#isFinished) return
    const before = { ...this.#collected }
    this.#drainParts()
    const { mapping } = this.#collected
    if (before.mapping === undefined && mapping !== undefined) {
      this.#startOthers(now, mapping)
      this.#drainParts()
    }
    const { filtering, allocation } = this.#collected
    if (before.allocation === undefined && allocation !== undefined && mapping !== undefined) {
      const server = mapping.full?.main ?? mapping.answered[0]?.server
      if (server !== undefined && this.#options.mode === 'full') {
        this.#startLatency(now, server, rttTo(server, mapping), allocation.firstTries)
      }
      this.#drainParts()
    }
    if (before.filtering === undefined && filtering !== undefined && mapping !== undefined) {
      this.#startDepth(now, mapping)
      this.#drainParts()
    }
    const { found } = this
    if (found === undefined) return
    if (!this.#isSettled && this.#running.every(({ test }) => SLOW_TESTS.includes(test))) {
      this.#isSettled = true
      this.#events.push({ kind: 'settled', result: found })
    }
    if (this.#running.length === 0) this.#finish(found)
  }

  #drainParts(): void {
    for (const running of this.#running) {
      for (;;) {
        const transmit = running.part.pollTransmit()
        if (transmit === undefined) break
        this.#transmits.push(transmit)
      }
      if (!running.takeResult()) continue
      this.#running = this.#running.filter((other) => other !== running)
      const isLast = !this.#running.some(({ test }) => test === running.test)
      if (isLast) this.#events.push({ kind: 'test-finished', test: running.test })
    }
  }

  #finish(result: NatProbeResult): void {
    this.#isFinished = true
    this.#events.push({ kind: 'finished', result })
  }
}

/** Peers may have to guess the port that they would see. */
function mayDepend({ mapping, isNatted }: MappingResult): boolean {
  return isNatted === true && mapping.value !== 'endpoint-independent'
}

function rttTo(server: Endpoint, { answered }: MappingResult): number {
  const answer = answered.find((one) => keyOf(one.server) === keyOf(server))
  return answer?.rttMs ?? UNKNOWN_RTT_MS
}

/** Of a server that had not answered when the mapping was certain: as patient as can be. */
const UNKNOWN_RTT_MS = 1000

function nothingFound(): NatProbeResult {
  const mapping: Judgement<'unknown'> = {
    value: 'unknown',
    confidence: 0,
    notes: ['no socket could be opened'],
  }
  return {
    local: undefined,
    mapping: {
      mapping,
      public: [],
      isNatted: undefined,
      rewritesPayload: undefined,
      answered: [],
      silent: [],
      full: undefined,
    },
    mappingEvidence: [],
    latency: [],
  }
}
