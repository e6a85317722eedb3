import assert from 'node:assert/strict'
import { idleHeartbeatMs } from '../../src/traversal/heartbeat.ts'

describe('idleHeartbeatMs()', () => {
  it('is 15 s while no lifetime is known', () => {
    assert.equal(idleHeartbeatMs([undefined, undefined]), 15_000)
  })

  it('is six tenths of the shorter lifetime, between 10 s and 25 s', () => {
    assert.equal(idleHeartbeatMs([30_000, undefined]), 18_000)
    assert.equal(idleHeartbeatMs([30_000, 20_000]), 12_000)
    assert.equal(idleHeartbeatMs([5_000, 120_000]), 10_000)
    assert.equal(idleHeartbeatMs([120_000, 300_000]), 25_000)
  })
})
