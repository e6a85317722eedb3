import { strict as assert } from 'node:assert'
import { instant } from '../../../src/core/instant.ts'
import {
  MAX_WINDOW_BYTES,
  ReceiveWindow,
} from '../../../src/reliable-udp/streams/receive-window.ts'

describe('ReceiveWindow', () => {
  it('is worth raising when a quarter of it was consumed', () => {
    const window = new ReceiveWindow(1000)
    window.handleConsumed(250)
    assert.equal(window.isWorthRaising, false)
    window.handleConsumed(1)
    assert.equal(window.isWorthRaising, true)

    assert.equal(window.raise(instant(0), 50), 1251)
    assert.equal(window.isWorthRaising, false)
  })

  it('doubles when it is consumed faster than in eight round trips, up to 16 MiB', () => {
    const window = new ReceiveWindow(2 ** 19)
    let now = 0
    for (let i = 0; i < 20; i++) {
      window.handleConsumed(window.windowBytes / 4 + 1)
      window.raise(instant((now += 95)), 50)
    }

    assert.equal(window.windowBytes, MAX_WINDOW_BYTES)
  })

  it('stays small for a slow reader', () => {
    const window = new ReceiveWindow(1000)
    for (let i = 1; i <= 20; i++) {
      window.handleConsumed(300)
      window.raise(instant(i * 101), 50)
    }

    assert.equal(window.windowBytes, 1000)
    assert.equal(window.limit, 20 * 300 + 1000)
  })
})
