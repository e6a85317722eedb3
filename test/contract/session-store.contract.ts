import assert from 'node:assert/strict'
import type { ServerStore } from '../../src/server/store/server-store.ts'
import type { SessionStore } from '../../src/server/store/session-store.ts'
import { assertSame } from '../server/support/same-value.ts'
import { testDevice } from '../server/support/test-device.ts'

const ALICE = 10_001
const BOB = 10_002
const { keys: device } = testDevice('alice')
const { keys: other } = testDevice('other')
const online = { state: 'online', text: '' } as const
const away = { state: 'away', text: 'at lunch' } as const

/** What every implementation of the `SessionStore` port does. `open` gives an empty one each time. */
export function sessionStoreContract(name: string, open: () => Promise<ServerStore>): void {
  describe(`${name} as a SessionStore`, () => {
    let store: ServerStore
    let sessions: SessionStore

    beforeEach(async () => {
      store = await open()
      sessions = store.sessions
    })

    afterEach(async () => {
      await store.close()
    })

    it('gives each session of an account a higher epoch than the last', async () => {
      const epochs: number[] = []
      for (const keys of [device, other, device]) {
        epochs.push(await sessions.begin({ number: ALICE, device: keys, chosen: online }))
      }
      await sessions.end(ALICE, epochs[2] ?? 0)
      epochs.push(await sessions.begin({ number: ALICE, device, chosen: online }))

      assert.deepEqual(epochs, [1, 2, 3, 4])
      assert.equal(await sessions.begin({ number: BOB, device, chosen: online }), 1)
    })

    it('gives simultaneous sessions of one account epochs of their own', async () => {
      const begun = Array.from({ length: 100 }, (_, n) =>
        sessions.begin({ number: ALICE + (n % 2), device, chosen: online }),
      )

      const epochs = await Promise.all(begun)

      assert.deepEqual(
        epochs.filter((_, n) => n % 2 === 0),
        Array.from({ length: 50 }, (_, n) => n + 1),
      )
    })

    it('lets the present epoch go on, once', async () => {
      const epoch = await sessions.begin({ number: ALICE, device, chosen: away })

      const [first, second] = await Promise.all([
        sessions.resume(ALICE, epoch),
        sessions.resume(ALICE, epoch),
      ])

      assertSame(first, { number: ALICE, epoch: epoch + 1, device, chosen: away })
      assert.equal(second, undefined)
      assert.equal(await sessions.resume(BOB, 1), undefined)
    })

    it('lets nobody go on with a session that was overtaken or has ended', async () => {
      const first = await sessions.begin({ number: ALICE, device, chosen: online })
      const second = await sessions.begin({ number: ALICE, device: other, chosen: online })

      await sessions.end(ALICE, first)
      assert.equal(await sessions.resume(ALICE, first), undefined)
      assertSame((await sessions.standing(ALICE))?.device, other)
      await sessions.end(ALICE, second)

      assert.equal(await sessions.resume(ALICE, second), undefined)
      assert.equal(await sessions.standing(ALICE), undefined)
    })

    it('keeps what presence was chosen, in the present session only', async () => {
      const first = await sessions.begin({ number: ALICE, device, chosen: online })
      await sessions.choose(ALICE, first, away)
      const second = await sessions.begin({ number: ALICE, device, chosen: online })

      await sessions.choose(ALICE, first, away)
      await sessions.choose(BOB, 1, away)

      assert.deepEqual((await sessions.standing(ALICE))?.chosen, online)
      await sessions.choose(ALICE, second, away)
      assert.deepEqual((await sessions.standing(ALICE))?.chosen, away)
      assert.equal(await sessions.standing(BOB), undefined)
    })

    it('names all that have not ended, by number', async () => {
      const bob = await sessions.begin({ number: BOB, device: other, chosen: away })
      const alice = await sessions.begin({ number: ALICE, device, chosen: online })
      const third = await sessions.begin({ number: 10_003, device, chosen: online })

      await sessions.end(10_003, third)

      assertSame(await sessions.all(), [
        { number: ALICE, epoch: alice, device, chosen: online },
        { number: BOB, epoch: bob, device: other, chosen: away },
      ])
    })
  })
}
