import assert from 'node:assert/strict'
import type { PasswordVerifier, RosterVersion } from '../../src/protocol/server/messages.ts'
import { type Handle, normaliseHandle } from '../../src/server/handle.ts'
import type { StoreLimits } from '../../src/server/store/kv-server-store.ts'
import { MAIL_LIMITS } from '../../src/server/store/mail-store.ts'
import {
  type Account,
  mirrored,
  type Relation,
  type RelationOutcome,
  type ServerStore,
} from '../../src/server/store/server-store.ts'
import { assertSame } from '../server/support/same-value.ts'
import { testDevice } from '../server/support/test-device.ts'

export type OpenServerStore = (limits: StoreLimits) => Promise<ServerStore>

const verifier: PasswordVerifier = {
  salt: Uint8Array.from({ length: 16 }, (_, n) => n),
  hashing: { memoryKiB: 19_456, passes: 2, lanes: 1 },
  storedKey: new Uint8Array(32).fill(0xff),
  serverKey: new Uint8Array(32).fill(0x80),
}

function handle(text: string): Handle {
  const normal = normaliseHandle(text)
  assert.ok(normal !== undefined)
  return normal
}

/** What every implementation of the `ServerStore` port does. `open` gives an empty store each time. */
export function serverStoreContract(name: string, open: OpenServerStore): void {
  describe(`${name} as a ServerStore`, () => {
    let store: ServerStore

    beforeEach(async () => {
      store = await open({ roster: 4, pendingIn: 2, mail: MAIL_LIMITS })
    })

    afterEach(async () => {
      await store.close()
    })

    async function create(text: string): Promise<Account> {
      const account = await store.createAccount({ handle: handle(text), verifier, createdAtMs: 42 })
      assert.ok(account !== undefined)
      return account
    }

    async function relate(
      a: Account,
      b: Account,
      relation: Relation,
      note = '',
    ): Promise<RelationOutcome> {
      const outcome = await store.changeRelation(a, b, () => ({ relation, note }))
      if (outcome.kind !== 'done') return outcome
      const { first, second, ...rest } = outcome
      const [isFirst, isSecond] = [
        rest.before !== rest.after,
        rest.otherBefore !== rest.otherAfter || rest.otherAfter === 'blocked',
      ]
      assert.deepEqual([first, second].map(Boolean), [isFirst, isFirst && isSecond])
      return rest
    }

    /** What a daemon that has this version is told. */
    async function news(account: Account, version?: RosterVersion): Promise<readonly string[]> {
      const { news: told } = await store.rosterSince(account.number, version)
      if (told.kind === 'whole') {
        return ['whole', ...told.entries.map(({ handle: of, state }) => `${of} ${state}`)]
      }
      return [
        ...told.changed.map(({ handle: of, state }) => `${of} ${state}`),
        ...told.removed.map((number) => `${number} removed`),
      ]
    }

    async function versionOf(account: Account): Promise<RosterVersion> {
      return (await store.rosterSince(account.number)).version
    }

    async function shown(account: Account): Promise<readonly string[]> {
      const roster = await store.roster(account.number)
      return roster.map(({ handle: of, state, note }) => `${of} ${state} ${note}`.trim())
    }

    it('gives accounts numbers from 10001, and finds them by number and handle', async () => {
      const alice = await create('alice')
      const bob = await create('bob')

      assert.deepEqual([alice.number, bob.number], [10_001, 10_002])
      assertSame(alice, {
        number: 10_001,
        handle: 'alice',
        verifier,
        createdAtMs: 42,
        startsInvisible: false,
        revision: 1,
      })
      assertSame(await store.account(10_001), alice)
      assertSame(await store.accountByHandle(handle('bob')), bob)
      assert.equal(await store.account(10_003), undefined)
      assert.equal(await store.accountByHandle(handle('carol')), undefined)
    })

    it('gives a handle once, and no number for a handle that is taken', async () => {
      await create('alice')

      const again = { handle: handle('Alice'), verifier, createdAtMs: 1 }
      assert.equal(await store.createAccount(again), undefined)

      assert.equal((await create('bob')).number, 10_002)
    })

    it('gives one of many simultaneous requests the handle, and each its own number', async () => {
      const wanted = ['same', 'same', 'same', 'one', 'two', 'three'].map((text) =>
        store.createAccount({ handle: handle(text), verifier, createdAtMs: 1 }),
      )

      const made = (await Promise.all(wanted)).filter((account) => account !== undefined)

      assert.deepEqual(made.map((account) => account.handle).sort(), [
        'one',
        'same',
        'three',
        'two',
      ])
      assert.equal(new Set(made.map(({ number }) => number)).size, 4)
    })

    it('changes an account only from the revision that is stored', async () => {
      const alice = await create('alice')

      assert.equal(await store.updateAccount({ ...alice, startsInvisible: true }), true)
      assert.equal(await store.updateAccount({ ...alice, startsInvisible: false }), false)
      assert.equal(await store.updateAccount({ ...alice, number: 10_009 }), false)

      assertSame(await store.account(10_001), {
        ...alice,
        startsInvisible: true,
        revision: 2,
      })
    })

    it('lets one of several simultaneous changes through', async () => {
      const alice = await create('alice')

      const changes = [1, 2, 3].map(() => store.updateAccount({ ...alice, startsInvisible: true }))

      assert.deepEqual((await Promise.all(changes)).filter(Boolean).length, 1)
    })

    it('puts the device first that was used last, and forgets the ninth', async () => {
      const alice = await create('alice')
      const keys = Array.from({ length: 9 }, (_, n) => testDevice(`device ${n}`).keys)
      const known = async (): Promise<readonly string[]> =>
        (await store.devices(alice.number)).map(({ identity }) =>
          Buffer.from(identity).toString('hex'),
        )
      const identity = (n: number): string => Buffer.from(keys[n]?.identity ?? []).toString('hex')

      for (const device of keys.slice(0, 8)) await store.recordDevice(alice.number, device)
      assert.deepEqual(await known(), [7, 6, 5, 4, 3, 2, 1, 0].map(identity))
      for (const device of [keys[0], keys[8]]) {
        if (device !== undefined) await store.recordDevice(alice.number, device)
      }

      assert.deepEqual(await known(), [8, 0, 7, 6, 5, 4, 3, 2].map(identity))
      assert.deepEqual(await store.devices(99_999), [])
    })

    it('writes both sides of a pair', async () => {
      const alice = await create('alice')
      const bob = await create('bob')

      const asked = await relate(alice, bob, 'pending-out', 'It is me')
      assert.deepEqual(asked, {
        kind: 'done',
        before: 'none',
        after: 'pending-out',
        otherBefore: 'none',
        otherAfter: 'pending-in',
      })
      assert.deepEqual(await shown(alice), ['bob pending-out'])
      assert.deepEqual(await shown(bob), ['alice pending-in It is me'])
      await relate(bob, alice, 'accepted')
      assert.deepEqual(await shown(alice), ['bob accepted'])
      assert.deepEqual(await shown(bob), ['alice accepted'])
      await relate(alice, bob, 'none')

      assert.deepEqual(await shown(alice), [])
      assert.deepEqual(await shown(bob), [])
    })

    it('asks for a decision with the present relation, as the asking side sees it', async () => {
      const alice = await create('alice')
      const bob = await create('bob')
      const seen: Relation[] = []
      const look = (present: Relation): { relation: Relation } => {
        seen.push(present)
        return { relation: present }
      }

      await store.changeRelation(alice, bob, look)
      await relate(alice, bob, 'pending-out')
      await store.changeRelation(alice, bob, look)
      await store.changeRelation(bob, alice, look)

      assert.deepEqual(seen, ['none', 'pending-out', 'pending-in'])
    })

    it('shows a block to who made it alone, and lets the other ask into the void', async () => {
      const alice = await create('alice')
      const bob = await create('bob')
      await relate(alice, bob, 'accepted')

      const blocked = await relate(alice, bob, 'blocked')
      const asked = await relate(bob, alice, 'pending-out', 'please')

      assertSame(blocked, {
        kind: 'done',
        before: 'accepted',
        after: 'blocked',
        otherBefore: 'accepted',
        otherAfter: 'none',
      })
      assertSame(asked, {
        kind: 'done',
        before: 'none',
        after: 'pending-out',
        otherBefore: 'blocked',
        otherAfter: 'blocked',
      })
      assert.deepEqual(await shown(alice), ['bob blocked'])
      assert.deepEqual(await shown(bob), ['alice pending-out'])
      await relate(bob, alice, 'none')
      assert.deepEqual([await shown(alice), await shown(bob)], [['bob blocked'], []])
    })

    it('shows the request that waits when a block ends, and nothing where there is none', async () => {
      const alice = await create('alice')
      const bob = await create('bob')
      await relate(alice, bob, 'blocked')
      await relate(bob, alice, 'pending-out', 'please')

      const ended = await relate(alice, bob, 'none')

      assert.equal(ended.kind === 'done' && ended.after, 'pending-in')
      assert.deepEqual(await shown(alice), ['bob pending-in'])
      assert.deepEqual(await shown(bob), ['alice pending-out'])
      await relate(alice, bob, 'blocked')
      await relate(alice, bob, 'none')
      assert.deepEqual([await shown(alice), await shown(bob)], [[], []])
    })

    it('keeps the block of each when both have blocked the other', async () => {
      const alice = await create('alice')
      const bob = await create('bob')
      await relate(alice, bob, 'blocked')
      await relate(bob, alice, 'blocked')

      await relate(alice, bob, 'none')

      assert.deepEqual([await shown(alice), await shown(bob)], [[], ['alice blocked']])
    })

    it('forgets with a block the mail that waits between the two, and no other', async () => {
      const alice = await create('alice')
      const bob = await create('bob')
      const carol = await create('carol')
      await relate(alice, bob, 'accepted')
      const mail = async (owner: Account, from: Account): Promise<void> => {
        const seq = await store.mail.reserve(1)
        const messageId = new Uint8Array(16).fill(seq)
        const [device, body] = [new Uint8Array(32), new Uint8Array(10)]
        await store.mail.append({
          owner: owner.number,
          seq,
          from: from.number,
          device,
          messageId,
          body,
        })
      }
      for (const [owner, from] of [
        [alice, bob],
        [alice, carol],
        [alice, bob],
        [bob, alice],
        [bob, carol],
      ] as const) {
        await mail(owner, from)
      }

      await relate(alice, bob, 'blocked')

      for (const owner of [alice, bob]) {
        const left = await store.mail.read(owner.number, 0, MAIL_LIMITS.owner)
        assert.deepEqual(
          left.map(({ from }) => from),
          [carol.number],
        )
        assert.deepEqual(await store.mail.waiting(owner.number), { messages: 1, bytes: 10 })
      }
    })

    it('tells buddies’ devices, of the pair and in the list, and nobody else’s', async () => {
      const alice = await create('alice')
      const bob = await create('bob')
      const carol = await create('carol')
      const { keys } = testDevice('bob')
      await store.recordDevice(bob.number, keys)
      await store.recordDevice(carol.number, testDevice('carol').keys)

      await relate(alice, carol, 'pending-out')
      const agreed = await relate(alice, bob, 'accepted')

      assertSame(agreed, {
        kind: 'done',
        before: 'none',
        after: 'accepted',
        otherBefore: 'none',
        otherAfter: 'accepted',
        secondDevice: keys,
      })
      const devices = (await store.roster(alice.number)).map(({ device }) => device)
      assertSame(devices, [keys, undefined])
    })

    it('reports changes of a pair in the order in which they took effect', async () => {
      const alice = await create('alice')
      const bob = await create('bob')
      const told: string[] = []
      const change = async (relation: Relation): Promise<void> => {
        const outcome = await relate(alice, bob, relation)
        if (outcome.kind === 'done') told.push(`${outcome.before} → ${outcome.after}`)
      }

      await Promise.all([
        change('pending-out'),
        change('accepted'),
        change('none'),
        change('accepted'),
      ])

      assert.deepEqual(told, [
        'none → pending-out',
        'pending-out → accepted',
        'accepted → none',
        'none → accepted',
      ])
    })

    it('holds no list longer than its limit, on either side', async () => {
      const [alice, ...others] = await Promise.all(
        ['alice', 'bob', 'carol', 'dave', 'erin', 'frank'].map(create),
      )
      assert.ok(alice !== undefined)
      for (const other of others.slice(0, 4)) await relate(alice, other, 'accepted')
      const frank = others[4]
      assert.ok(frank !== undefined)

      assert.deepEqual(await relate(alice, frank, 'pending-out'), { kind: 'full', whose: 'first' })
      assert.deepEqual(await relate(frank, alice, 'pending-out'), { kind: 'full', whose: 'second' })
      assert.deepEqual(await shown(frank), [])
      const [bob] = others
      assert.ok(bob !== undefined)
      await relate(alice, bob, 'none')
      assert.equal((await relate(alice, frank, 'accepted')).kind, 'done')
    })

    it('lets only so many strangers wait in a list', async () => {
      const [alice, bob, carol, dave] = await Promise.all(
        ['alice', 'bob', 'carol', 'dave'].map(create),
      )
      assert.ok(alice && bob && carol && dave)

      await relate(bob, alice, 'pending-out')
      await relate(carol, alice, 'pending-out')
      assert.deepEqual(await relate(dave, alice, 'pending-out'), { kind: 'full', whose: 'second' })

      assert.equal((await relate(alice, dave, 'pending-out')).kind, 'done')
      assert.equal((await relate(alice, bob, 'accepted')).kind, 'done')
    })

    it('lists by number', async () => {
      const [alice, bob, carol] = await Promise.all(['alice', 'bob', 'carol'].map(create))
      assert.ok(alice && bob && carol)

      await relate(alice, carol, 'accepted')
      await relate(alice, bob, 'accepted')

      assert.deepEqual(
        (await store.roster(alice.number)).map(({ number }) => number),
        [bob.number, carol.number],
      )
      assert.deepEqual(await store.roster(99_999), [])
    })

    it('tells who knows a version of a list what has changed since, and nothing else', async () => {
      const [alice, bob, carol, dave] = await Promise.all(
        ['alice', 'bob', 'carol', 'dave'].map(create),
      )
      assert.ok(alice && bob && carol && dave)
      const empty = await versionOf(alice)
      await relate(alice, bob, 'accepted')
      await relate(alice, carol, 'pending-out')
      const two = await versionOf(alice)

      assert.deepEqual(await news(alice, two), [])
      await relate(dave, alice, 'pending-out')
      await relate(alice, bob, 'none')
      await relate(dave, alice, 'none')
      await relate(dave, alice, 'pending-out')

      assert.deepEqual(await news(alice, two), ['dave pending-in', `${bob.number} removed`])
      assert.deepEqual(await news(alice, empty), [
        'carol pending-out',
        'dave pending-in',
        `${bob.number} removed`,
      ])
      assert.deepEqual(await news(alice), ['whole', 'carol pending-out', 'dave pending-in'])
      const { states } = await store.rosterSince(alice.number, await versionOf(alice))
      assert.deepEqual(
        [...states],
        [
          [carol.number, { state: 'pending-out' }],
          [dave.number, { state: 'pending-in' }],
        ],
      )
    })

    it('names in each outcome the versions that the two lists have then', async () => {
      const alice = await create('alice')
      const bob = await create('bob')

      const outcome = await store.changeRelation(alice, bob, () => ({ relation: 'accepted' }))

      assert.ok(outcome.kind === 'done')
      assert.deepEqual(outcome.first, { version: await versionOf(alice) })
      assert.deepEqual(outcome.second, { version: await versionOf(bob) })
      await store.note(bob.number, alice.number, { group: 'Club' })
      const blocked = await store.changeRelation(alice, bob, () => ({ relation: 'pending-out' }))
      assert.ok(blocked.kind === 'done')
      assert.deepEqual([blocked.first?.own, blocked.second?.own], [undefined, { group: 'Club' }])
    })

    it('shows nobody by a version that they have been blocked', async () => {
      const alice = await create('alice')
      const bob = await create('bob')
      const before = await versionOf(bob)

      await relate(alice, bob, 'blocked')
      await relate(alice, bob, 'none')
      await relate(alice, bob, 'blocked')

      assert.equal(await versionOf(bob), before)
    })

    it('gives the whole list to whoever names a version that it never had, or has forgotten', async () => {
      const alice = await create('alice')
      const bob = await create('bob')
      await relate(alice, bob, 'accepted')
      const old = await versionOf(alice)
      const [count = ''] = old.split('-')

      for (const version of [`${count}-0123456789abcdef`, '99-0123456789abcdef', 'x', '-1-0', '']) {
        assert.deepEqual(await news(alice, version), ['whole', 'bob accepted'], version)
      }
      for (let n = 0; n <= 256; n++) {
        await store.note(alice.number, bob.number, { remark: String(n) })
      }

      assert.deepEqual(await news(alice, old), ['whole', 'bob accepted'])
    })

    it('counts a buddy’s new device as a change of every list that shows it', async () => {
      const alice = await create('alice')
      const bob = await create('bob')
      const carol = await create('carol')
      await relate(alice, bob, 'accepted')
      await relate(alice, carol, 'pending-out')
      const before = await versionOf(bob)
      const untouched = await versionOf(carol)

      await store.note(bob.number, alice.number, { isConcealed: true })

      const told = await store.recordDevice(alice.number, testDevice('alice').keys)

      const own = { isConcealed: true }
      assert.deepEqual([...told], [[bob.number, { version: await versionOf(bob), own }]])
      assert.deepEqual(await news(bob, before), ['alice accepted'])
      assert.equal(await versionOf(carol), untouched)
    })

    it('keeps what an owner writes to an entry, for the owner alone, as long as it is there', async () => {
      const alice = await create('alice')
      const bob = await create('bob')
      await relate(alice, bob, 'pending-out')

      await store.note(alice.number, bob.number, { group: 'Club', remark: 'plays chess' })
      const noted = await store.note(alice.number, bob.number, { isConcealed: true })
      await relate(bob, alice, 'accepted')

      const own = { group: 'Club', remark: 'plays chess', isConcealed: true }
      assert.deepEqual(noted?.record.own, own)
      assert.deepEqual((await store.roster(alice.number))[0]?.own, own)
      assert.deepEqual((await store.roster(bob.number))[0]?.own, undefined)
      const { states } = await store.rosterSince(alice.number)
      assert.deepEqual([...states.values()], [{ state: 'accepted', isConcealed: true }])
      await store.note(alice.number, bob.number, { group: '', isConcealed: false })
      assert.deepEqual((await store.roster(alice.number))[0]?.own, { remark: 'plays chess' })
      assert.equal(await store.note(alice.number, 99_999, { group: 'x' }), undefined)
      await relate(alice, bob, 'none')
      await relate(alice, bob, 'pending-out')
      assert.equal((await store.roster(alice.number))[0]?.own, undefined)
    })

    it('keeps a profile, and an empty one of whoever has said nothing', async () => {
      const profile = { name: 'Alice', text: 'in the club', isListed: true }

      await store.setProfile(10_001, profile)

      assert.deepEqual(await store.profile(10_001), profile)
      assert.deepEqual(await store.profile(10_002), { name: '', text: '', isListed: false })
    })

    it('keeps a secret as it was first made', async () => {
      const first = await store.secret('a', () => Uint8Array.of(1, 2, 3))
      const again = await store.secret('a', () => Uint8Array.of(9))
      const other = await store.secret('b', () => Uint8Array.of(4))

      assert.deepEqual([...first, ...again, ...other], [1, 2, 3, 1, 2, 3, 4])
    })
  })
}

describe('mirrored()', () => {
  it('is its own inverse', () => {
    for (const relation of ['none', 'accepted', 'pending-in', 'pending-out'] as const) {
      assert.equal(mirrored(mirrored(relation)), relation)
    }
    assert.equal(mirrored('pending-in'), 'pending-out')
  })
})
