import assert from 'node:assert/strict'
import type { HomeKind } from '../../scripts/lab/homes.ts'
import type { LineConditions } from '../../scripts/lab/router/control.ts'
import { assertNothingLost, Chat, pause } from './letters.ts'
import { acquaint, type Meeting, meet } from './meeting.ts'
import { record } from './results.ts'
import { type Resident, type Settler, townOfSuite } from './town.ts'

interface Line {
  readonly name: string
  readonly homes: readonly [HomeKind, HomeKind]
  readonly line?: LineConditions
  /** What happens to the routers once their hosts are online. */
  readonly before?: (a: Resident, b: Resident) => Promise<void>
  readonly path: Meeting['path']
}

const cones = ['port-restricted cone', 'port-restricted cone'] as const

/** A mobile line at the edge of its cell: 300 ms from home to home and back. */
const SLOW_LINE: LineConditions = { up: { latencyMs: 75 }, down: { latencyMs: 75 } }

const LOSSY_LINE: LineConditions = {
  up: { latencyMs: 10, loss: 0.025 },
  down: { latencyMs: 10, loss: 0.025 },
}

/** A cable modem: 20 Mbit/s down, 1 Mbit/s up, with a queue of a quarter of a second. */
const CABLE_LINE: LineConditions = {
  up: { latencyMs: 10, rateBytesPerSecond: 125_000, queueBytes: 32_000 },
  down: { latencyMs: 10, rateBytesPerSecond: 2_500_000 },
}

/** A tunnel that swallows what is too big, without a word, and whose router does not clamp TCP's segments (RFC 4459 §3.2). */
const TUNNEL_LINE: LineConditions = {
  up: { latencyMs: 10, mtuBytes: 1280 },
  down: { latencyMs: 10, mtuBytes: 1280 },
}

const lines: readonly Line[] = [
  { name: 'lines that lose 5 % each way', homes: cones, line: LOSSY_LINE, path: 'direct' },
  { name: 'a round trip of 300 ms', homes: cones, line: SLOW_LINE, path: 'direct' },
  { name: '20 Mbit/s down and 1 up', homes: cones, line: CABLE_LINE, path: 'direct' },
  {
    name: 'a path of 1280 bytes that drops what is bigger and says nothing',
    homes: cones,
    line: TUNNEL_LINE,
    path: 'direct',
  },
]

/** A quarter of a megabyte in a second: what chat is not, and a transfer is. */
const LONG_LETTER = 'x'.repeat(32_000)
const TRANSFER_MS = 2_000
const TRANSFER_EVERY_MS = 250

describe('two homes with', () => {
  const town = townOfSuite()
  let residents: readonly Resident[]

  before(async () => {
    const settlers = lines.flatMap(({ homes, line }, index): Settler[] =>
      homes.map((kind, side) => ({ name: `p${index}${side}`, kind, ...(line && { line }) })),
    )
    residents = await town().settle(settlers)
  })

  for (const [index, { name, before: happens, path }] of lines.entries()) {
    it(`${name}: ${path}, and long messages get through`, async () => {
      const [a, b] = [residents[2 * index], residents[2 * index + 1]]
      assert.ok(a !== undefined && b !== undefined)
      await happens?.(a, b)
      await acquaint(a, b)
      const meeting = await meet(a, b)
      const chat = new Chat(a.person, b.person, TRANSFER_EVERY_MS, LONG_LETTER)
      await pause(TRANSFER_MS)
      const slowestMs = await chat.end()
      await assertNothingLost(a.person, b.person)
      record({ group: 'meetings', name, meeting, slowestMs })

      assert.equal(meeting.path, path, JSON.stringify(meeting))
    })
  }
})
