import assert from 'node:assert/strict'
import { instant } from '../../../src/core/instant.ts'
import {
  EpochWatch,
  isNatPmpEpochLost,
  isPcpEpochLost,
} from '../../../src/traversal/port-mapping/epoch.ts'

type Judge = ConstructorParameters<typeof EpochWatch>[0]

/** Whether the gateway has forgotten, when it counted so much while we counted so much. */
function isLost(judge: Judge, ours: number, theirs: number): boolean {
  const watch = new EpochWatch(judge)
  assert.equal(watch.read(instant(5000), 1000), false)
  return watch.read(instant(5000 + ours * 1000), 1000 + theirs)
}

describe('isPcpEpochLost(), RFC 6887 §8.5', () => {
  const cases: readonly (readonly [number, number, boolean])[] = [
    [0, 0, false],
    [0, -1, false],
    [0, -2, true],
    [100, 100, false],
    [100, 92, false], // 92 + 2 ≥ 100 · 15/16
    [100, 91, true],
    [100, 108, false], // 108 · 15/16 ≤ 100 + 2
    [100, 109, true],
    [3600, -900, true],
  ]
  for (const [ours, theirs, lost] of cases) {
    it(`${theirs} s of theirs in ${ours} s of ours: ${lost ? 'lost' : 'kept'}`, () => {
      assert.equal(isLost(isPcpEpochLost, ours, theirs), lost)
    })
  }
})

describe('isNatPmpEpochLost(), RFC 6886 §3.6', () => {
  const cases: readonly (readonly [number, number, boolean])[] = [
    [0, -2, false],
    [0, -3, true],
    [80, 68, false], // 80 · 7/8 − 2
    [80, 67, true],
    [80, 500, false],
    [3600, -900, true],
  ]
  for (const [ours, theirs, lost] of cases) {
    it(`${theirs} s of theirs in ${ours} s of ours: ${lost ? 'lost' : 'kept'}`, () => {
      assert.equal(isLost(isNatPmpEpochLost, ours, theirs), lost)
    })
  }
})
