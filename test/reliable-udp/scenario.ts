/** What a user would see of a connection over a given path, in virtual time: rates, delays, shares, queues. */
import type { ControllerFactory } from '../../src/reliable-udp/congestion/controller.ts'
import type { LinkConditions } from '../sim/link.ts'
import { type Flow, SharedBottleneck } from './shared-bottleneck.ts'

/** The usual path of the measurements: 50 ms there and back, a queue of one bandwidth-delay product. */
export function pathOf(megabitsPerSecond: number, more: LinkConditions = {}): LinkConditions {
  const rateBytesPerSecond = megabitsPerSecond * 125_000
  return { latencyMs: 25, rateBytesPerSecond, queueBytes: rateBytesPerSecond * 0.05, ...more }
}

/** The way of the ACKs: as long and as lossy, but nothing else uses it. */
function backOf({ latencyMs, loss, jitterMs, scatterMs }: LinkConditions): LinkConditions {
  return {
    ...(latencyMs === undefined ? {} : { latencyMs }),
    ...(loss === undefined ? {} : { loss }),
    ...(jitterMs === undefined ? {} : { jitterMs }),
    ...(scatterMs === undefined ? {} : { scatterMs }),
  }
}

export function bottleneckOf(conditions: LinkConditions, seed: number): SharedBottleneck {
  return new SharedBottleneck(conditions, seed, backOf(conditions))
}

/** A file's bytes per second over so many ms, its start-up included. */
export function fileRate(conditions: LinkConditions, ms: number, seed = 1): number {
  const bottleneck = bottleneckOf(conditions, seed)
  const flow = bottleneck.join()
  bottleneck.startFile(flow)
  return bottleneck.measure(ms)[0] ?? 0
}

/** One-way delays of messages of 100 bytes, sorted. */
export function messageDelays(
  conditions: LinkConditions,
  everyMs: number,
  count: number,
  options: { readonly seed?: number; readonly withFile?: boolean } = {},
): { readonly delays: readonly number[]; readonly fileBytesPerSecond: number } {
  const bottleneck = bottleneckOf(conditions, options.seed ?? 1)
  const flow = bottleneck.join()
  if (options.withFile === true) bottleneck.startFile(flow)
  bottleneck.run(2000)
  const before = flow.receiver.receivedBytes
  const delays = sendMessages(bottleneck, flow, everyMs, count)
  const fileBytesPerSecond = ((flow.receiver.receivedBytes - before) * 1000) / (everyMs * count)
  bottleneck.run(3000)
  return { delays: delays.sort((a, b) => a - b), fileBytesPerSecond }
}

function sendMessages(
  bottleneck: SharedBottleneck,
  flow: Flow,
  everyMs: number,
  count: number,
): number[] {
  const { pair, sender, receiver } = flow
  const sentAt = new Map<number, number>()
  const delays: number[] = []
  const { onEvent } = pair.b
  pair.b.onEvent = (event) => {
    onEvent(event)
    const at = event.kind === 'stream-finished' ? sentAt.get(event.stream) : undefined
    if (at !== undefined) delays.push(pair.now - at)
  }
  for (let i = 0; i < count; i++) {
    // The peer allows 64 streams at once: more would wait for it and not for the path.
    if (receiver.finishedCount > i - 60) sentAt.set(sender.send('chat', 100), pair.now)
    bottleneck.run(everyMs)
  }
  return delays
}

export function percentile(sorted: readonly number[], share: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Infinity
}

/** Our share beside another flow, and how much of the link both use, from the 5th second to the 17th. */
export function shareBeside(
  other: ControllerFactory | undefined,
  conditions: LinkConditions,
  options: {
    readonly seed?: number
    /** How much sooner the other flow begins: by then it has a queue of its own. */
    readonly headStartMs?: number
  } = {},
): { readonly ours: number; readonly used: number } {
  const bottleneck = bottleneckOf(conditions, options.seed ?? 1)
  const neighbour = bottleneck.join(other === undefined ? {} : { newController: other })
  bottleneck.startFile(neighbour)
  bottleneck.run(options.headStartMs ?? 0)
  bottleneck.startFile(bottleneck.join())
  bottleneck.run(5000)
  const [theirs = 0, ours = 0] = bottleneck.measure(12_000)
  const { rateBytesPerSecond = Infinity } = conditions
  return { ours: ours / (ours + theirs), used: (ours + theirs) / rateBytesPerSecond }
}

/** How long what is sent now waits in the queue, looked at each ms for so long; sorted. */
export function queueDelays(bottleneck: SharedBottleneck, forMs: number): number[] {
  const delays: number[] = []
  for (let i = 0; i < forMs; i++) {
    bottleneck.run(1)
    delays.push(bottleneck.there.waitingMs(bottleneck.now))
  }
  return delays.sort((a, b) => a - b)
}
