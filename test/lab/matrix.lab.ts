import assert from 'node:assert/strict'
import { type HomeKind, matrixKinds } from '../../scripts/lab/homes.ts'
import { isThorough } from './depth.ts'
import { inTurns } from './in-turns.ts'
import { assertNothingLost } from './letters.ts'
import { acquaint, knowsItsNat, type Meeting, meet } from './meeting.ts'
import { record } from './results.ts'
import { type Resident, townOfSuite } from './town.ts'

/** Pairs at once, none with a person in common: more would measure how busy the machine is. */
const AT_ONCE = 3

/** 45 pairs; those that find nothing direct look for half a minute. */
const ALL_PAIRS_MS = 1_800_000

const COUNT = matrixKinds.length

/**
 * In each round everybody of the left meets one of the right, so many kinds further on. All of them are the 45 pairs; one
 * alone has each kind twice, with another one, and pairs whose ports must be guessed among them.
 */
const SHIFTS = isThorough ? [...Array(Math.floor(COUNT / 2) + 1).keys()] : [4]

/** Quantiles want several; pairs that guess at ports may do so twice in an hour. */
const ROUNDS = isThorough ? 2 : 1

describe('homes of every kind with homes of every kind', () => {
  const town = townOfSuite()
  let left: readonly Resident[]
  let right: readonly Resident[]
  const meetings = new Map<string, (Meeting | Error)[]>()

  before(async function () {
    this.timeout(ALL_PAIRS_MS)
    const settlers = (['left', 'right'] as const).flatMap((side) =>
      matrixKinds.map((kind, index) => ({ name: `${side}${index}`, kind, side })),
    )
    const residents = await town().settle(settlers)
    left = residents.slice(0, COUNT)
    right = residents.slice(COUNT)
    // All at once test their NATs at first, through one process that plays all routers: nobody is to meet beside that.
    await Promise.all(residents.map(({ person }) => knowsItsNat(person)))
    for (const shift of SHIFTS) {
      for (let round = 1; round <= ROUNDS; round++) {
        await inTurns([...matrixKinds.keys()], AT_ONCE, async (index) => {
          const name = nameOf(index, (index + shift) % COUNT)
          const met = await meetingOf(index, (index + shift) % COUNT)
          meetings.set(name, [...(meetings.get(name) ?? []), met])
        })
      }
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
    for (const shift of SHIFTS) {
      const other = (index + shift) % COUNT
      const otherKind = matrixKinds[other] ?? kind
      const expected = isHopeless(kind, otherKind)
        ? ['relay']
        : isGuessed(kind, otherKind)
          ? ['direct', 'relay']
          : ['direct']

      it(`${kind} × ${otherKind}: ${expected.join(' or ')}`, () => {
        const all = meetings.get(nameOf(index, other)) ?? []
        assert.equal(all.length, ROUNDS)
        for (const meeting of all) {
          if (meeting instanceof Error) throw meeting
          record({ group: 'pairs', a: kind, b: otherKind, meeting })
          assert.ok(expected.includes(meeting.path), JSON.stringify(meeting))
        }
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
