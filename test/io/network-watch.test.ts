import assert from 'node:assert/strict'
import type { Clock } from '../../src/core/clock.ts'
import { after } from '../../src/core/instant.ts'
import type { DefaultGateway } from '../../src/io/gateway.ts'
import {
  type NetworkChange,
  type NetworkWatchOptions,
  watchNetwork,
} from '../../src/io/network-watch.ts'
import { systemClock } from '../../src/io/system-clock.ts'

const home: DefaultGateway = {
  family: 4,
  address: '192.0.2.254',
  interfaceName: 'eth0',
  localAddress: '192.0.2.1',
}

/** The first change that is noticed after `act`. */
async function changeAfter(
  options: Partial<NetworkWatchOptions>,
  act: () => void,
): Promise<NetworkChange> {
  let stop: () => void = () => undefined
  let looks = 0
  const settled = new Promise<void>((resolve) => {
    const gateways = options.gateways ?? (() => Promise.resolve([]))
    options = {
      ...options,
      gateways: () => {
        looks += 1
        if (looks === 3) resolve() // the first look is over
        return gateways()
      },
    }
  })
  try {
    return await new Promise<NetworkChange>((resolve) => {
      const watch = watchNetwork({
        clock: systemClock,
        addresses: () => ['192.0.2.1'],
        usesMonitor: false,
        pollMs: 1,
        ...options,
        onChange: resolve,
      })
      stop = () => watch.stop()
      void settled.then(act)
    })
  } finally {
    stop()
  }
}

describe('watchNetwork()', () => {
  it('notices other addresses', async () => {
    let addresses = ['192.0.2.1']

    const change = await changeAfter({ addresses: () => addresses }, () => {
      addresses = ['192.0.2.1', '198.51.100.1']
    })

    assert.equal(change, 'addresses')
  })

  it('notices another router behind the same address', async () => {
    let gateway = home

    const change = await changeAfter({ gateways: () => Promise.resolve([gateway]) }, () => {
      gateway = { ...home, interfaceName: 'wlan0' }
    })

    assert.equal(change, 'routers')
  })

  it('notices that the machine has slept', async () => {
    let sleptMs = 0
    const clock: Clock = { ...systemClock, wallNow: () => systemClock.wallNow() + sleptMs }

    assert.equal(await changeAfter({ clock }, () => (sleptMs = 4_000)), 'slept')
  })

  it('does not take a process that was held up for one whose machine slept', async () => {
    let heldUpMs = 0
    let addresses = ['192.0.2.1']
    const clock: Clock = {
      now: () => after(systemClock.now(), heldUpMs),
      wallNow: () => systemClock.wallNow() + heldUpMs,
    }
    const change = await changeAfter({ clock, addresses: () => addresses }, () => {
      heldUpMs = 10_000
      addresses = [] // what is noticed instead
    })

    assert.equal(change, 'addresses')
  })

  it('takes a process that was stopped for half a minute for one that has slept', async () => {
    let stoppedMs = 0
    const clock: Clock = {
      now: () => after(systemClock.now(), stoppedMs),
      wallNow: () => systemClock.wallNow() + stoppedMs,
    }

    assert.equal(await changeAfter({ clock }, () => (stoppedMs = 30_000)), 'slept')
  })

  it('looks at once when asked to', async () => {
    let addresses = ['192.0.2.1']
    let begun = (): void => undefined
    const isBegun = new Promise<void>((resolve) => (begun = resolve))

    const change = await new Promise<NetworkChange>((resolve) => {
      const watch = watchNetwork({
        clock: systemClock,
        addresses: () => addresses,
        gateways: () => {
          begun()
          return Promise.resolve([])
        },
        usesMonitor: false,
        pollMs: 1_000_000,
        onChange: (noticed) => {
          watch.stop()
          resolve(noticed)
        },
      })
      void isBegun.then(() => {
        addresses = []
        watch.look()
      })
    })

    assert.equal(change, 'addresses')
  })
})
