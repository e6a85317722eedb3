/**
 * Two connections over two links, stepped in virtual time (the idea of quinn-proto's tests/util.rs). One change, drain
 * everything, next change; time jumps to whatever happens next.
 */
import { strict as assert } from 'node:assert'
import { utf8 } from '../../src/core/bytes.ts'
import type { Endpoint } from '../../src/core/endpoint.ts'
import { type Instant, instant } from '../../src/core/instant.ts'
import { forEachDatagram, type Transmit } from '../../src/core/machine.ts'
import { staticKeyFromSeed } from '../../src/crypto/static-key.ts'
import type { ConnectionEvent } from '../../src/reliable-udp/connection-event.ts'
import type { ConnectionOptions } from '../../src/reliable-udp/connection-options.ts'
import { Connection } from '../../src/reliable-udp/connection.ts'
import { Link, type LinkConditions } from '../sim/link.ts'
import { uniform } from '../../src/core/random.ts'
import { SeededRandom } from '../sim/seeded-random.ts'

export const staticA = staticKeyFromSeed(new Uint8Array(32).fill(1))
export const staticB = staticKeyFromSeed(new Uint8Array(32).fill(2))
export const addressA: Endpoint = { family: 4, address: '192.0.2.1', port: 1000 }
export const addressB: Endpoint = { family: 4, address: '198.51.100.2', port: 2000 }

export const INITIAL_ID = new Uint8Array(8).fill(7)

/** So many steps at one instant mean that somebody asks to be called at once, for ever. */
const MOST_STEPS_AT_ONCE = 20_000

export interface Side {
  readonly name: 'a' | 'b'
  readonly connection: Connection
  /** Datagrams to any of these arrive; the first one is where ours come from. */
  addresses: Endpoint[]
  readonly events: ConnectionEvent[]
  readonly sent: Uint8Array[]
  onEvent: (event: ConnectionEvent) => void
  /** While it sleeps nothing is handled; afterwards everything at once. */
  asleepUntil: number
  /** When its last turn was, and how long after its occasion the next one will be. */
  turnAt: number
  turnDelayMs: number
}

export interface PairOptions {
  readonly seed?: number
  readonly pattern?: 'IK' | 'XX'
  readonly weather?: LinkConditions
  /** From b to a, where it differs. */
  readonly backWeather?: LinkConditions
  /** Links that other pairs use as well, instead of own ones. */
  readonly links?: { readonly ab: Link; readonly ba: Link }
  readonly a?: Partial<ConnectionOptions>
  readonly b?: Partial<ConnectionOptions>
  /**
   * How late real hosts are: what comes, and timers, is handled up to this long after, and together with all that came
   * meanwhile. Absent: at once.
   */
  readonly turnMs?: number
}

interface Delivery {
  readonly at: number
  readonly order: number
  readonly from: Endpoint
  readonly bytes: Uint8Array
}

/** 50 ms there and back, and nothing ever goes wrong. */
const CALM: LinkConditions = { latencyMs: 25 }

/** IPv4 and UDP headers: links count whole packets. */
const IP_OVERHEAD_BYTES = 28

export class Pair {
  readonly random: SeededRandom
  readonly a: Side
  readonly b: Side
  readonly linkAB: Link
  readonly linkBA: Link
  now: number
  /** Changes or drops (`undefined`) what is sent. */
  tamper: (from: Side, bytes: Uint8Array) => Uint8Array | undefined = (_from, bytes) => bytes
  #order = 0
  readonly #deliveries = new Map<Side, Delivery[]>()
  readonly #turnMs: number
  readonly #turns: SeededRandom
  #timeouts = new Map<Side, Instant | undefined>()
  #steps = 0

  constructor(options: PairOptions = {}) {
    const { seed = 1, pattern = 'IK', weather = CALM } = options
    this.random = new SeededRandom(seed)
    this.#turnMs = options.turnMs ?? 0
    this.#turns = this.random.fork('turns')
    this.now = 1_000_000 // no machine may take the clock's start for something
    this.linkAB = options.links?.ab ?? new Link(weather, this.random.fork('a to b'))
    this.linkBA =
      options.links?.ba ?? new Link(options.backWeather ?? weather, this.random.fork('b to a'))
    const common = {
      prologue: utf8('prologue'),
      initialId: INITIAL_ID,
    }
    this.a = newSide('a', addressA, {
      ...common,
      random: this.random.fork('a'),
      role: 'initiator',
      pattern,
      staticKey: staticA,
      ...(pattern === 'IK' ? { remoteStatic: staticB.publicKey } : {}),
      payload: utf8('I am a'),
      path: { to: addressB },
      ...options.a,
    })
    this.b = newSide('b', addressB, {
      ...common,
      random: this.random.fork('b'),
      role: 'responder',
      staticKey: staticB,
      payload: utf8('I am b'),
      path: { to: addressA },
      ...options.b,
    })
  }

  get instant(): Instant {
    return instant(this.now)
  }

  /** Gives a command and drains. */
  change<R>(side: Side, command: (now: Instant, connection: Connection) => R): R {
    const result = command(this.instant, side.connection)
    this.#drain(side)
    return result
  }

  start(): void {
    this.change(this.a, (now, connection) => connection.start(now))
  }

  /** Both sides connected. */
  connect(limitMs = 20_000): this {
    assert.ok(this.tryConnect(limitMs), 'the handshake did not finish')
    return this
  }

