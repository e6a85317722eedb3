/** Several connections over one bottleneck, stepped by one clock: who gets how much of it, and how long its queue is. */
import type { ControllerFactory } from '../../src/reliable-udp/congestion/controller.ts'
import { Link, type LinkConditions } from '../sim/link.ts'
import { SeededRandom } from '../sim/seeded-random.ts'
import { Pair } from './pair.ts'
import { Traffic } from './traffic.ts'

export interface Flow {
  readonly pair: Pair
  readonly sender: Traffic
  readonly receiver: Traffic
}

export interface FlowOptions {
  /** The sender's; ours by default. */
  readonly newController?: ControllerFactory
  /** How late both hosts are; 1 ms unless said otherwise: what real ones at little load are. */
  readonly turnMs?: number
}

/**
 * Node's timers come up to a millisecond late, and what arrives meanwhile is handled together. It makes rates look higher
 * than they are by 2 %, so that without it the queues here would be a third of those on a real line.
 */
const USUAL_TURN_MS = 1

/** Nobody ever sends so much. */
const ENDLESS_BYTES = 2 ** 40

export class SharedBottleneck {
  readonly there: Link
  readonly back: Link
  readonly #seed: number
  readonly #flows: Flow[] = []
  #now: number | undefined

  constructor(conditions: LinkConditions, seed = 1, backConditions: LinkConditions = conditions) {
    const random = new SeededRandom(seed)
    this.#seed = seed
    this.there = new Link(conditions, random.fork('there'))
    this.back = new Link(backConditions, random.fork('back'))
  }

  get now(): number {
    return this.#now ?? 0
  }

  /** Both sides connected, beside whatever goes on already. */
  join({ turnMs = USUAL_TURN_MS, ...sender }: FlowOptions = {}): Flow {
    const seed = this.#seed * 100 + this.#flows.length
    const pair = new Pair({ seed, links: { ab: this.there, ba: this.back }, a: sender, turnMs })
    this.#now ??= pair.now
    pair.now = this.#now
    const flow = { pair, receiver: new Traffic(pair, pair.b), sender: new Traffic(pair, pair.a) }
    this.#flows.push(flow)
    pair.start()
    const isConnected = (): boolean =>
      pair.a.connection.state === 'connected' && pair.b.connection.state === 'connected'
    for (let waited = 0; waited < 20_000 && !isConnected(); waited += 50) this.run(50)
    return flow
  }

  /** A file without end. */
  startFile(flow: Flow): void {
    flow.sender.send('bulk', ENDLESS_BYTES)
  }

  run(ms: number): void {
    const until = this.now + ms
    for (;;) {
      const next = this.#next()
      if (next === undefined || next.nextAt > until) break
      next.step(until)
    }
    for (const { pair } of this.#flows) pair.now = until
    this.#now = until
  }

  /** What each flow's application received in so many ms from now, in bytes per second. */
  measure(ms: number): number[] {
    const before = this.#flows.map(({ receiver }) => receiver.receivedBytes)
    this.run(ms)
    return this.#flows.map(
      ({ receiver }, index) => ((receiver.receivedBytes - (before[index] ?? 0)) * 1000) / ms,
    )
  }

  #next(): Pair | undefined {
    let earliest: Pair | undefined
    for (const { pair } of this.#flows) {
      if (earliest === undefined || pair.nextAt < earliest.nextAt) earliest = pair
    }
    return earliest
  }
}
