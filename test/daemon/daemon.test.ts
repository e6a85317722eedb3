import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { networkInterfaces, tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Store } from '../../src/core/store.ts'
import type { StoredMessage } from '../../src/daemon/history.ts'
import { MAX_TEXT_BYTES } from '../../src/protocol/peer/peer-message.ts'
import type { RunningServer } from '../../src/server/server.ts'
import type { PathReport } from '../../src/traversal/path-report.ts'
import { memoryStore } from '../support/memory-store.ts'
import { befriend, startLoopbackServer } from './support/loopback.ts'
import { PASSWORD, PATIENCE_MS, Somebody } from './support/somebody.ts'

function hasIpv6Loopback(): boolean {
  return networkInterfaces()['lo']?.some(({ address }) => address === '::1') === true
}

describe('Daemon', () => {
  let directory: string
  let server: RunningServer
  let everybody: Somebody[]

  function serve(port = 0): Promise<RunningServer> {
    return startLoopbackServer(directory, port)
  }

  async function somebody(store?: Store, udpAddress?: string): Promise<Somebody> {
    const person = new Somebody(store, undefined, udpAddress)
    everybody.push(person)
    await person.start()
    return person
  }

  async function registered(handle: string, udpAddress?: string): Promise<Somebody> {
    const person = await somebody(undefined, udpAddress)
    await person.daemon.register({ server: server.link, handle, password: PASSWORD })
    return person
  }

  async function friends(alicesUdpAddress?: string): Promise<[Somebody, Somebody]> {
    const [alice, bob] = [await registered('alice', alicesUdpAddress), await registered('bob')]
    await befriend(alice, bob)
    return [alice, bob]
  }

  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'holler-test-'))
    everybody = []
    server = await serve()
  })

  afterEach(async () => {
    await Promise.all(everybody.map((person) => person.stop()))
    await server.close()
    await rm(directory, { recursive: true, force: true })
  })

  it('registers, and is online then', async () => {
    const alice = await somebody()

    const person = await alice.daemon.register({
      server: server.link,
      handle: 'alice',
      password: PASSWORD,
    })

    assert.equal(person.handle, 'alice')
    assert.deepEqual(alice.daemon.account?.person, person)
    await alice.state('online')
    assert.deepEqual(
      alice.events.filter(({ type }) => type === 'session.state').map(({ data }) => data['state']),
      ['connecting', 'online'],
    )
  })

  it('refuses a handle that is taken, and stays logged out', async () => {
    await registered('alice')
    const other = await somebody()

    await assert.rejects(
      other.daemon.register({ server: server.link, handle: 'alice', password: PASSWORD }),
      { code: 'HANDLE_TAKEN' },
    )
    assert.equal(other.daemon.status.state, 'logged-out')
  })

  it('logs in by handle or number with the right password alone', async () => {
    const first = await registered('alice')
    const { number } = first.daemon.requireAccount().person
    await first.daemon.logout()
    const wish = { server: server.link, user: 'alice', password: PASSWORD }

    await assert.rejects(first.daemon.login({ ...wish, password: 'wrong' }), {
      code: 'AUTH_FAILED',
    })
    const byHandle = await first.daemon.login(wish)
    await first.daemon.logout()
    const byNumber = await first.daemon.login({ ...wish, user: String(number) })

    assert.deepEqual([byHandle.number, byNumber.number], [number, number])
  })

  it('refuses a second account while it has one', async () => {
    const alice = await registered('alice')

    await assert.rejects(
      alice.daemon.login({ server: server.link, user: 'bob', password: PASSWORD }),
      { code: 'ALREADY_LOGGED_IN' },
    )
  })

  it('logs in by itself after a restart, without the password', async () => {
    const alice = await registered('alice')
    await alice.stop()

    await alice.start()
    await alice.state('online')

    assert.equal(alice.daemon.requireAccount().person.handle, 'alice')
  })

  it('does not log in by itself after a logout', async () => {
    const alice = await registered('alice')
    await alice.daemon.logout()
    await alice.stop()

    await alice.start()

    assert.equal(alice.daemon.status.state, 'logged-out')
  })

  it('comes back when the server does', async () => {
    const alice = await registered('alice')
    const { port } = server.tcp
    await server.close()
    await alice.state('waiting')

    server = await serve(port)

    await alice.state('online')
  })

  it('does not fight back when another login takes its place, and can be logged in again', async () => {
    const alice = await registered('alice')
    const elsewhere = await somebody()
    await elsewhere.daemon.login({ server: server.link, user: 'alice', password: PASSWORD })

    await alice.state('replaced')
    await alice.daemon.login({ server: server.link, user: 'alice', password: PASSWORD })

    await alice.state('online')
    await elsewhere.state('replaced')
  })

  it('says so when the certificate is not the one of the link', async () => {
    const alice = await somebody()
    const link = server.link.replace(/.{8}$/, 'AAAAAAAA')

    await assert.rejects(alice.daemon.login({ server: link, user: 'alice', password: PASSWORD }), {
      code: 'CERTIFICATE_REJECTED',
    })
  })

  it('stops at once while a login is under way', async () => {
    const alice = new Somebody(memoryStore(), () => new Promise(() => undefined))
    await alice.start()
    const login = alice.daemon.login({ server: server.link, user: 'alice', password: PASSWORD })
    const outcome = assert.rejects(login, { code: 'SERVER_UNREACHABLE' })
    await alice.state('connecting')

    await alice.stop()

    await outcome
  })

  it('knows its buddies and their presence', async () => {
    const [alice, bob] = await friends()

    await bob.daemon.requireAccount().setPresence({ state: 'busy', text: 'writing' })

    const { presence, archive } = alice.daemon.requireAccount()
    const { number } = archive.roster.require('bob')
    await alice.until(() => (presence.get(number).state === 'busy' ? true : undefined), 'bob busy')
    assert.equal(presence.get(number).text, 'writing')
    await alice.event('buddy.changed')
  })

  it('tells what the request said', async () => {
    const [, bob] = await friends()

    const request = bob.events.find(({ type }) => type === 'buddy.request')

    assert.equal(request?.data['note'], 'it is me')
  })

  it('keeps its presence across logins', async () => {
    const [alice, bob] = await friends()
    await bob.daemon.requireAccount().setPresence({ state: 'away', text: 'lunch' })
    await bob.stop()

    await bob.start()
    await bob.state('online')

    const { presence, archive } = alice.daemon.requireAccount()
    const { number } = archive.roster.require('bob')
    const isAway = (): true | undefined =>
      presence.get(number).text === 'lunch' ? true : undefined
    await alice.until(isAway, 'bob at lunch again')
  })

  it('knows its buddies without the server, and queues for them', async () => {
    const [alice] = await friends()
    await alice.stop()
    await server.close()

    await alice.start()
    const { archive, sessions } = alice.daemon.requireAccount()
    await sessions.conversations.send({ to: archive.roster.require('bob'), text: 'for later' })

    assert.equal(archive.outbox.size, 1)
    server = await serve()
  })

  it('gives up what waits for a buddy who is removed, on both sides', async () => {
    const [alice, bob] = await friends()
    await bob.stop()
    const alices = alice.daemon.requireAccount()
    const to = alices.archive.roster.require('bob')
    const { id } = await alices.sessions.conversations.send({ to, text: 'never' })

    await alices.removeBuddy(to)
    await bob.start()
    await bob.event('buddy.removed')

    assert.equal((await alices.archive.history.get(id))?.state, 'failed')
    assert.equal(alices.archive.roster.find('bob'), undefined)
    assert.equal(alices.archive.outbox.size, 0)
    assert.equal(bob.daemon.requireAccount().archive.roster.find('alice'), undefined)
  })

  describe('with a buddy', () => {
    async function say(from: Somebody, to: string, text: string): Promise<StoredMessage> {
      const { archive, sessions } = from.daemon.requireAccount()
      return await sessions.conversations.send({ to: archive.roster.require(to), text })
    }

    async function delivered(from: Somebody, { id }: StoredMessage): Promise<void> {
      await from.event(
        'message.state',
        ({ data }) => data['id'] === id && data['state'] === 'delivered',
      )
    }

    function heard(by: Somebody): unknown[] {
      return by.events
        .filter(({ type }) => type === 'message.received')
        .map(({ data }) => data['text'])
    }

    async function reached(one: Somebody, other: string): Promise<PathReport> {
      const { archive, sessions } = one.daemon.requireAccount()
      const { number } = archive.roster.require(other)
      return await sessions.reach(number, 'direct', AbortSignal.timeout(PATIENCE_MS))
    }

    function relayOf(one: Somebody, other: string): string | undefined {
      const { archive, sessions } = one.daemon.requireAccount()
      return sessions.report(archive.roster.require(other).number)?.relay
    }

    it('meets as soon as both are online, and talks both ways', async () => {
      const [alice, bob] = await friends()
      await Promise.all([reached(alice, 'bob'), reached(bob, 'alice')])

      await delivered(alice, await say(alice, 'bob', 'ping'))
      await delivered(bob, await say(bob, 'alice', 'pong'))

      assert.deepEqual([heard(bob), heard(alice)], [['ping'], ['pong']])
    })

    it('asks for a sign of life by the path that stands, also after everything was done anew', async () => {
      const [alice, bob] = await friends()
      await reached(alice, 'bob')
      const { archive, sessions } = alice.daemon.requireAccount()
      const { number } = archive.roster.require('bob')
      const soon = (): AbortSignal => AbortSignal.timeout(PATIENCE_MS)

      const rttMs = await sessions.ping(number, soon())
      alice.daemon.network.rebind()
      await reached(alice, 'bob')
      const againMs = await sessions.ping(number, soon())

      assert.ok(rttMs > 0 && rttMs < PATIENCE_MS && againMs > 0)
      await delivered(alice, await say(alice, 'bob', 'after the rebind'))
      assert.deepEqual(heard(bob), ['after the rebind'])
    })

    it('delivers in order what was written before they met', async () => {
      const [alice, bob] = await friends()
      const texts = Array.from({ length: 40 }, (_, index) => `text ${index}`)

      const sent = await Promise.all(texts.map((text) => say(alice, 'bob', text)))
      await Promise.all(sent.map((message) => delivered(alice, message)))

      assert.deepEqual(heard(bob), texts)
    })

    it('carries the longest text', async () => {
      const [alice, bob] = await friends()
      const text = 'ü\u0000'.repeat(MAX_TEXT_BYTES / 3)

      await delivered(alice, await say(alice, 'bob', text))

      assert.deepEqual(heard(bob), [text])
    })

    it('delivers once what was sent while the buddy was away', async () => {
      const [alice, bob] = await friends()
      await reached(alice, 'bob')
      await bob.stop()
      const sent = await say(alice, 'bob', 'while you were out')

      await bob.start()
      await delivered(alice, sent)

      assert.deepEqual(heard(bob), ['while you were out'])
    })

    it('goes through the relay inside TLS where its UDP reaches nobody', async function () {
      if (!hasIpv6Loopback()) this.skip()
      const [alice, bob] = await friends('::1') // the server and Bob are at 127.0.0.1

      await delivered(alice, await say(alice, 'bob', 'by TLS'))
      await delivered(bob, await say(bob, 'alice', 'by UDP'))

      assert.deepEqual([heard(bob), heard(alice)], [['by TLS'], ['by UDP']])
      assert.deepEqual([relayOf(alice, 'bob'), relayOf(bob, 'alice')], ['tls', 'udp'])
    })

    it('begins a new session under a new path policy', async () => {
      const [alice, bob] = await friends()
      await reached(alice, 'bob')
      const account = alice.daemon.requireAccount()
      const buddy = account.archive.roster.require('bob')

      await account.setPolicy(buddy, 'relay')
      await alice.event('path.changed', ({ data }) => data['to'] === 'relay')
      await delivered(alice, await say(alice, 'bob', 'through the relay'))
      await account.setPolicy({ ...buddy, pathPolicy: 'relay' }, 'auto')
      await reached(alice, 'bob')

      assert.deepEqual(heard(bob), ['through the relay'])
    })

    it('is nobody to who is blocked, until the block ends', async () => {
      const [alice, bob] = await friends()
      await delivered(alice, await say(alice, 'bob', 'before'))
      const account = alice.daemon.requireAccount()

      await account.block('bob')
      await alice.event('buddy.changed', ({ data }) => data['state'] === 'blocked')
      await bob.event('buddy.removed')
      await assert.rejects(say(alice, 'bob', 'after'), { code: 'BUDDY_UNKNOWN' })
      await bob.daemon.requireAccount().requestBuddy('alice', 'why?')
      await account.unblock(account.archive.roster.require('bob'))

      await alice.event('buddy.request')
      assert.deepEqual(
        account.archive.roster.all().map(({ handle, state }) => [handle, state]),
        [['bob', 'pending-in']],
      )
    })

    it('pins who it met, and refuses to write to somebody else in their place', async () => {
      const [alice, bob] = await friends()
      await delivered(alice, await say(alice, 'bob', 'to the real bob'))
      await bob.stop()
      const other = await somebody()
      await other.daemon.login({ server: server.link, user: 'bob', password: PASSWORD })

      await alice.event('identity.changed')

      await assert.rejects(say(alice, 'bob', 'to whom?'), { code: 'IDENTITY_CHANGED' })
      await say(other, 'alice', 'it is me')
      await alice.event('message.received', ({ data }) => data['isIdentityChanged'] === true)
    })

    it('writes to the other one, what waited too, once the user has accepted it', async () => {
      const [alice, bob] = await friends()
      await delivered(alice, await say(alice, 'bob', 'to the real bob'))
      await bob.stop()
      const waiting = await say(alice, 'bob', 'whoever you are')
      const other = await somebody()
      await other.daemon.login({ server: server.link, user: 'bob', password: PASSWORD })
      await alice.event('identity.changed')

      const account = alice.daemon.requireAccount()
      await account.acceptIdentity(account.archive.roster.require('bob'))

      await delivered(alice, waiting)
      await delivered(alice, await say(alice, 'bob', 'and more'))
      assert.deepEqual(heard(other), ['whoever you are', 'and more'])
      await assert.rejects(account.acceptIdentity(account.archive.roster.require('bob')), {
        code: 'IDENTITY_UNCHANGED',
      })
    })
  })

  it('keeps nothing of a request that was rejected', async () => {
    const [alice, bob] = [await registered('alice'), await registered('bob')]
    await alice.daemon.requireAccount().requestBuddy('bob', '')
    await bob.event('buddy.request')
    const bobs = bob.daemon.requireAccount()

    await bobs.answerBuddy(bobs.archive.roster.require('alice'), 'buddy-reject')

    assert.deepEqual(bobs.archive.roster.all(), [])
    await alice.event('buddy.removed')
  })
})