  tryConnect(limitMs: number): boolean {
    this.start()
    const isDone = (): boolean =>
      this.a.connection.state === 'connected' && this.b.connection.state === 'connected'
    return this.runUntil(isDone, limitMs)
  }

  /** To the next thing that happens; false when nothing ever will, or not before `until`. */
  step(until = Infinity): boolean {
    const next = this.#next()
    if (next === undefined || next.at > until) return false
    assert.ok(next.at >= this.now, 'time never runs backwards')
    this.#steps = next.at === this.now ? this.#steps + 1 : 0
    assert.ok(this.#steps < MOST_STEPS_AT_ONCE, `busy at ${this.now}`)
    this.now = next.at
    next.run()
    return true
  }

  run(ms: number): void {
    const until = this.now + ms
    while (this.step(until));
    this.now = until
  }

  runUntil(isDone: () => boolean, limitMs: number): boolean {
    const until = this.now + limitMs
    while (!isDone()) if (!this.step(until)) return isDone()
    return true
  }

  timeoutOf(side: Side): Instant | undefined {
    return this.#timeouts.get(side)
  }

  /** When the next thing happens; `Infinity`: never. */
  get nextAt(): number {
    return this.#next()?.at ?? Infinity
  }

  /** Nothing on the way, and nobody wants to be woken. */
  get isQuiet(): boolean {
    return this.#next() === undefined
  }

  /** As if `bytes` came from `from`, now. */
  inject(to: Side, from: Endpoint, bytes: Uint8Array): void {
    this.change(to, (now, connection) => connection.handleDatagram(now, from, bytes))
  }

  other(side: Side): Side {
    return side === this.a ? this.b : this.a
  }

  #drain(side: Side): void {
    const { connection } = side
    for (;;) {
      let transmit: Transmit | undefined
      while ((transmit = connection.pollTransmit()) !== undefined) {
        const { to, bytes, segmentBytes } = transmit
        forEachDatagram(bytes, segmentBytes, (datagram) => this.#send(side, to, datagram))
      }
      const event = connection.pollEvent()
      if (event === undefined) break
      side.events.push(event)
      side.onEvent(event)
    }
    this.#timeouts.set(side, connection.pollTimeout())
  }

  #send(side: Side, to: Endpoint, datagram: Uint8Array): void {
    side.sent.push(datagram)
    const bytes = this.tamper(side, datagram)
    const from = side.addresses[0]
    if (bytes === undefined || from === undefined) return
    const other = this.other(side)
    const isThere = other.addresses.some(
      (address) => address.port === to.port && address.address === to.address,
    )
    if (!isThere) return
    const link = side === this.a ? this.linkAB : this.linkBA
    const transit = link.transit(this.now, bytes.length + IP_OVERHEAD_BYTES)
    if (transit.kind === 'lost') return
    for (const at of transit.at) {
      this.#insert(other, { at, order: this.#order++, from, bytes: Uint8Array.from(bytes) })
    }
  }

  // Sorted by time, then by order of sending; mostly appended.
  #insert(to: Side, delivery: Delivery): void {
    const deliveries = this.#deliveries.get(to) ?? []
    this.#deliveries.set(to, deliveries)
    let index = deliveries.length
    while (index > 0 && (deliveries[index - 1]?.at ?? 0) > delivery.at) index--
    deliveries.splice(index, 0, delivery)
  }

  #next(): { readonly at: number; readonly run: () => void } | undefined {
    let best: { at: number; order: number; run: () => void } | undefined
    for (const side of [this.a, this.b]) {
      const timeout = this.#timeouts.get(side)
      const at = timeout === undefined ? Infinity : this.#turnOf(side, timeout)
      const bestAt = best?.at ?? Infinity
      // Timers first, of what is due at the same instant.
      if (at < bestAt || (at === bestAt && (best?.order ?? -1) >= 0))
        best = { at, order: -1, run: () => this.#wake(side) }
      const delivery = this.#deliveries.get(side)?.[0]
      if (delivery === undefined) continue
      const { order } = delivery
      const comesAt = this.#turnOf(side, delivery.at)
      const isFirst = best === undefined || comesAt < best.at
      if (!isFirst && (comesAt > (best?.at ?? 0) || order > (best?.order ?? 0))) continue
      best = { at: comesAt, order, run: () => this.#deliver(side) }
    }
    return best
  }

  /** When the side takes notice of what happens at `at`. */
  #turnOf(side: Side, at: number): number {
    const earliest = Math.max(at, side.asleepUntil)
    if (earliest <= this.now && side.turnAt === this.now) return this.now
    return Math.max(earliest + side.turnDelayMs, this.now)
  }

  #takeTurn(side: Side): void {
    if (this.#turnMs === 0 || side.turnAt === this.now) return
    side.turnAt = this.now
    side.turnDelayMs = uniform(this.#turns) * this.#turnMs
  }

  #wake(side: Side): void {
    this.#takeTurn(side)
    this.change(side, (now, connection) => connection.handleTimeout(now))
  }

  #deliver(side: Side): void {
    const delivery = this.#deliveries.get(side)?.shift()
    if (delivery === undefined) return
    this.#takeTurn(side)
    this.change(side, (now, connection) =>
      connection.handleDatagram(now, delivery.from, delivery.bytes),
    )
  }
}

function newSide(name: 'a' | 'b', address: Endpoint, options: ConnectionOptions): Side {
  return {
    name,
    connection: new Connection(options),
    addresses: [address],
    events: [],
    sent: [],
    onEvent: () => undefined,
    asleepUntil: 0,
    turnAt: -Infinity,
    turnDelayMs: 0,
  }
}
