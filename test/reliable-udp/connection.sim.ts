/**
 * Two connections in all kinds of weather: whatever happens on the way, every byte arrives once and in order, nothing
 * gets stuck, and when all is said there is silence. `SIM_RUNS=5000` for a night of it, `SIM_SEED=n` for one world.
 */
import { strict as assert } from 'node:assert'
import { integerBetween, type Random, uniform } from '../../src/core/random.ts'
import type { Connection } from '../../src/reliable-udp/connection.ts'
import { streamPriorities } from '../../src/reliable-udp/streams/stream-id.ts'
import type { LinkConditions } from '../sim/link.ts'
import { SeededRandom } from '../sim/seeded-random.ts'
import { seeds } from '../sim/simulate.ts'
import { Pair, type Side } from './pair.ts'
import { Traffic } from './traffic.ts'

/** Loss of 30 % both ways, three seconds between probes: what is left takes its time. */
const PATIENCE_MS = 600_000

function chance(random: Random, probability: number): boolean {
  return uniform(random) < probability
}

function pick<T>(random: Random, items: readonly [T, ...T[]]): T {
  return items[integerBetween(random, 0, items.length - 1)] ?? items[0]
}

function drawWeather(random: Random): LinkConditions {
  return {
    latencyMs: pick(random, [0, 0.2, 5, 25, 80, 150]),
    jitterMs: pick(random, [0, 0, 1, 10]),
    loss: pick(random, [0, 0, 0.01, 0.05, 0.15, 0.3]),
    duplicate: pick(random, [0, 0, 0.02, 0.2]),
    ...(chance(random, 0.3) ? { burst: { enter: 0.01, leave: 0.2, loss: 0.9 } } : {}),
    ...(chance(random, 0.4) ? { reorder: { chance: 0.3, delayMs: uniform(random) * 20 } } : {}),
    ...(chance(random, 0.4)
      ? { rateBytesPerSecond: 25_000 * 2 ** integerBetween(random, 0, 6), queueBytes: 30_000 }
      : {}),
    ...(chance(random, 0.3) ? { mtuBytes: pick(random, [1228, 1300, 1400, 1500]) } : {}),
  }
}

/** A NAT that forgot its mapping: the same address with another port, from one moment to the next. */
function rebind(side: Side, random: Random): void {
  const [address] = side.addresses
  if (address !== undefined)
    side.addresses = [{ ...address, port: integerBetween(random, 3000, 60_000) }]
}

/** Another network: another address, of which the other side is told as a path finder would tell it. */
function move(pair: Pair, side: Side, random: Random): void {
  const address = {
    family: 4,
    address: `203.0.113.${integerBetween(random, 1, 250)}`,
    port: 7000,
  } as const
  side.addresses = chance(random, 0.5) ? [address] : [address, ...side.addresses]
  pair.run(pick(random, [0, 20, 500]))
  pair.change(pair.other(side), (now, connection) => connection.migrate(now, { to: address }))
}

/** A tunnel came in between: large packets vanish from one moment to the next, the smallest ones pass. */
function narrow(pair: Pair, random: Random): void {
  for (const link of [pair.linkAB, pair.linkBA]) {
    link.conditions = { ...link.conditions, mtuBytes: pick(random, [1228, 1300]) }
  }
}

/** Only one side changes its address: two that do so at once need a third party to find one another again. */
function disturb(pair: Pair, restless: Side, random: Random): void {
  const what = pick(random, ['sleep', 'rebind', 'move', 'narrow'])
  const sleeper = chance(random, 0.5) ? pair.a : pair.b
  if (what === 'sleep') sleeper.asleepUntil = pair.now + pick(random, [300, 2000, 12_000])
  else if (what === 'rebind') rebind(restless, random)
  else if (what === 'narrow') narrow(pair, random)
  else move(pair, restless, random)
}

function sendSomething(traffic: Traffic, connection: Connection, random: Random): void {
  if (connection.state !== 'connected') return
  const priority = pick(random, streamPriorities)
  const most = priority === 'bulk' ? pick(random, [1000, 60_000, 60_000, 300_000]) : 400
  const size = integerBetween(random, 0, most)
  traffic.send(priority, size)
}

function allArrived(from: Traffic, to: Traffic): boolean {
  return to.finishedCount === from.outgoing.size
}

/** Whoever waits for an answer is woken: by a probe, or to close. */
function assertNotStuck(pair: Pair, side: Side): void {
  if (side.connection.stats.bytesInFlight === 0) return
  const timeout = pair.timeoutOf(side)
  assert.ok(timeout !== undefined && timeout <= pair.now + 12_500, 'a deadline is missing')
}

