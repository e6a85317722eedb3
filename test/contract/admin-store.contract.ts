import assert from 'node:assert/strict'
import type { PasswordVerifier } from '../../src/protocol/server/messages.ts'
import { normaliseHandle } from '../../src/server/handle.ts'
import type { Invite } from '../../src/server/store/admin-store.ts'
import { MAIL_LIMITS } from '../../src/server/store/mail-store.ts'
import type {
  Account,
  NewAccount,
  Relation,
  ServerStore,
} from '../../src/server/store/server-store.ts'
import { assertSame } from '../server/support/same-value.ts'
import { testDevice } from '../server/support/test-device.ts'
import type { OpenServerStore } from './server-store.contract.ts'

function verifier(fill: number): PasswordVerifier {
  return {
    salt: new Uint8Array(16).fill(fill),
    hashing: { memoryKiB: 19_456, passes: 2, lanes: 1 },
    storedKey: new Uint8Array(32).fill(fill),
    serverKey: new Uint8Array(32).fill(fill),
  }
}

function wish(text: string): NewAccount {
  const handle = normaliseHandle(text)
  assert.ok(handle !== undefined)
  return { handle, verifier: verifier(1), createdAtMs: 42 }
}

function invite(change: Partial<Invite> = {}): Invite {
  return { hash: 'aa', uses: 1, used: 0, note: '', createdAtMs: 0, ...change }
}

