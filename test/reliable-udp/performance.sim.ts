/**
 * How much of a link is used, and how late messages are, in virtual time: the figures of the protocol itself, without
 * the machine's speed. CUBIC is what they show where losses are random; a controller that models the path does better.
 */
import { strict as assert } from 'node:assert'
import type { LinkConditions } from '../sim/link.ts'
import { Pair } from './pair.ts'
import { Traffic } from './traffic.ts'

const RATE = 2_500_000 // 20 Mbit/s
const RTT_MS = 50
const QUEUE_BYTES = 125_000 // one bandwidth-delay product

function connected(weather: LinkConditions, seed = 1): Pair {
  const pair = new Pair({ seed, weather }).connect()
  pair.run(500)
  return pair
}

/** The share of the link that a file gets in `ms`, its start-up included. */
function share(more: LinkConditions, ms: number): number {
  const pair = connected({
    latencyMs: RTT_MS / 2,
    rateBytesPerSecond: RATE,
    queueBytes: QUEUE_BYTES,
    ...more,
  })
  const receiver = new Traffic(pair, pair.b)
  const sender = new Traffic(pair, pair.a)
  sender.send('bulk', RATE * 60)
  pair.run(ms)
  return receiver.receivedBytes / ((RATE * ms) / 1000)
}

/** One-way delays of messages of 100 bytes, sorted. */
function delays(weather: LinkConditions, everyMs: number, count: number): number[] {
  const pair = connected(weather, 3)
  const receiver = new Traffic(pair, pair.b)
  const sender = new Traffic(pair, pair.a)
  const sentAt = new Map<number, number>()
  const result: number[] = []
  const { onEvent } = pair.b
  pair.b.onEvent = (event) => {
    onEvent(event)
    if (event.kind === 'stream-finished') result.push(pair.now - (sentAt.get(event.stream) ?? 0))
  }
  for (let i = 0; i < count; i++) {
    if (receiver.finishedCount > i - 60) sentAt.set(sender.send('chat', 100), pair.now)
    pair.run(everyMs)
  }
  pair.run(5000)
  assert.equal(result.length, sentAt.size)
  return result.sort((a, b) => a - b)
}

function percentile(sorted: readonly number[], share: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Infinity
}

describe('A file on a link of 20 Mbit/s and 50 ms', function () {
  this.timeout(60_000)

  it('gets nine tenths of it, start-up included', () => {
    const used = share({}, 5000)
    assert.ok(used > 0.9, `${used}`)
  })

  it('gets no less where packets overtake one another by 3 ms', () => {
    const used = share({ reorder: { chance: 0.5, delayMs: 3 } }, 5000)
    assert.ok(used > 0.9, `${used}`)
  })

  it('gets most of it with a shallow queue', () => {
    const used = share({ queueBytes: 30_000 }, 5000)
    assert.ok(used > 0.75, `${used}`)
  })

  it('recovers from an outage of two seconds', () => {
    const pair = connected({
      latencyMs: RTT_MS / 2,
      rateBytesPerSecond: RATE,
      queueBytes: QUEUE_BYTES,
    })
    const receiver = new Traffic(pair, pair.b)
    new Traffic(pair, pair.a).send('bulk', RATE * 60)
    pair.run(2000)
    const conditions = pair.linkAB.conditions
    pair.linkAB.conditions = { ...conditions, loss: 1 }
    pair.run(2000)
    pair.linkAB.conditions = conditions
    pair.run(3500)
    const before = receiver.receivedBytes
    pair.run(1000)

    assert.ok(
      receiver.receivedBytes - before > 0.7 * RATE,
      `${receiver.receivedBytes - before} bytes in a second`,
    )
  })
})

describe('Messages of 100 bytes', function () {
  this.timeout(60_000)

  it('each 10 ms at 5 % loss: p99 within 45 ms of way and waiting', () => {
    const sorted = delays({ latencyMs: 25, loss: 0.05 }, 10, 600)

    assert.equal(percentile(sorted, 0.5), 25)
    assert.ok(percentile(sorted, 0.99) <= 45, `p99 ${percentile(sorted, 0.99)} ms`)
  })

  it('each 200 ms at 5 % loss: p99 within 60 ms', () => {
    const sorted = delays({ latencyMs: 25, loss: 0.05 }, 200, 300)

    assert.ok(percentile(sorted, 0.99) <= 60, `p99 ${percentile(sorted, 0.99)} ms`)
  })

  it('each 10 ms at 1 % loss: p99 within 45 ms', () => {
    const sorted = delays({ latencyMs: 25, loss: 0.01 }, 10, 600)

    assert.ok(percentile(sorted, 0.99) <= 45, `p99 ${percentile(sorted, 0.99)} ms`)
  })
})
