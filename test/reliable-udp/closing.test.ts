import { strict as assert } from 'node:assert'
import { instant } from '../../src/core/instant.ts'
import { Closing } from '../../src/reliable-udp/closing.ts'

const packet = Uint8Array.of(1, 2, 3)

/** The times at which something is sent when nobody answers. */
function timesOf(closing: Closing): number[] {
  const times: number[] = []
  let now = instant(0)
  for (;;) {
    while (closing.pollPacket() !== undefined) times.push(now)
    if (closing.isOver(now)) return times
    now = closing.deadline
    closing.handleTimeout(now)
  }
}

describe('Closing', () => {
  it('tells four times, a PTO apart, and then gives up', () => {
    assert.deepEqual(timesOf(new Closing(instant(0), packet, 100, true)), [0, 100, 200, 300])
  })

  it('answers once, and waits in silence', () => {
    assert.deepEqual(timesOf(new Closing(instant(0), packet, 100, false)), [0])
  })

  it('answers the first, second, fourth, eighth packet that still comes', () => {
    const closing = new Closing(instant(0), packet, 100, false)
    closing.pollPacket()
    const answered: number[] = []
    for (let count = 1; count <= 20; count++) {
      closing.handlePacket()
      if (closing.pollPacket() !== undefined) answered.push(count)
    }

    assert.deepEqual(answered, [1, 2, 4, 8, 16])
  })
})
