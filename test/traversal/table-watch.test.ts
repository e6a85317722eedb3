import assert from 'node:assert/strict'
import { instant } from '../../src/core/instant.ts'
import { socketNamed } from '../../src/core/machine.ts'
import { MAX_CHECKS, TableWatch } from '../../src/traversal/table-watch.ts'

function sockets(count: number): ReturnType<typeof socketNamed>[] {
  return Array.from({ length: count }, (_, index) => socketNamed(String(index)))
}

describe('TableWatch', () => {
  it('uses each socket once, one in 400 ms', () => {
    const watch = new TableWatch(instant(0), sockets(2))

    assert.equal(watch.take(instant(0)), '0')
    assert.equal(watch.take(instant(399)), undefined)
    assert.equal(watch.dueAt, 400)
    assert.equal(watch.take(instant(400)), '1')
    assert.equal(watch.take(instant(9000)), undefined)
    assert.equal(watch.dueAt, undefined)
  })

  it('makes so many checks and no more', () => {
    const watch = new TableWatch(instant(0), sockets(MAX_CHECKS + 5))
    let checks = 0
    for (let now = 0; watch.take(instant(now)) !== undefined; now += 400) checks += 1

    assert.equal(checks, MAX_CHECKS)
  })

  it('calls a table full after two lost checks in a row', () => {
    const watch = new TableWatch(instant(0), sockets(9))
    watch.noteLost()
    watch.noteAnswer(undefined)
    watch.noteLost()
    assert.equal(watch.isFull, false)

    watch.noteLost()

    assert.equal(watch.isFull, true)
  })

  it('or after two that took three times as long as the first, where that is more than noise', () => {
    const near = new TableWatch(instant(0), sockets(9))
    for (const rttMs of [5, 40, 60]) near.noteAnswer(rttMs)
    assert.equal(near.isFull, false)

    const far = new TableWatch(instant(0), sockets(9))
    for (const rttMs of [50, 151, 149, 151]) far.noteAnswer(rttMs)
    assert.equal(far.isFull, false)
    far.noteAnswer(160)
    assert.equal(far.isFull, true)
  })
})
