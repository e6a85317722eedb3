import { strict as assert } from 'node:assert'
import { NewReno } from '../../../src/reliable-udp/congestion/new-reno.ts'
import { ackOf, lossAt } from './samples.ts'

describe('NewReno', () => {
  it('begins with ten packets, and grows by what is acknowledged', () => {
    const reno = new NewReno(1200)
    assert.equal(reno.windowBytes, 12_000)
    assert.equal(reno.isInSlowStart, true)

    reno.handleAck(ackOf(2400))

    assert.equal(reno.windowBytes, 14_400)
  })

  it('begins with less of large packets (RFC 9002 §7.2)', () => {
    assert.equal(new NewReno(1472).windowBytes, 14_720)
    assert.equal(new NewReno(9000).windowBytes, 18_000)
  })

  it('halves on loss, then grows by one packet for each window', () => {
    const reno = new NewReno(1200)
    reno.handleLoss(lossAt(100))
    assert.equal(reno.windowBytes, 6000)
    assert.equal(reno.isInSlowStart, false)

    for (let i = 0; i < 5; i++) reno.handleAck(ackOf(1200))

    assert.equal(reno.windowBytes, 7200)
  })

  it('does not grow while the application is what limits, nor by what was sent before the loss', () => {
    const reno = new NewReno(1200)

    reno.handleAck(ackOf(1200, 0, { isWindowLimited: false }))
    reno.handleAck(ackOf(1200, 0, { growthBytes: 0 }))

    assert.equal(reno.windowBytes, 12_000)
  })

  it('reduces once for an episode, never below two packets', () => {
    const reno = new NewReno(1200)
    reno.handleLoss(lossAt(100))
    reno.handleLoss(lossAt(101, false))
    assert.equal(reno.windowBytes, 6000)

    for (let i = 0; i < 5; i++) reno.handleLoss(lossAt(200 + i))

    assert.equal(reno.windowBytes, 2400)
  })

  it('takes back a reduction that was a mistake', () => {
    const reno = new NewReno(1200)
    reno.handleLoss(lossAt(100))

    reno.handleSpuriousLoss()

    assert.equal(reno.windowBytes, 12_000)
    assert.equal(reno.isInSlowStart, true)
  })

  it('begins again from two packets after persistent congestion, in slow start up to half', () => {
    const reno = new NewReno(1200)
    reno.handleLoss(lossAt(100))
    reno.handlePersistentCongestion()
    assert.equal(reno.windowBytes, 2400)
    assert.equal(reno.isInSlowStart, true)

    reno.handleAck(ackOf(3600))

    assert.equal(reno.isInSlowStart, false)
  })
})