/** What every implementation of the `AdminStore` port does. `open` gives an empty store each time. */
export function adminStoreContract(name: string, open: OpenServerStore): void {
  describe(`${name} as an AdminStore`, () => {
    let store: ServerStore

    beforeEach(async () => {
      store = await open({ roster: 8, pendingIn: 4, mail: MAIL_LIMITS, invites: 3 })
    })

    afterEach(async () => {
      await store.close()
    })

    async function create(text: string): Promise<Account> {
      const account = await store.createAccount(wish(text))
      assert.ok(account !== undefined)
      return account
    }

    async function relate(a: Account, b: Account, relation: Relation): Promise<string> {
      return (await store.changeRelation(a, b, () => ({ relation }))).kind
    }

    async function shown({ number }: Account): Promise<readonly string[]> {
      return (await store.roster(number)).map(({ handle, state }) => `${handle} ${state}`)
    }

    it('lists accounts by number, page by page, and counts them', async () => {
      const all = [await create('alice'), await create('bob'), await create('carol')]

      const first = await store.admin.accounts(0, 2)
      const second = await store.admin.accounts(first.at(-1)?.number ?? 0, 2)

      assertSame([...first, ...second], all)
      assert.equal(await store.admin.countAccounts(), 3)
    })

    it('remembers that an account is disabled', async () => {
      const alice = await create('alice')

      await store.updateAccount({ ...alice, disabledAtMs: 7 })

      assert.equal((await store.account(alice.number))?.disabledAtMs, 7)
    })

    it('deletes an account with all that is its own, and takes it from the lists of others', async () => {
      const [alice, bob, carol] = [
        await create('alice'),
        await create('bob'),
        await create('carol'),
      ]
      const device = testDevice('alice').keys
      await store.recordDevice(alice.number, device)
      await relate(alice, bob, 'accepted')
      await relate(carol, alice, 'pending-out')
      await relate(bob, carol, 'accepted')
      await store.setProfile(alice.number, { name: 'Alice', text: '', isListed: true })
      const mail = { from: bob.number, device: device.identity, body: Uint8Array.of(1) }
      await store.mail.append({
        ...mail,
        owner: alice.number,
        seq: 1,
        messageId: new Uint8Array(16),
      })

      const deleted = await store.admin.deleteAccount(alice.number, { freesHandle: false })

      assertSame(deleted?.person, { number: alice.number, handle: alice.handle })
      assert.deepEqual([...(deleted?.lists.keys() ?? [])], [bob.number, carol.number])
      assert.equal(deleted?.lists.get(bob.number), (await store.rosterSince(bob.number)).version)
      assert.equal(await store.account(alice.number), undefined)
      assert.equal(await store.accountByHandle(alice.handle), undefined)
      assert.deepEqual(await shown(bob), ['carol accepted'])
      assert.deepEqual(await shown(carol), ['bob accepted'])
      assert.deepEqual(await shown(alice), [])
      assert.deepEqual(await store.devices(alice.number), [])
      assert.deepEqual(await store.keys.log(alice.number, 0, 10), [])
      assert.equal((await store.profile(alice.number)).name, '')
      assert.deepEqual(await store.mail.waiting(alice.number), { messages: 0, bytes: 0 })
      assert.equal(await store.admin.deleteAccount(alice.number, { freesHandle: true }), undefined)
    })

    it('never gives a number again, and a handle only where its administrator says so', async () => {
      const [alice, bob] = [await create('alice'), await create('bob')]

      await store.admin.deleteAccount(alice.number, { freesHandle: false })
      await store.admin.deleteAccount(bob.number, { freesHandle: true })

      assert.equal(await store.createAccount(wish('alice')), undefined)
      assert.equal((await create('bob')).number, bob.number + 1)
    })

    it('writes nothing about an account that has been deleted meanwhile', async () => {
      const [alice, bob] = [await create('alice'), await create('bob')]
      await store.admin.deleteAccount(alice.number, { freesHandle: false })

      assert.equal(await relate(bob, alice, 'pending-out'), 'gone')
      assert.equal(await relate(alice, bob, 'pending-out'), 'gone')
      await store.recordDevice(alice.number, testDevice('alice').keys)

      assert.deepEqual(await shown(bob), [])
      assert.deepEqual(await store.devices(alice.number), [])
    })

    it('lets in as many as an invitation has uses, also when all come at once', async () => {
      await store.admin.addInvite(invite({ uses: 2 }))
      const names = ['alice', 'bob', 'carol', 'dave']

      const outcomes = await Promise.all(
        names.map((text) => store.admin.createInvited(wish(text), 'aa', 0)),
      )

      assert.deepEqual(
        outcomes.map((outcome) => (outcome.kind === 'not-invited' ? outcome.why : outcome.kind)),
        ['made', 'made', 'used-up', 'used-up'],
      )
      assert.equal(await store.admin.countAccounts(), 2)
      assertSame(await store.admin.invites(), [invite({ uses: 2, used: 2 })])
    })

    it('does not use an invitation for a handle that is taken', async () => {
      await create('alice')
      await store.admin.addInvite(invite())

      const taken = await store.admin.createInvited(wish('alice'), 'aa', 0)
      const free = await store.admin.createInvited(wish('bob'), 'aa', 0)

      assert.deepEqual([taken.kind, free.kind], ['handle-taken', 'made'])
    })

    it('knows why an invitation lets nobody in', async () => {
      await store.admin.addInvite(invite({ hash: 'aa', expiresAtMs: 10 }))
      await store.admin.addInvite(invite({ hash: 'bb' }))
      const revoked = await store.admin.revokeInvite('bb', 5)

      const expired = await store.admin.createInvited(wish('alice'), 'aa', 10)
      const inTime = await store.admin.createInvited(wish('alice'), 'aa', 9)
      const refused = await store.admin.createInvited(wish('bob'), 'bb', 9)
      const unknown = await store.admin.createInvited(wish('bob'), 'cc', 9)

      assert.deepEqual(expired, { kind: 'not-invited', why: 'expired' })
      assert.equal(inTime.kind, 'made')
      assert.equal(revoked?.revokedAtMs, 5)
      assert.deepEqual(refused, { kind: 'not-invited', why: 'revoked' })
      assert.deepEqual(unknown, { kind: 'not-invited', why: 'unknown' })
      assert.equal(await store.admin.revokeInvite('cc', 5), undefined)
    })

    it('makes room for invitations by those that let nobody in', async () => {
      for (const hash of ['aa', 'bb', 'cc']) await store.admin.addInvite(invite({ hash }))

      const full = await store.admin.addInvite(invite({ hash: 'dd' }))
      await store.admin.revokeInvite('bb', 1)
      const fits = await store.admin.addInvite(invite({ hash: 'dd' }))

      assert.deepEqual([full, fits], [false, true])
      const hashes = (await store.admin.invites()).map(({ hash }) => hash)
      assert.deepEqual(hashes.sort(), ['aa', 'cc', 'dd'])
    })

    it('replaces a password once, with the latest code and in its time', async () => {
      const alice = await create('alice')
      const { number } = alice
      await store.admin.allowReset(number, 'aa', 100)
      await store.admin.allowReset(number, 'bb', 100)

      const earlier = await store.admin.reset(number, 'aa', 0, verifier(2))
      const late = await store.admin.reset(number, 'bb', 100, verifier(2))
      const done = await store.admin.reset(number, 'bb', 99, verifier(2))
      const again = await store.admin.reset(number, 'bb', 99, verifier(3))

      assert.deepEqual([earlier, late, again], [undefined, undefined, undefined])
      assertSame(done, { ...alice, verifier: verifier(2), revision: 2 })
      assertSame(await store.account(number), done)
      assert.equal(await store.admin.allowReset(99, 'aa', 100), false)
    })

    it('says whether it can be written', async () => {
      await store.admin.checkWritable()
      await store.admin.checkWritable()
    })
  })
}
