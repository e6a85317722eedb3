import assert from 'node:assert/strict'
import { RelayWatch } from '../../src/traversal/relay-watch.ts'

function asked(times: number): RelayWatch {
  const watch = new RelayWatch()
  for (let count = 0; count < times; count++) watch.asked()
  return watch
}

describe('RelayWatch', () => {
  it('takes three unanswered questions for chance, and four for silence', () => {
    assert.equal(asked(3).heard(), false)
    assert.equal(asked(4).heard(), true)
  })

  it('tells of the end of a silence once', () => {
    const watch = asked(4)
    watch.heard()
    for (let count = 0; count < 3; count++) watch.asked()

    assert.equal(watch.heard(), false)
  })

  it('tells when a relay that was lost carries again, whichever shows it first', () => {
    for (const show of ['ready', 'heard'] as const) {
      const watch = new RelayWatch()
      assert.equal(watch[show](), false)

      watch.lost()

      assert.deepEqual([watch[show](), watch[show]()], [true, false])
    }
  })
})
