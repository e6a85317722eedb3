import assert from 'node:assert/strict'
import { instant } from '../../src/core/instant.ts'
import { PathRotation } from '../../src/traversal/path-rotation.ts'

const START = instant(1_000)

function after(...agesMs: readonly number[]): PathRotation {
  const rotation = new PathRotation()
  for (const ageMs of agesMs) rotation.noteDeath(ageMs)
  return rotation
}

describe('PathRotation', () => {
  it('replaces a path at four fifths of the age at which two died in a row', () => {
    assert.equal(after(300_000, 310_000).dueAt(START), 1_000 + 240_000)
    assert.equal(after(20_000, 300_000, 300_000).limitMs, 300_000)
  })

  it('learns nothing from one death, from different ages, and from young ones', () => {
    for (const ages of [[300_000], [300_000, 200_000], [10_000, 10_000]]) {
      assert.equal(after(...ages).dueAt(START), undefined, ages.join())
    }
  })

  it('believes it no longer when a path died at another age, or the network is another one', () => {
    assert.equal(after(300_000, 300_000, 100_000).limitMs, undefined)
    const moved = after(300_000, 300_000)
    moved.forget()
    assert.equal(moved.dueAt(START), undefined)
  })

  it('tries again after a twentieth of the life', () => {
    const rotation = after(300_000, 300_000)
    const dueAt = rotation.dueAt(START)
    assert.ok(dueAt !== undefined)

    rotation.noteTried(dueAt)

    assert.equal(rotation.dueAt(START), dueAt + 15_000)
  })
})
