import { strict as assert } from 'node:assert'
import { instant } from '../../src/core/instant.ts'
import { MtuDiscovery } from '../../src/reliable-udp/mtu-discovery.ts'

const PTO = 100
const FAR = { family: 4, address: '203.0.113.7', port: 4000 } as const
const LOOPBACK = { family: 6, address: '::1', port: 4000 } as const

function busy(mtu: MtuDiscovery): MtuDiscovery {
  for (let i = 0; i < 16; i++) mtu.handlePacketSent(mtu.datagramBytes)
  return mtu
}

/** Probes until there is nothing to try; sizes up to `pathBytes` pass. */
function search(mtu: MtuDiscovery, at: number, pathBytes: number): number[] {
  const tried: number[] = []
  for (let number = 100; ; number++) {
    const size = mtu.wantedProbe(instant(at))
    if (size === undefined) return tried
    tried.push(size)
    mtu.handleProbeSent(number, size)
    assert.equal(mtu.wantedProbe(instant(at)), undefined, 'one at a time')
    if (size <= pathBytes) assert.equal(mtu.handleAcked(number, size), true)
    else assert.equal(mtu.handleLost(instant(at), number, size, PTO), false)
  }
}

describe('MtuDiscovery', () => {
  it('does not begin before there are full packets to send', () => {
    const mtu = new MtuDiscovery(1472, FAR)
    for (let i = 0; i < 100; i++) mtu.handlePacketSent(300)

    assert.equal(mtu.wantedProbe(instant(0)), undefined)
    assert.equal(mtu.datagramBytes, 1200)
  })

  it('climbs step by step', () => {
    const mtu = busy(new MtuDiscovery(1472, FAR))

    assert.deepEqual(search(mtu, 0, 1500), [1280, 1350, 1400, 1452, 1472])
    assert.equal(mtu.datagramBytes, 1472)
  })

  it('goes on to jumbo frames on the loopback alone', () => {
    const far = busy(new MtuDiscovery(9000, FAR))
    assert.equal(search(far, 0, 65_507).at(-1), 1472)

    const near = busy(new MtuDiscovery(9000, LOOPBACK))
    assert.equal(search(near, 0, 65_507).at(-1), 8972)

    near.reset(FAR)
    assert.equal(search(busy(near), 0, 65_507).at(-1), 1472)
  })

  it('tries each size once, and none again for ten minutes', () => {
    const mtu = busy(new MtuDiscovery(1472, FAR))

    assert.deepEqual(search(mtu, 0, 1350), [1280, 1350, 1400])
    assert.equal(mtu.datagramBytes, 1350)
    assert.deepEqual(search(mtu, 599_999, 1350), [])
    assert.deepEqual(search(mtu, 600_000, 1500), [1400, 1452, 1472])
  })

  it('stays within what the peer takes', () => {
    assert.deepEqual(search(busy(new MtuDiscovery(1360, FAR)), 0, 1500), [1280, 1350])
  })

  it('falls back when large packets alone are lost three times, a PTO apart', () => {
    const mtu = busy(new MtuDiscovery(1472, FAR))
    search(mtu, 0, 1500)

    assert.equal(mtu.handleLost(instant(1000), 1, 1472, PTO), false)
    assert.equal(mtu.handleLost(instant(1050), 2, 1472, PTO), false, 'the same occasion')
    assert.equal(mtu.handleLost(instant(1100), 3, 1472, PTO), false)
    assert.equal(mtu.handleLost(instant(1200), 4, 1472, PTO), true)
    assert.equal(mtu.datagramBytes, 1200)
    assert.deepEqual(search(mtu, 2000, 1500), [])
  })

  it('a large packet that arrives clears the suspicion; small ones lost never raise it', () => {
    const mtu = busy(new MtuDiscovery(1472, FAR))
    search(mtu, 0, 1500)
    for (let i = 0; i < 20; i++) {
      mtu.handleLost(instant(i * 200), i, 1472, PTO)
      mtu.handleLost(instant(i * 200 + 1), i, 1200, PTO)
      if (i % 2 === 1) mtu.handleAcked(i, 1472)
    }

    assert.equal(mtu.datagramBytes, 1472)
  })

  it('knows nothing of another path', () => {
    const mtu = busy(new MtuDiscovery(1472, FAR))
    search(mtu, 0, 1350)
    mtu.reset(FAR)

    assert.equal(mtu.datagramBytes, 1200)
    assert.deepEqual(search(busy(mtu), 10, 1500), [1280, 1350, 1400, 1452, 1472])
  })
})
