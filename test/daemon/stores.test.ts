import assert from 'node:assert/strict'
import { toBase64 } from '../../src/core/bytes.ts'
import type { Store } from '../../src/core/store.ts'
import { verifySignature } from '../../src/crypto/identity.ts'
import { staticKeyStatement } from '../../src/crypto/device-statement.ts'
import { Accounts, serverIdentityOf } from '../../src/daemon/accounts.ts'
import { Consumers, MAX_CONSUMERS } from '../../src/daemon/consumers.ts'
import { Journal } from '../../src/daemon/journal.ts'
import { openDevice } from '../../src/daemon/keys.ts'
import { Pins } from '../../src/daemon/pins.ts'
import { Roster } from '../../src/daemon/roster.ts'
import type { ControlEvent } from '../../src/protocol/control/schema.ts'
import type { RosterEntry } from '../../src/protocol/server/messages.ts'
import { SeededRandom } from '../sim/seeded-random.ts'
import { ManualClock } from './support/manual-clock.ts'
import { onEveryStore } from './support/stores.ts'

const clock = new ManualClock()
const random = new SeededRandom(1)

async function allEvents(journal: Journal): Promise<ControlEvent[]> {
  const events: ControlEvent[] = []
  for await (const event of journal.read(0, 1000)) events.push(event)
  return events
}

async function recordsHolding(store: Store, text: string): Promise<string[]> {
  const keys: string[] = []
  for await (const [key, value] of store.range({})) {
    if (Buffer.from(value).includes(text)) keys.push(key)
  }
  return keys
}

