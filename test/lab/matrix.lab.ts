import assert from 'node:assert/strict'
import { type HomeKind, matrixKinds } from '../../scripts/lab/homes.ts'
import { isThorough } from './depth.ts'
import { inTurns } from './in-turns.ts'
import { assertNothingLost } from './letters.ts'
import { acquaint, type Meeting, meet } from './meeting.ts'
import { record } from './results.ts'
import { type Resident, townOfSuite } from './town.ts'

/** Pairs at once, none with a person in common: more would measure how busy the machine is. */
const AT_ONCE = 3

/** 45 pairs; those that find nothing direct look for half a minute. */
const ALL_PAIRS_MS = 1_200_000

const COUNT = matrixKinds.length

// Five minutes for one round: what is always run has the kinds of router judged, and pairs of them in the other scenarios.
const suite = isThorough ? describe : describe.skip
suite('homes of every kind with homes of every kind', () => {
  const town = townOfSuite()
  let left: readonly Resident[]
  let right: readonly Resident[]
  const meetings = new Map<string, Meeting | Error>()

  before(async function () {
    this.timeout(ALL_PAIRS_MS)
    const settlers = (['left', 'right'] as const).flatMap((side) =>
      matrixKinds.map((kind, index) => ({ name: `${side}${index}`, kind, side })),
    )
    const residents = await town().settle(settlers)
    left = residents.slice(0, COUNT)
    right = residents.slice(COUNT)
    // In each round everybody of the left meets one of the right, so that pairs do not disturb each other.
    for (let shift = 0; shift <= COUNT / 2; shift++) {
      await inTurns([...matrixKinds.keys()], AT_ONCE, async (index) => {
        const other = (index + shift) % COUNT
        meetings.set(nameOf(index, other), await meetingOf(index, other))
      })
    }
  })

  async function meetingOf(one: number, other: number): Promise<Meeting | Error> {
    const [a, b] = [left[one], right[other]]
    assert.ok(a !== undefined && b !== undefined)
    try {
      await acquaint(a, b)
      const meeting = await meet(a, b)
      await assertNothingLost(a.person, b.person)
      await assertNothingLost(b.person, a.person)
      await a.person.request('buddy.remove', { buddy: b.person.name })
      return meeting
    } catch (error) {
      return error instanceof Error ? error : new Error(String(error))
    }
  }

  for (const [index, kind] of matrixKinds.entries()) {
    for (let shift = 0; shift <= COUNT / 2; shift++) {
      const other = (index + shift) % COUNT
      const otherKind = matrixKinds[other] ?? kind
      const expected = isHopeless(kind, otherKind)
        ? ['relay']
        : isGuessed(kind, otherKind)
          ? ['direct', 'relay']
          : ['direct']

      it(`${kind} × ${otherKind}: ${expected.join(' or ')}`, () => {
        const meeting = meetings.get(nameOf(index, other))
        if (meeting === undefined || meeting instanceof Error) throw meeting ?? new Error('Not met')
        record({ group: 'pairs', a: kind, b: otherKind, meeting })

        assert.ok(expected.includes(meeting.path), JSON.stringify(meeting))
      })
    }
  }
})

function nameOf(one: number, other: number): string {
  return `${one} ${other}`
}

/** Both give each flow any port there is: nothing can be guessed. */
function isHopeless(a: HomeKind, b: HomeKind): boolean {
  return a === 'symmetric random' && b === 'symmetric random'
}

/** A port must be guessed within milliseconds, which wants a machine that has time; the report says how often it went well. */
function isGuessed(a: HomeKind, b: HomeKind): boolean {
  const mapsByFlow = (kind: HomeKind): boolean => kind.startsWith('symmetric')
  const filtersByPort = (kind: HomeKind): boolean =>
    kind !== 'public' && kind !== 'full cone' && kind !== 'address-restricted cone'
  return (mapsByFlow(a) && filtersByPort(b)) || (mapsByFlow(b) && filtersByPort(a))
}
