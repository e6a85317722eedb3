import assert from 'node:assert/strict'
import { concatBytes } from '../../src/core/bytes.ts'
import { sha256 } from '../../src/crypto/hash.ts'
import type { Prekey, SignedPrekey } from '../../src/protocol/server/messages.ts'
import { normaliseHandle } from '../../src/server/handle.ts'
import { type KeyStore, MAX_ONE_TIME } from '../../src/server/store/key-store.ts'
import type { ServerStore } from '../../src/server/store/server-store.ts'
import { assertSame } from '../server/support/same-value.ts'
import { testDevice, verifierOf } from '../server/support/test-device.ts'

const ALICE = 10_001
const { keys: device } = testDevice('alice')
const { keys: other } = testDevice('other')

function prekey(number: number): Prekey {
  return { number, key: new Uint8Array(32).fill(number) }
}

function signedPrekey(number: number): SignedPrekey {
  return { ...prekey(number), signature: new Uint8Array(64).fill(number) }
}

/** What every implementation of the `KeyStore` port does. `open` gives an empty one each time. */
export function keyStoreContract(name: string, open: () => Promise<ServerStore>): void {
  describe(`${name} as a KeyStore`, () => {
    let store: ServerStore
    let keys: KeyStore

    beforeEach(async () => {
      store = await open()
      keys = store.keys
    })

    afterEach(async () => {
      await store.close()
    })

    it('knows nothing of who has published nothing', async () => {
      assert.equal(await keys.supply(ALICE), undefined)
      assert.equal(await keys.take(ALICE, 2), undefined)
      assert.deepEqual(await keys.log(ALICE, 0, 10), [])
    })

    it('gives each one-time key once, and the signed one always', async () => {
      await keys.publish(ALICE, device, signedPrekey(1), [2, 3, 4].map(prekey))

      const taken = await Promise.all([keys.take(ALICE, 2), keys.take(ALICE, 2)])

      assertSame(
        taken.map((each) => each?.oneTime.map(({ number }) => number)),
        [[2, 3], [4]],
      )
      const last = await keys.take(ALICE, 2)
      assertSame(last, { device, signed: signedPrekey(1), oneTime: [] })
      assert.equal((await keys.supply(ALICE))?.oneTime, 0)
    })

    it('replaces the signed key, and adds the others', async () => {
      await keys.publish(ALICE, device, signedPrekey(1), [prekey(2)])
      await keys.publish(ALICE, device, signedPrekey(5), [prekey(6)])

      assertSame(await keys.supply(ALICE), { device, signed: signedPrekey(5), oneTime: 2 })
    })

    it('forgets the keys of a device when another one publishes', async () => {
      await keys.publish(ALICE, device, signedPrekey(1), [2, 3].map(prekey))
      await keys.publish(ALICE, other, signedPrekey(1), [prekey(9)])

      const taken = await keys.take(ALICE, 8)

      assertSame(taken, { device: other, signed: signedPrekey(1), oneTime: [prekey(9)] })
    })

    it('keeps so many and no more', async () => {
      const many = Array.from({ length: MAX_ONE_TIME }, (_, n) => prekey(n + 1))

      assert.equal(await keys.publish(ALICE, device, signedPrekey(1), many), true)
      assert.equal(await keys.publish(ALICE, device, signedPrekey(1), [prekey(999)]), false)

      assert.equal((await keys.supply(ALICE))?.oneTime, MAX_ONE_TIME)
    })

    it('logs each device that follows another, in a chain', async () => {
      const handle = normaliseHandle('alice')
      assert.ok(handle !== undefined)
      await store.createAccount({ handle, verifier: verifierOf('password'), createdAtMs: 0 })
      for (const used of [device, device, other, device]) await store.recordDevice(ALICE, used)

      const log = await keys.log(ALICE, 0, 10)

      assert.deepEqual(
        log.map(({ index }) => index),
        [1, 2, 3],
      )
      assertSame(
        log.map((entry) => entry.device),
        [device, other, device],
      )
      let chain: Uint8Array = new Uint8Array(32)
      for (const entry of log) {
        chain = sha256(concatBytes(chain, entry.device.identity, entry.device.static))
        assertSame(entry.chain, chain)
      }
      assert.deepEqual(
        (await keys.log(ALICE, 1, 1)).map(({ index }) => index),
        [2],
      )
    })
  })
}