/** What a stream keeps of its writer's bytes where the congestion window is small, and what a ring may have beyond. */
const WRITER_BYTES = 256 * 1024
const RING_FACTOR = 2

/** What the receiving windows allow, which are what these worlds never fill: nobody sends more than 300,000 at once. */
const WINDOW_BYTES = 4 * 1024 * 1024

/** Counted in the rings themselves: never more than writers and windows may hold, and nothing once all is over. */
function assertMemory(side: Side): void {
  const { openStreams, streamBytesHeld, congestionWindowBytes } = side.connection.stats
  const perWriter = Math.max(WRITER_BYTES, 2 * congestionWindowBytes)
  const most = RING_FACTOR * (openStreams * perWriter + WINDOW_BYTES)
  assert.ok(streamBytesHeld <= most, `${streamBytesHeld} bytes held, ${most} allowed`)
}

/** False when the two never met: in bad bursts a handshake may fail, and says so. */
function simulate(seed: number): boolean {
  const random = new SeededRandom(seed)
  const pair = new Pair({
    seed,
    pattern: chance(random, 0.5) ? 'IK' : 'XX',
    weather: drawWeather(random),
    backWeather: drawWeather(random),
    a: { idleTimeoutMs: 0 },
    b: { idleTimeoutMs: 0 },
  })
  const a = new Traffic(pair, pair.a)
  const b = new Traffic(pair, pair.b, chance(random, 0.3) ? 100 : Infinity)
  const isMet = (): boolean => pair.a.connection.stats.packetsReceived > 0
  if (!pair.tryConnect(15_000) || !pair.runUntil(isMet, 15_000)) return false
  for (const side of [pair.a, pair.b]) {
    // Without it nobody could learn of a new mapping.
    pair.change(side, (_now, connection) => connection.keepAlive(2000))
  }

  const restless = chance(random, 0.5) ? pair.a : pair.b
  for (let round = 0; round < 8; round++) {
    sendSomething(a, pair.a.connection, random)
    sendSomething(b, pair.b.connection, random)
    if (chance(random, 0.2)) disturb(pair, restless, random)
    pair.run(integerBetween(random, 0, 400))
    assertNotStuck(pair, pair.a)
    assertNotStuck(pair, pair.b)
    assertMemory(pair.a)
    assertMemory(pair.b)
  }
  const isDone = (): boolean => allArrived(a, b) && allArrived(b, a)
  assert.ok(pair.runUntil(isDone, PATIENCE_MS), `stuck: ${a.finishedCount}, ${b.finishedCount}`)

  for (const side of [pair.a, pair.b]) {
    pair.change(side, (_now, connection) => connection.keepAlive(undefined))
  }
  // Nothing on the way, and nobody wants to be woken ever again.
  assert.ok(
    pair.runUntil(() => pair.isQuiet, PATIENCE_MS),
    'no silence at the end',
  )
  assertEnds(pair)
  return true
}

const NOTHING_HELD = { openStreams: 0, streamBytesHeld: 0, bytesInFlight: 0 }

/** The end reaches the other side, unless four copies of it were lost. */
function assertEnds(pair: Pair): void {
  for (const { connection } of [pair.a, pair.b]) {
    const { openStreams, streamBytesHeld, bytesInFlight } = connection.stats
    assert.deepEqual({ openStreams, streamBytesHeld, bytesInFlight }, NOTHING_HELD)
  }
  pair.change(pair.a, (now, connection) => connection.close(now, 1, 'enough'))
  assert.ok(
    pair.runUntil(() => pair.isQuiet, PATIENCE_MS),
    'no silence after the end',
  )
  assert.equal(pair.a.connection.state, 'closed')
  const [last] = pair.b.events.slice(-1)
  if (pair.b.connection.state === 'connected') return
  assert.ok(last?.kind === 'closed' && last.reason === 'peer' && last.text === 'enough')
}

describe('Connection in all kinds of weather', function () {
  this.timeout(3_600_000)

  it('delivers every byte once and in order, and falls silent', () => {
    const all = seeds(200)
    let unmet = 0
    for (const seed of all) {
      try {
        if (!simulate(seed)) unmet += 1
      } catch (error) {
        throw new Error(`SIM_SEED=${seed}`, { cause: error })
      }
    }
    assert.ok(unmet <= all.length / 100, `${unmet} of ${all.length} handshakes failed`)
  })
})