onEveryStore((place) => {
  describe('openDevice()', () => {
    it('draws keys once and keeps them', async () => {
      const store = await place().open()
      const first = await openDevice(store, random)
      await store.close()

      const again = await place().open()
      const second = await openDevice(again, random)

      assert.deepEqual(second.keys, first.keys)
      assert.equal(second.instance, first.instance)
      await again.close()
    })

    it('signs the static key with the identity', async () => {
      const store = await place().open()
      const { keys } = await openDevice(store, random)

      assert.ok(
        verifySignature(keys.identity, staticKeyStatement(keys.static), keys.staticSignature),
      )
      await store.close()
    })
  })

  describe('Accounts', () => {
    const secret = {
      salt: new Uint8Array(16).fill(1),
      hashing: { memoryKiB: 19456, passes: 2, lanes: 1 },
      saltedPassword: new Uint8Array(32).fill(2),
    }
    const alice = {
      serverLink: 'holler://one:7443',
      serverIdentity: 'name:one:7443',
      number: 10001,
      handle: 'alice',
      secret,
    }

    it('knows the current account after a restart, with its salted password', async () => {
      const store = await place().open()
      await new Accounts(store).login(alice)
      await store.close()

      const again = await place().open()
      const current = await new Accounts(again).current()

      assert.equal(current?.number, 10001)
      assert.deepEqual(Uint8Array.from(current.secret?.saltedPassword ?? []), secret.saltedPassword)
      await again.close()
    })

    it('forgets the salted password at logout, and keeps the account’s slot', async () => {
      const store = await place().open()
      const accounts = new Accounts(store)
      const first = await accounts.login(alice)

      await accounts.logout(first)
      const between = await accounts.current()
      const secrets = await recordsHolding(store, toBase64(secret.saltedPassword))
      const second = await accounts.login(alice)

      assert.equal(between, undefined)
      assert.deepEqual(secrets, [])
      assert.equal(second.slot, first.slot)
      await store.close()
    })

    it('gives another account, or the same number elsewhere, a slot of its own', async () => {
      const store = await place().open()
      const accounts = new Accounts(store)

      const slots = [
        await accounts.login(alice),
        await accounts.login({ ...alice, number: 10002 }),
        await accounts.login({ ...alice, serverIdentity: 'name:two:7443' }),
        await accounts.login({ ...alice, serverLink: 'holler://moved:7443' }),
      ].map(({ slot }) => slot)

      assert.deepEqual(slots, ['0001', '0002', '0003', '0001'])
      await store.close()
    })
  })

  describe('Consumers', () => {
    it('remembers each name’s acknowledgement, which only rises', async () => {
      const store = await place().open()
      const consumers = await Consumers.open(store)
      await consumers.acknowledge('bot', 7)
      await consumers.acknowledge('bot', 5)
      await consumers.acknowledge('a/b', 3)
      await store.close()

      const again = await place().open()
      const reopened = await Consumers.open(again)

      assert.deepEqual(
        ['bot', 'a/b', 'nobody'].map((name) => reopened.acknowledged(name)),
        [7, 3, 0],
      )
      await again.close()
    })

    it('takes only so many names', async () => {
      const store = await place().open()
      const consumers = await Consumers.open(store)
      for (let n = 0; n < MAX_CONSUMERS; n++) await consumers.acknowledge(`name ${n}`, 1)

      await assert.rejects(consumers.acknowledge('one more', 1), { code: 'TOO_LARGE' })
      await consumers.acknowledge('name 0', 2)

      assert.equal(consumers.acknowledged('name 0'), 2)
      await store.close()
    })
  })

  describe('Roster', () => {
    const bob: RosterEntry = { number: 10002, handle: 'Bob', state: 'accepted' }
    const carol: RosterEntry = { number: 10003, handle: 'carol', state: 'pending-in' }

    it('finds buddies by number, digits and handle, also after a restart', async () => {
      const store = await place().open()
      const roster = await Roster.open(store, await Journal.open({ store, clock }), '0001')
      await roster.update([bob, carol])
      await store.close()

      const again = await place().open()
      const journal = await Journal.open({ store: again, clock })
      const reopened = await Roster.open(again, journal, '0001')
      const other = await Roster.open(again, journal, '0002')

      for (const name of [10002, '10002', 'bob', 'BOB']) {
        assert.equal(reopened.require(name).number, 10002)
      }
      assert.throws(() => reopened.require('nobody'), { code: 'BUDDY_UNKNOWN' })
      assert.deepEqual(other.all(), [])
      await again.close()
    })

    it('tells requests, changes and removals, and nothing where nothing changed', async () => {
      const store = await place().open()
      const journal = await Journal.open({ store, clock })
      const roster = await Roster.open(store, journal, '0001')

      await roster.update([bob])
      await roster.change(carol, 'it is me')
      await roster.update([bob, carol])
      await roster.change({ ...carol, state: 'accepted' }, '')
      await roster.remove(10002)
      await roster.remove(10002)

      const person = { number: 10003, handle: 'carol' }
      assert.deepEqual(
        (await allEvents(journal)).map(({ type, data }) => [type, data]),
        [
          ['buddy.changed', { buddy: { number: 10002, handle: 'Bob' }, state: 'accepted' }],
          ['buddy.request', { from: person, note: 'it is me' }],
          ['buddy.changed', { buddy: person, state: 'accepted' }],
          ['buddy.removed', { buddy: { number: 10002, handle: 'Bob' } }],
        ],
      )
      await store.close()
    })

    it('keeps what only we know when the server’s list comes again', async () => {
      const store = await place().open()
      const roster = await Roster.open(store, await Journal.open({ store, clock }), '0001')
      await roster.change(bob, '')
      await roster.setPolicy(roster.require('bob'), 'relay')

      await roster.update([{ ...bob, handle: 'bobby' }])

      assert.deepEqual(roster.get(10002)?.pathPolicy, 'relay')
      assert.deepEqual(roster.missingFrom([]).length, 1)
      await store.close()
    })
  })

  describe('Pins', () => {
    const bob = {
      number: 10002,
      handle: 'bob',
      state: 'accepted',
      note: '',
      pathPolicy: 'auto',
    } as const
    const keys = (n: number): { identity: Uint8Array; static: Uint8Array } => ({
      identity: new Uint8Array(32).fill(n),
      static: new Uint8Array(32).fill(n + 100),
    })

    it('pins at first contact, and keeps it across a restart', async () => {
      const store = await place().open()
      const pins = await Pins.open(store, await Journal.open({ store, clock }), '0001')
      const first = await pins.judge(bob, keys(1))
      await store.close()

      const again = await place().open()
      const reopened = await Pins.open(again, await Journal.open({ store: again, clock }), '0001')

      assert.equal(first, true)
      assert.equal(await reopened.judge(bob, keys(1)), true)
      assert.equal(await reopened.judge(bob, keys(2)), false)
      await again.close()
    })

    it('takes over a new static key of the pinned identity', async () => {
      const store = await place().open()
      const pins = await Pins.open(store, await Journal.open({ store, clock }), '0001')
      await pins.judge(bob, keys(1))

      const verdict = await pins.judge(bob, { ...keys(1), static: new Uint8Array(32).fill(9) })

      assert.equal(verdict, true)
      assert.deepEqual(Uint8Array.from(pins.get(10002)?.static ?? []), new Uint8Array(32).fill(9))
      await store.close()
    })

    it('remembers what was verified, with a new static key and over a restart, until there is another identity', async () => {
      const store = await place().open()
      const pins = await Pins.open(store, await Journal.open({ store, clock }), '0001')
      await assert.rejects(pins.verify(bob, keys(1).identity, 5), { code: 'IDENTITY_UNKNOWN' })
      await pins.judge(bob, keys(1))
      await assert.rejects(pins.verify(bob, keys(2).identity, 5), { code: 'IDENTITY_UNKNOWN' })
      await pins.verify(bob, keys(1).identity, 5)
      await pins.judge(bob, { ...keys(1), static: new Uint8Array(32).fill(9) })
      await pins.judge(bob, keys(2))
      await store.close()

      const again = await place().open()
      const reopened = await Pins.open(again, await Journal.open({ store: again, clock }), '0001')
      assert.equal(reopened.get(10002)?.verifiedAtMs, 5)
      await reopened.accept(bob)

      assert.equal(reopened.get(10002)?.verifiedAtMs, undefined)
      await again.close()
    })

    it('takes the other identity for the right one when the user accepts it, also after a restart', async () => {
      const store = await place().open()
      const pins = await Pins.open(store, await Journal.open({ store, clock }), '0001')
      await pins.judge(bob, keys(1))
      await assert.rejects(pins.accept(bob), { code: 'IDENTITY_UNCHANGED' })
      for (const n of [2, 3]) await pins.judge(bob, keys(n))
      await pins.accept(bob)
      await store.close()

      const again = await place().open()
      const reopened = await Pins.open(again, await Journal.open({ store: again, clock }), '0001')

      assert.equal(reopened.isChanged(10002), false)
      assert.deepEqual(Uint8Array.from(reopened.get(10002)?.static ?? []), keys(3).static)
      for (const [n, isTrusted] of [
        [3, true],
        [2, false],
        [1, false],
      ] as const) {
        assert.equal(await reopened.judge(bob, keys(n)), isTrusted)
      }
      await again.close()
    })

    it('tells each other identity once, and forgets it when the user removes the buddy', async () => {
      const store = await place().open()
      const journal = await Journal.open({ store, clock })
      const pins = await Pins.open(store, journal, '0001')
      await pins.judge(bob, keys(1))

      for (const n of [2, 2, 3]) await pins.judge(bob, keys(n))
      const isChanged = pins.isChanged(10002)
      await pins.forget(10002)

      assert.deepEqual(
        (await allEvents(journal)).map(({ type }) => type),
        ['identity.changed', 'identity.changed'],
      )
      assert.equal(isChanged, true)
      assert.equal(await pins.judge(bob, keys(3)), true)
      await store.close()
    })
  })
})

describe('serverIdentityOf()', () => {
  it('is the key where one is pinned, wherever the server lives', () => {
    const pin = new Uint8Array(32).fill(5)

    assert.equal(
      serverIdentityOf({ host: 'one', port: 7443, pin }),
      serverIdentityOf({ host: 'two', port: 443, pin }),
    )
    assert.notEqual(
      serverIdentityOf({ host: 'one', port: 7443 }),
      serverIdentityOf({ host: 'two', port: 7443 }),
    )
  })
})
