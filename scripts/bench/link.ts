/**
 * An impaired line between two network namespaces, for every kind of transport: IP packets come out of one TUN device,
 * wait as `test/sim/link.ts` says, and go into the other. Run by `network.ts` as a process of its own:
 *
 *     link.ts {"left":"NAMESPACE","right":"NAMESPACE","conditions":{…},"seed":1}
 *
 * Nothing else happens in this process, so it sleeps in ppoll(2) itself, with nanoseconds, where Node's timers would come
 * up to a millisecond late. It ends when its standard input does, and then tells what it did in one line of JSON.
 */
import { execFileSync } from 'node:child_process'
import { writeSync } from 'node:fs'
import koffi from 'koffi'
import { EventQueue } from '../../test/sim/event-queue.ts'
import { Link, type LinkConditions } from '../../test/sim/link.ts'
import { SeededRandom } from '../../test/sim/seeded-random.ts'
import { Tun } from '../lab/router/tun.ts'

export interface LinkPlan {
  readonly left: string
  readonly right: string
  /** Both directions, each with a fate of its own. */
  readonly conditions: LinkConditions
  readonly seed: number
}

export interface LinkReport {
  readonly packets: number
  readonly lost: number
  /** Found no room in the queue. */
  readonly dropped: number
}

const POLLIN = 1
const STDIN = 0
const LONGEST_SLEEP_MS = 100
/** Read from one side before the other has its turn. */
const BATCH_PACKETS = 64

const ppoll = koffi
  .load(null)
  .func('int ppoll(void *descriptors, unsigned long count, void *timeout, void *mask)') as (
  descriptors: Uint8Array,
  count: number,
  timeout: Uint8Array,
  mask: null,
) => number

class Direction {
  readonly from: Tun
  readonly #to: Tun
  readonly #link: Link
  readonly #queue = new EventQueue()
  packets = 0
  lost = 0
  dropped = 0

  constructor(from: Tun, to: Tun, conditions: LinkConditions, random: SeededRandom) {
    this.from = from
    this.#to = to
    this.#link = new Link(conditions, random)
  }

  get nextAt(): number {
    return this.#queue.nextAt ?? Infinity
  }

  // Each packet at its own time: this process may have slept since the one before was read.
  takeIn(): void {
    for (let count = 0; count < BATCH_PACKETS; count++) {
      const packet = this.from.read()
      if (packet === undefined) return
      this.packets += 1
      const transit = this.#link.transit(performance.now(), packet.length)
      if (transit.kind === 'arrives') {
        for (const at of transit.at) this.#queue.plan(at, () => this.#to.write(packet))
      } else if (transit.why === 'queue-full') this.dropped += 1
      else this.lost += 1
    }
  }

  putOut(now: number): void {
    while (this.nextAt <= now) this.#queue.take()?.()
  }
}

function plugged(name: string, namespace: string): Tun {
  const tun = new Tun(name)
  execFileSync('ip', ['link', 'set', name, 'netns', namespace])
  return tun
}

function run({ left, right, conditions, seed }: LinkPlan): LinkReport {
  const random = new SeededRandom(seed)
  const [one, other] = [plugged('bench-l', left), plugged('bench-r', right)]
  const directions = [
    new Direction(one, other, conditions, random.fork('left to right')),
    new Direction(other, one, conditions, random.fork('right to left')),
  ]
  const descriptors = Buffer.alloc(3 * 8)
  for (const [index, fd] of [one.fd, other.fd, STDIN].entries()) {
    descriptors.writeInt32LE(fd, 8 * index)
    descriptors.writeInt16LE(POLLIN, 8 * index + 4)
  }
  const timeout = Buffer.alloc(16)
  writeSync(1, 'ready\n')
  for (;;) {
    const nextAt = Math.min(...directions.map((direction) => direction.nextAt))
    const sleepMs = Math.min(Math.max(0, nextAt - performance.now()), LONGEST_SLEEP_MS)
    timeout.writeUInt32LE(Math.floor(sleepMs * 1e6), 8)
    ppoll(descriptors, 3, timeout, null)
    if (descriptors.readInt16LE(2 * 8 + 6) !== 0) break
    for (const direction of directions) direction.takeIn()
    for (const direction of directions) direction.putOut(performance.now())
  }
  const sum = (pick: (direction: Direction) => number): number =>
    directions.reduce((total, direction) => total + pick(direction), 0)
  return {
    packets: sum((d) => d.packets),
    lost: sum((d) => d.lost),
    dropped: sum((d) => d.dropped),
  }
}

const [plan] = process.argv.slice(2)
if (plan !== undefined) writeSync(1, `${JSON.stringify(run(JSON.parse(plan) as LinkPlan))}\n`)
process.exit(0)
