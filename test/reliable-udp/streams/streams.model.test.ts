/**
 * Streams against a model (fast-check commands): whatever is opened, written, read, ended, reset and stopped, in any order
 * and over a link that loses and reorders, a reader sees a prefix of what was written, and all of it in the end.
 */
import { strict as assert } from 'node:assert'
import fc from 'fast-check'
import {
  type StreamId,
  streamPriorities,
  type StreamPriority,
} from '../../../src/reliable-udp/streams/stream-id.ts'
import { Pair, type Side } from '../pair.ts'
import { contents } from '../traffic.ts'

/** One direction of a stream. */
interface Half {
  written: number
  read: number
  isEnded: boolean
  /** Reset by its writer, or stopped by its reader: nothing more is promised. */
  isGivenUp: boolean
  isFinishedTold: boolean
}

interface ModelStream {
  readonly opener: 'a' | 'b'
  readonly halves: { readonly a: Half; readonly b: Half } // by who writes
}

interface Model {
  readonly streams: ModelStream[]
}

type Name = 'a' | 'b'

class Real {
  readonly pair = new Pair({
    seed: 5,
    weather: { latencyMs: 10, loss: 0.1, reorder: { chance: 0.2, delayMs: 15 }, duplicate: 0.05 },
    a: { idleTimeoutMs: 0 },
    b: { idleTimeoutMs: 0 },
  }).connect()
  readonly ids: StreamId[] = []

  side(name: Name): Side {
    return name === 'a' ? this.pair.a : this.pair.b
  }

  has(name: Name, kind: string, id: StreamId): boolean {
    return this.side(name).events.some(
      (event) => event.kind === kind && 'stream' in event && event.stream === id,
    )
  }
}

function newHalf(): Half {
  return { written: 0, read: 0, isEnded: false, isGivenUp: false, isFinishedTold: false }
}

/** A byte that tells both directions of a stream apart. */
function salt(id: StreamId, writer: Name): number {
  return id * 2 + (writer === 'a' ? 0 : 1)
}

function readAll(model: Model, real: Real, most: number): void {
  model.streams.forEach(({ opener, halves }, index) => {
    const id = real.ids[index] ?? (0 as StreamId)
    for (const reader of ['a', 'b'] as const) {
      const writer = reader === 'a' ? 'b' : 'a'
      if (reader !== opener && !real.has(reader, 'stream-opened', id)) continue
      const half = halves[writer]
      const bytes = real.pair.change(real.side(reader), (now, connection) =>
        connection.read(now, id, most),
      )
      if (bytes !== undefined) {
        const expected = contents(salt(id, writer), half.read, bytes.length)
        assert.ok(Buffer.compare(bytes, expected) === 0, 'another byte than was written')
        half.read += bytes.length
        assert.ok(half.read <= half.written, 'more than was written')
      }
      if (!half.isFinishedTold && real.has(reader, 'stream-finished', id)) {
        half.isFinishedTold = true
        assert.ok(half.isEnded, 'told to be finished before its writer ended it')
        assert.equal(half.read, half.written, 'told to be finished before everything was read')
      }
    }
  })
}

type Command = fc.Command<Model, Real>

