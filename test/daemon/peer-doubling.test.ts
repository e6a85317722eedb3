import assert from 'node:assert/strict'
import { after, instant } from '../../src/core/instant.ts'
import { Doubling } from '../../src/daemon/peer-doubling.ts'

const START = instant(1_000)

function begun(rttMs?: number): Doubling {
  const doubling = new Doubling()
  doubling.begin(START, rttMs)
  return doubling
}

describe('Doubling', () => {
  it('doubles nothing before a direct path takes over, and for a second at most afterwards', () => {
    assert.equal(new Doubling().takes(START), false)

    const doubling = begun()

    assert.ok(doubling.takes(after(START, 999)))
    assert.equal(doubling.takes(after(START, 1_000)), false)
  })

  it('ends with the first packet that can be an answer to a doubled one', () => {
    const doubling = begun(50)
    doubling.heard(START)
    assert.ok(doubling.takes(after(START, 10)))

    doubling.heard(after(START, 59))
    assert.ok(doubling.takes(after(START, 59)), 'it was under way before')
    doubling.heard(after(START, 60))

    assert.equal(doubling.takes(after(START, 60)), false)
  })

  it('ends with the way back to the relay, and after 64 packets', () => {
    const back = begun()
    back.end()
    assert.equal(back.takes(START), false)

    const doubling = begun()
    const doubled = Array.from({ length: 100 }, () => doubling.takes(START)).filter(Boolean)
    assert.equal(doubled.length, 64)
  })
})
