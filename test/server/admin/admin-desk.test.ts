import assert from 'node:assert/strict'
import { silentLogger } from '../../../src/core/logger.ts'
import { AdminDesk, type AdminDeskOptions } from '../../../src/server/admin/admin-desk.ts'
import { hashOfToken } from '../../../src/server/secret-token.ts'
import { SeededRandom } from '../../sim/seeded-random.ts'
import { TestServer } from '../support/test-server.ts'

const LINK = 'holler://server.example.org:7443'

type Handlers = AdminDesk['handlers']

function deskOf(server: TestServer, change: Partial<AdminDeskOptions> = {}): Handlers {
  const desk = new AdminDesk({
    store: server.store,
    switchboard: server.switchboard,
    outside: {
      clock: server.time,
      random: new SeededRandom(1),
      logger: silentLogger,
      makeAlarm: (onDue) => server.time.makeAlarm(onDue),
    },
    link: LINK,
    stats: () => ({
      version: '1.2.3',
      startedAt: new Date(0).toISOString(),
      relaySessions: 0,
      memoryBytes: 1,
      isDraining: false,
      isRegistrationOpen: true,
    }),
    drain: () => ({ sessions: 0, spreadMs: 0 }),
    ...change,
  })
  return desk.handlers
}

describe('AdminDesk', () => {
  it('lists accounts with their state', async () => {
    const server = await TestServer.start()
    await server.accounts('alice', 'bob', 'carol')
    await server.online('alice')
    const desk = deskOf(server)
    await desk['account.disable']({ name: 'carol' }, undefined)

    const first = await desk['account.list']({ after: 0, limit: 2 }, undefined)
    const rest = await desk['account.list']({ after: 10_002, limit: 2 }, undefined)

    const shown = [...first.accounts, ...rest.accounts].map(({ handle, isOnline, isDisabled }) => [
      handle,
      isOnline,
      isDisabled,
    ])
    assert.deepEqual(shown, [
      ['alice', true, false],
      ['bob', false, false],
      ['carol', false, true],
    ])
    assert.deepEqual([first.isLast, rest.isLast], [false, true])
  })

  it('shows one with its session, buddies and mail, by number or handle', async () => {
    const server = await TestServer.start()
    const [alice = 0, bob = 0] = await server.accounts('alice', 'bob')
    await server.befriend(alice, bob)
    await server.online('alice', { from: '192.0.2.10:50000' })
    const desk = deskOf(server)

    const byHandle = await desk['account.show']({ name: 'ALICE' }, undefined)
    const byNumber = await desk['account.show']({ name: String(alice) }, undefined)

    assert.deepEqual(byHandle, byNumber)
    assert.equal(byHandle.session?.remote, '192.0.2.10:50000')
    assert.equal(byHandle.session.client, 'test/1')
    assert.deepEqual([byHandle.devices, byHandle.buddies.accepted], [1, 1])
    assert.deepEqual(byHandle.mail, { messages: 0, bytes: 0 })
  })

  it('disables at once, for its owner alone to see, and enables again', async () => {
    const server = await TestServer.start()
    await server.accounts('alice')
    const session = await server.online('alice')
    const desk = deskOf(server)

    await desk['account.disable']({ name: 'alice' }, undefined)

    assert.deepEqual(session.last('goodbye'), {
      kind: 'goodbye',
      reason: 'disabled',
      retryAfterMs: 600_000,
    })
    assert.equal(session.isClosed, true)
    assert.equal(await server.store.sessions.standing(10_001), undefined)
    const refused = await server.connect().login({ user: 'alice' })
    assert.ok(refused?.kind === 'error' && refused.code === 'account-disabled')
    const again = await desk['account.disable']({ name: 'alice' }, undefined)
    const enabled = await desk['account.enable']({ name: 'alice' }, undefined)
    assert.deepEqual([again.isDisabled, enabled.isDisabled], [true, false])
    assert.equal((await server.connect().login({ user: 'alice' }))?.kind, 'welcome')
  })

  it('deletes: the session ends, and buddies lose it from their lists in the same moment', async () => {
    const server = await TestServer.start()
    const [alice = 0, bob = 0] = await server.accounts('alice', 'bob')
    await server.befriend(alice, bob)
    const hers = await server.online('alice')
    const his = await server.online('bob')
    his.forget()

    const told = await deskOf(server)['account.delete'](
      { name: 'alice', free_handle: false },
      undefined,
    )
    await server.time.pass(0)

    assert.deepEqual(told, { number: alice, handle: 'alice', buddies: 1 })
    assert.equal(hers.last('goodbye').reason, 'deleted')
    assert.equal(his.last('buddy-removed').number, alice)
    const gone = await server.connect().login({ user: 'alice' })
    assert.ok(gone?.kind === 'error' && gone.code === 'auth-failed')
  })

  it('makes invitations that are kept as hashes alone, lists and revokes them', async () => {
    const server = await TestServer.start()
    const desk = deskOf(server)

    const made = await desk['invite.create'](
      { uses: 2, expires_ms: 60_000, note: 'club' },
      undefined,
    )
    const open = await desk['invite.list']({}, undefined)
    const revoked = await desk['invite.revoke']({ id: made.id }, undefined)
    const byToken = await desk['invite.revoke']({ id: made.token.toLowerCase() }, undefined)

    assert.equal(made.link, LINK)
    assert.deepEqual(
      open.invites.map(({ id, state, uses, note }) => [id, state, uses, note]),
      [[made.id, 'open', 2, 'club']],
    )
    assert.deepEqual([revoked.state, byToken.state], ['revoked', 'revoked'])
    const [kept] = await server.store.admin.invites()
    assert.equal(kept?.hash, hashOfToken(made.token))
    assert.ok(!JSON.stringify(kept).includes(made.token.slice(0, 5)))
  })

  it('gives a code that replaces the password', async () => {
    const server = await TestServer.start()
    const [alice = 0] = await server.accounts('alice')

    const { code, link } = await deskOf(server)['account.reset'](
      { name: 'alice', expires_ms: 60_000 },
      undefined,
    )

    const account = await server.store.account(alice)
    assert.ok(account !== undefined)
    const hash = hashOfToken(code)
    const done = await server.store.admin.reset(
      alice,
      hash,
      server.time.wallNow(),
      account.verifier,
    )
    assert.equal(done?.number, alice)
    assert.equal(link, LINK)
  })

  it('says what there is not', async () => {
    const server = await TestServer.start()
    const desk = deskOf(server)

    for (const name of ['alice', '10001', 'not a name']) {
      await assert.rejects(async () => desk['account.show']({ name }, undefined), {
        code: 'ACCOUNT_UNKNOWN',
        message: `There is no account "${name}"`,
      })
    }
    await assert.rejects(async () => desk['invite.revoke']({ id: 'abc' }, undefined), {
      code: 'NOT_FOUND',
    })
  })

  it('counts', async () => {
    const server = await TestServer.start()
    await server.accounts('alice', 'bob')
    await server.online('alice')
    server.connect()

    const stats = await deskOf(server).stats({}, undefined)

    assert.ok(stats.role === 'server')
    assert.deepEqual([stats.accounts, stats.online, stats.strangers], [2, 1, 1])
  })
})
