import { strict as assert } from 'node:assert'
import fc from 'fast-check'
import { RangeSet } from '../../src/reliable-udp/range-set.ts'

function setOf(...ranges: readonly (readonly [number, number])[]): RangeSet {
  const set = new RangeSet()
  for (const [start, end] of ranges) set.add(start, end)
  return set
}

describe('RangeSet', () => {
  it('melts what overlaps or touches', () => {
    const set = setOf([10, 20], [30, 40], [20, 25], [24, 30])

    assert.deepEqual(set.toPairs(), [[10, 40]])
  })

  it('keeps apart what neither overlaps nor touches', () => {
    const set = setOf([30, 40], [10, 20], [22, 25])

    assert.deepEqual(set.toPairs(), [
      [10, 20],
      [22, 25],
      [30, 40],
    ])
    assert.equal(set.min, 10)
    assert.equal(set.end, 40)
  })

  it('splits a range when its middle is removed', () => {
    const set = setOf([10, 20])
    set.remove(13, 15)

    assert.deepEqual(set.toPairs(), [
      [10, 13],
      [15, 20],
    ])
  })

  it('ignores empty ranges', () => {
    const set = setOf([5, 5], [7, 6])
    set.remove(3, 3)

    assert.equal(set.isEmpty, true)
    assert.equal(set.covers(4, 4), true)
  })

  it('behaves like a set of numbers', () => {
    const change = fc.record({
      kind: fc.constantFrom('add', 'remove', 'below', 'drop'),
      start: fc.nat({ max: 60 }),
      length: fc.nat({ max: 12 }),
    })
    fc.assert(
      fc.property(fc.array(change, { maxLength: 60 }), (changes) => {
        const set = new RangeSet()
        let model = new Set<number>()
        for (const { kind, start, length } of changes) {
          const end = start + length
          if (kind === 'add') {
            set.add(start, end)
            for (let i = start; i < end; i++) model.add(i)
          } else if (kind === 'remove') {
            set.remove(start, end)
            for (let i = start; i < end; i++) model.delete(i)
          } else if (kind === 'below') {
            set.removeBelow(start)
            model = new Set([...model].filter((i) => i >= start))
          } else {
            for (let i = set.min; i < set.endAt(0); i++) model.delete(i)
            set.dropFirst()
          }
          assertSame(set, model)
        }
      }),
    )
  })
})

function assertSame(set: RangeSet, model: ReadonlySet<number>): void {
  const members: number[] = []
  let before = -1
  for (const [start, end] of set.toPairs()) {
    assert.ok(start < end && start > before, 'ascending, not empty, not touching')
    before = end
    for (let i = start; i < end; i++) members.push(i)
  }
  assert.deepEqual(
    members,
    [...model].sort((a, b) => a - b),
  )
  for (let i = 0; i < 75; i++) assert.equal(set.has(i), model.has(i))
  assert.equal(
    set.covers(10, 20),
    Array.from({ length: 10 }, (_, i) => i + 10).every((i) => model.has(i)),
  )
}
