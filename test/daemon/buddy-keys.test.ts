import assert from 'node:assert/strict'
import { BuddyKeySupply } from '../../src/daemon/buddy-keys.ts'
import { signedPrekeyStatement } from '../../src/crypto/device-statement.ts'
import type { DeviceKeys, Keys } from '../../src/protocol/server/messages.ts'
import type { ServerRequest } from '../../src/tcp/server-link-event.ts'
import { deviceOf } from './peer-scene.ts'
import { ManualClock } from './support/manual-clock.ts'

const BOB = 10_002
const MINUTE_MS = 60_000

/** A server that hands out keys of a device, and counts. */
class KeyDesk {
  asked = 0
  device = deviceOf(2)
  oneTimeKeys = 8
  isAway = false

  readonly request = ({ kind }: ServerRequest): Promise<Keys> => {
    assert.equal(kind, 'take-keys')
    this.asked += 1
    if (this.isAway) return Promise.reject(new Error('away'))
    const key = new Uint8Array(32).fill(7)
    const signature = this.device.identity.sign(signedPrekeyStatement(1, key))
    const oneTime = Array.from({ length: this.oneTimeKeys }, (_, index) => ({
      number: this.asked * 100 + index,
      key,
    }))
    const signed = { number: 1, key, signature }
    const id = 1 as Keys['id']
    return Promise.resolve({ kind: 'keys', id, device: this.device.keys, signed, oneTime })
  }
}

function supply(): {
  readonly desk: KeyDesk
  readonly clock: ManualClock
  readonly keys: BuddyKeySupply
} {
  const desk = new KeyDesk()
  const clock = new ManualClock()
  const keys = new BuddyKeySupply(desk, clock)
  return { desk, clock, keys }
}

async function oneTimeNumber(keys: BuddyKeySupply): Promise<number | undefined> {
  return (await keys.forMessage(BOB))?.oneTime?.number
}

describe('BuddyKeySupply', () => {
  it('asks once for some messages, and hands out each one-time key once', async () => {
    const { desk, keys } = supply()

    const numbers: unknown[] = []
    for (let count = 0; count < 7; count++) numbers.push(await oneTimeNumber(keys))
    assert.equal(desk.asked, 1)
    for (let count = 0; count < 9; count++) numbers.push(await oneTimeNumber(keys))

    assert.equal(new Set(numbers).size, 16)
    assert.equal(desk.asked, 3) // the last key of a set is replaced at once
  })

  it('has keys at hand where a conversation has prepared for it, and shares a question that is under way', async () => {
    const { desk, keys } = supply()

    const prepared = keys.prepare(BOB)
    const numbers = await Promise.all([oneTimeNumber(keys), oneTimeNumber(keys)])
    await prepared

    assert.deepEqual(numbers, [100, 101])
    assert.equal(desk.asked, 1)
  })

  it('asks in vain once a minute, and seals without one-time keys until then where there are others', async () => {
    for (const trouble of [{ isAway: true }, { oneTimeKeys: 0 }]) {
      const { desk, clock, keys } = supply()
      Object.assign(desk, trouble)

      for (let count = 0; count < 5; count++) await keys.prepare(BOB)
      assert.equal(desk.asked, 1)
      if (!desk.isAway) assert.equal(await oneTimeNumber(keys), undefined)
      assert.equal(desk.asked, 1)

      clock.advance(MINUTE_MS)
      await keys.prepare(BOB)
      assert.equal(desk.asked, 2)
    }
  })

  it('keeps them over news of a buddy whose device is the same, and forgets them for another one', async () => {
    const { desk, keys } = supply()
    await keys.forMessage(BOB)

    keys.forget(BOB, desk.device.keys)
    await keys.forMessage(BOB)
    assert.equal(desk.asked, 1)

    const other: DeviceKeys = deviceOf(3).keys
    keys.forget(BOB, other)
    await keys.forMessage(BOB)
    assert.equal(desk.asked, 2)

    keys.forget(BOB)
    await keys.forMessage(BOB)
    assert.equal(desk.asked, 3)
  })

  it('believes no keys that the device has not signed', async () => {
    const { desk, keys } = supply()
    const { identity } = deviceOf(3)
    desk.device = { ...desk.device, identity }

    assert.equal(await keys.forMessage(BOB), undefined)
  })
})