class Open implements Command {
  readonly #who: Name
  readonly #priority: StreamPriority
  constructor(who: Name, priority: StreamPriority) {
    this.#who = who
    this.#priority = priority
  }
  check = (model: Readonly<Model>): boolean => model.streams.length < 12
  run(model: Model, real: Real): void {
    const priority = this.#priority
    const id = real.pair.change(real.side(this.#who), (now, connection) =>
      connection.openStream(now, { priority }),
    )
    assert.ok(!real.ids.includes(id), 'a stream of its own')
    real.ids.push(id)
    model.streams.push({ opener: this.#who, halves: { a: newHalf(), b: newHalf() } })
  }
  toString = (): string => `open(${this.#who}, ${this.#priority})`
}

/** What is done to one half of one stream, by a side that knows of it. */
class Act implements Command {
  readonly #who: Name
  readonly #stream: number
  readonly #act: 'write' | 'finish' | 'reset' | 'stop'
  readonly #length: number
  constructor(who: Name, stream: number, act: Act['kind'], length: number) {
    this.#who = who
    this.#stream = stream
    this.#act = act
    this.#length = length
  }
  get kind(): 'write' | 'finish' | 'reset' | 'stop' {
    return this.#act
  }
  check = (model: Readonly<Model>): boolean => model.streams.length > 0
  run(model: Model, real: Real): void {
    const index = this.#stream % model.streams.length
    const [stream, id] = [model.streams[index], real.ids[index]]
    if (stream === undefined || id === undefined) return
    if (stream.opener !== this.#who && !real.has(this.#who, 'stream-opened', id)) return
    const own = stream.halves[this.#who]
    const other = stream.halves[this.#who === 'a' ? 'b' : 'a']
    real.pair.change(real.side(this.#who), (now, connection) => {
      if (this.#act === 'finish') {
        connection.finish(now, id)
        if (!own.isGivenUp) own.isEnded = true
      } else if (this.#act === 'reset') {
        connection.resetStream(now, id, 1)
        own.isGivenUp = true
      } else if (this.#act === 'stop') {
        connection.stopReading(now, id, 2)
        other.isGivenUp = true
      } else {
        const taken = connection.write(
          now,
          id,
          contents(salt(id, this.#who), own.written, this.#length),
        )
        if (own.isEnded) assert.equal(taken, 0, 'nothing is taken after the end')
        own.written += taken
      }
    })
  }
  toString = (): string => `${this.#act}(${this.#who}, ${this.#stream}, ${this.#length})`
}

class Read implements Command {
  readonly #most: number
  constructor(most: number) {
    this.#most = most
  }
  check = (): boolean => true
  run(model: Model, real: Real): void {
    readAll(model, real, this.#most)
  }
  toString = (): string => `read(${this.#most})`
}

class Wait implements Command {
  readonly #ms: number
  constructor(ms: number) {
    this.#ms = ms
  }
  check = (): boolean => true
  run(_model: Model, real: Real): void {
    real.pair.run(this.#ms)
  }
  toString = (): string => `wait(${this.#ms})`
}

const names = fc.constantFrom<Name>('a', 'b')
const acts = fc.constantFrom('write', 'write', 'write', 'finish', 'reset', 'stop')
const commands = [
  fc
    .tuple(names, fc.constantFrom(...streamPriorities))
    .map(([who, priority]) => new Open(who, priority)),
  fc
    .tuple(names, fc.nat(20), acts, fc.constantFrom(1, 100, 1200, 5000, 100_000, 400_000))
    .map(([who, stream, act, length]) => new Act(who, stream, act, length)),
  fc.constantFrom(1, 1000, 1_000_000).map((most) => new Read(most)),
  fc.constantFrom(1, 20, 200).map((ms) => new Wait(ms)),
]

/** Everything that was promised arrives; everything that is over is forgotten. */
function assertEnd(model: Model, real: Real): void {
  for (const name of ['a', 'b'] as const) {
    real.ids.forEach((id) => {
      real.pair.change(real.side(name), (now, connection) => connection.finish(now, id))
    })
  }
  for (const { halves } of model.streams) halves.a.isEnded = halves.b.isEnded = true
  const settled = (): boolean =>
    model.streams.every(({ halves }) =>
      [halves.a, halves.b].every((half) => half.isGivenUp || half.read === half.written),
    )
  for (let round = 0; round < 3000 && !settled(); round++) {
    real.pair.run(20)
    finishOpened(real)
    readAll(model, real, Infinity)
  }
  assert.ok(settled(), 'something that was written never arrived')
}

// A stream that the other side hears of only now has a half there that nobody ended yet.
function finishOpened(real: Real): void {
  for (const name of ['a', 'b'] as const) {
    for (const id of real.ids) {
      if (!real.has(name, 'stream-opened', id)) continue
      real.pair.change(real.side(name), (now, connection) => connection.finish(now, id))
    }
  }
}

describe('Streams, against a model', function () {
  this.timeout(120_000)

  it('give a prefix of what was written at any time, and all of it in the end', () => {
    const runs = Number(process.env['SIM_RUNS'] ?? 40)
    fc.assert(
      fc.property(fc.commands(commands, { maxCommands: 60 }), (all) => {
        const model: Model = { streams: [] }
        const real = new Real()
        fc.modelRun(() => ({ model, real }), all)
        assertEnd(model, real)
      }),
      { numRuns: Math.min(runs, 1000) },
    )
  })
})
