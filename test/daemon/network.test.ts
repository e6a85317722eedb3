import assert from 'node:assert/strict'
import type { Clock } from '../../src/core/clock.ts'
import { silentLogger } from '../../src/core/logger.ts'
import { openDevice } from '../../src/daemon/keys.ts'
import { Network, type NetworkOptions } from '../../src/daemon/network.ts'
import { systemRandom } from '../../src/io/random.ts'
import { systemClock } from '../../src/io/system-clock.ts'
import { openUdpSocket } from '../../src/io/udp-socket.ts'
import { memoryStore } from '../support/memory-store.ts'

async function open(options: Partial<NetworkOptions>): Promise<Network> {
  return await Network.open({
    clock: systemClock,
    random: systemRandom,
    logger: silentLogger,
    device: await openDevice(memoryStore(), systemRandom),
    ...options,
  })
}

async function change(network: Network): Promise<void> {
  await new Promise<void>((resolve) => {
    network.attach({
      handlePeerEvent: () => undefined,
      handleNetworkChanged: () => resolve(),
      handleMoved: () => undefined,
      handleNetworkBack: () => undefined,
      handleOtherAddresses: () => undefined,
    })
  })
}

describe('Network', () => {
  it('notices that the host has other addresses', async () => {
    let addresses = ['192.0.2.1', '198.51.100.1']
    const network = await open({ hostAddresses: () => addresses, pollMs: 1 })
    const before = network.addresses

    addresses = ['203.0.113.1']
    await change(network)

    assert.deepEqual(before, ['192.0.2.1', '198.51.100.1'])
    assert.deepEqual(network.addresses, ['203.0.113.1'])
    await network.close()
  })

  it('notices that the machine has slept', async () => {
    let sleptMs = 0
    const clock: Clock = { ...systemClock, wallNow: () => systemClock.wallNow() + sleptMs }
    const network = await open({ clock, hostAddresses: () => ['192.0.2.1'], pollMs: 1 })

    sleptMs = 3_600_000
    await change(network)

    await network.close()
  })

  it('has one address where it is bound to one, and one family', async () => {
    const network = await open({
      bind: { address: '127.0.0.1', port: 0 },
      hostAddresses: () => ['192.0.2.1'],
    })

    assert.deepEqual(network.addresses, ['127.0.0.1'])
    assert.equal(network.local?.address, '127.0.0.1')
    await network.close()
  })

  it('offers only addresses of families that it can use', async () => {
    const network = await open({
      bind: { address: '0.0.0.0', port: 0 },
      hostAddresses: () => ['192.0.2.1', '2001:db8::1'],
    })

    assert.deepEqual(network.addresses, ['192.0.2.1'])
    await network.close()
  })

  it('says when the port is taken', async () => {
    const holder = await openUdpSocket({ address: '127.0.0.1', port: 0 })

    await assert.rejects(open({ bind: { address: '127.0.0.1', port: holder.local.port } }), {
      code: 'PORT_TAKEN',
    })
    await holder.close()
  })

  it('is one port for both families', async () => {
    const network = await open({ hostAddresses: () => [] })

    // Taken, or a host without IPv6.
    await assert.rejects(openUdpSocket({ address: '::', port: network.port }))
    assert.ok(network.port > 0)
    await network.close()
  })
})
