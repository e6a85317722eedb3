import assert from 'node:assert/strict'
import type {
  PresenceEntry,
  ResumePass,
  RosterVersion,
  ServerMessage,
} from '../../src/protocol/server/messages.ts'
import { memoryStore } from '../support/memory-store.ts'
import type { TestClient } from './support/test-client.ts'
import { testDevice, verifierOf } from './support/test-device.ts'
import { TestServer } from './support/test-server.ts'

const ALICE = 10_001
const BOB = 10_002
const BOB_ONLINE: PresenceEntry = { number: BOB, state: 'online', text: '' }

function passOf(client: TestClient): ResumePass {
  const { pass } = client.find('resumed') ?? client.welcome
  assert.ok(pass !== undefined)
  return pass
}

/** The version of the list that a client has been told last. */
function versionOf(client: TestClient): RosterVersion | undefined {
  return client.heard
    .flatMap((message) => ('version' in message ? (message.version ?? []) : []))
    .at(-1)
}

function kindsOf(client: TestClient): readonly ServerMessage['kind'][] {
  return client.heard.map(({ kind }) => kind)
}

function codeOf(message: ServerMessage | undefined): string | undefined {
  return message?.kind === 'error' ? message.code : message?.kind
}

/** Alice and Bob, buddies and online; Alice's client has seen everything so far. */
async function buddies(): Promise<{
  readonly server: TestServer
  readonly alice: TestClient
  readonly bob: TestClient
}> {
  const server = await TestServer.start()
  await server.accounts('alice', 'bob')
  await server.befriend(ALICE, BOB)
  const bob = await server.online('bob')
  const alice = await server.online('alice')
  bob.forget()
  return { server, alice, bob }
}

describe('a session that is resumed', () => {
  it('goes on without list, presence or password, and nobody notices', async () => {
    const { server, alice, bob } = await buddies()
    const how = {
      device: testDevice('alice'),
      pass: passOf(alice),
      presence: [BOB_ONLINE],
      ...{ roster: versionOf(alice) ?? '' },
    }

    alice.end.hangUp()
    await server.time.pass(9_000)
    const again = server.connect()
    const resumed = await again.resume(how)
    await server.time.pass(40_000)

    assert.ok(resumed?.kind === 'resumed')
    assert.deepEqual([resumed.number, resumed.handle, resumed.epoch], [ALICE, 'alice', 2])
    assert.deepEqual(
      kindsOf(again).filter((kind) => kind !== 'ping'),
      ['resumed', 'keys-left'],
    )
    assert.deepEqual(
      kindsOf(bob).filter((kind) => kind !== 'ping'),
      [],
    )
  })

  it('is told what it has missed: entries that changed, and presence that is another now', async () => {
    const { server, alice, bob } = await buddies()
    const pass = passOf(alice)
    const roster = versionOf(alice) ?? ''
    await server.accounts('carol')

    alice.end.hangUp()
    const carol = await server.online('carol')
    await carol.askOk({ kind: 'buddy-request', to: 'alice', note: 'It is Carol' })
    await bob.askOk({ kind: 'set-presence', state: 'busy', text: 'deep work' })
    await server.time.pass(1_000)
    const again = server.connect()
    await again.resume({ device: testDevice('alice'), pass, roster, presence: [BOB_ONLINE] })

    assert.deepEqual(again.all('roster'), [])
    assert.deepEqual(
      again.all('buddy-changed').map(({ buddy, note }) => `${buddy.handle} ${buddy.state} ${note}`),
      ['carol pending-in It is Carol'],
    )
    assert.deepEqual(
      again.all('presence').map(({ isSnapshot, entries }) => [isSnapshot, entries]),
      [[true, [{ number: BOB, state: 'busy', text: 'deep work' }]]],
    )
    assert.ok(versionOf(again) !== roster)
  })

  it('takes the place of the connection that has not been missed yet', async () => {
    const { server, alice } = await buddies()

    const again = server.connect()
    await again.resume({ device: testDevice('alice'), pass: passOf(alice) })

    assert.ok(again.find('resumed') !== undefined)
    assert.equal(alice.last('goodbye').reason, 'replaced')
    assert.equal(server.switchboard.stats.online, 2)
  })

  it('keeps the presence that was chosen, also when buddies have been told that it was gone', async () => {
    const { server, alice, bob } = await buddies()
    await alice.askOk({ kind: 'set-presence', state: 'away', text: 'lunch' })
    await server.time.pass(2_000)
    bob.forget()

    alice.end.hangUp()
    await server.time.pass(30_000)
    await server.connect().resume({ device: testDevice('alice'), pass: passOf(alice) })

    assert.deepEqual(
      bob.all('presence').flatMap(({ entries }) => entries.map(({ state }) => state)),
      ['offline', 'away'],
    )
  })

  it('can be resumed for 60 s, and not longer', async () => {
    const { server, alice } = await buddies()
    const device = testDevice('alice')

    alice.end.hangUp()
    await server.time.pass(59_000)
    const second = server.connect()
    assert.equal(codeOf(await second.resume({ device, pass: passOf(alice) })), 'resumed')
    second.end.hangUp()
    await server.time.pass(60_000)

    const third = server.connect()
    assert.equal(codeOf(await third.resume({ device, pass: passOf(second) })), 'resume-refused')
    assert.equal((await third.login({ user: 'alice' }))?.kind, 'welcome')
  })
})

describe('a ticket is refused', () => {
  it('the second time, whether the session it began still stands or not', async () => {
    const { server, alice } = await buddies()
    const how = { device: testDevice('alice'), pass: passOf(alice) }
    const first = server.connect()

    assert.equal(codeOf(await first.resume(how)), 'resumed')
    for (let count = 0; count < 3; count++) {
      assert.equal(codeOf(await server.connect().resume(how)), 'resume-refused')
    }
    first.end.hangUp()

    assert.equal(codeOf(await server.connect().resume(how)), 'resume-refused')
    assert.ok(first.find('goodbye') === undefined)
  })

  it('once of a hundred who come at the same moment with the same one', async () => {
    const { server, alice } = await buddies()
    const how = { device: testDevice('alice'), pass: passOf(alice) }
    const clients = Array.from({ length: 100 }, () => server.connect())

    const answers = await Promise.all(clients.map((client) => client.resume(how)))

    assert.equal(answers.filter((answer) => answer?.kind === 'resumed').length, 1)
  })

  it('from another device, and with a signature made for another connection', async () => {
    const { server, alice } = await buddies()
    const pass = passOf(alice)
    const exporter = new Uint8Array(32).fill(7)

    for (const how of [
      { device: testDevice('mallory'), pass },
      { device: testDevice('bob'), pass },
      { device: testDevice('alice'), pass, exporter },
    ]) {
      assert.equal(codeOf(await server.connect().resume(how)), 'resume-refused')
    }

    assert.ok(alice.find('goodbye') === undefined)
    assert.equal(
      codeOf(await server.connect().resume({ device: testDevice('alice'), pass })),
      'resumed',
    )
  })

  it('with any bit of it changed, or of any other length', async () => {
    const { server, alice } = await buddies()
    const { ticket, key } = passOf(alice)
    const wrong = [ticket.subarray(1), Buffer.concat([ticket, Uint8Array.of(0)]), Uint8Array.of(1)]
    for (let byte = 0; byte < ticket.length; byte++) {
      const copy = Uint8Array.from(ticket)
      copy[byte] = (copy[byte] ?? 0) ^ (1 << (byte % 8))
      wrong.push(copy)
    }

    for (const each of wrong) {
      const how = { device: testDevice('alice'), pass: { ticket: each, key } }
      assert.equal(codeOf(await server.connect().resume(how)), 'resume-refused')
    }
  })

  it('after a logout, and after a later login', async () => {
    const { server, alice } = await buddies()
    const device = testDevice('alice')
    const first = passOf(alice)
    const second = await server.online('alice')

    assert.equal(codeOf(await server.connect().resume({ device, pass: first })), 'resume-refused')
    assert.ok(second.find('goodbye') === undefined)
    await second.askOk({ kind: 'logout' })
    const pass = passOf(second)
    assert.equal(codeOf(await server.connect().resume({ device, pass })), 'resume-refused')
    await server.online('alice')

    assert.equal(codeOf(await server.connect().resume({ device, pass })), 'resume-refused')
  })

  it('when the password is another one now', async () => {
    const { server, alice } = await buddies()
    const account = await server.store.account(ALICE)
    assert.ok(account !== undefined)

    alice.end.hangUp()
    await server.store.updateAccount({ ...account, verifier: verifierOf('another') })

    const how = { device: testDevice('alice'), pass: passOf(alice) }
    assert.equal(codeOf(await server.connect().resume(how)), 'resume-refused')
  })

  it('and leads to a login on the same connection, but not to another try', async () => {
    const { server, alice } = await buddies()
    const how = { device: testDevice('mallory'), pass: passOf(alice) }
    const client = server.connect()

    await client.resume(how)
    assert.equal((await client.login({ user: 'alice' }))?.kind, 'welcome')
    const other = server.connect()
    await other.resume(how)
    await other.resume(how)

    assert.equal(other.last('goodbye').reason, 'protocol-error')
  })
})

describe('a session that is suspended', () => {
  it('looks as before for 60 s, and then as if it had left', async () => {
    const { server, alice, bob } = await buddies()

    await alice.askOk({ kind: 'suspend' })
    assert.ok(alice.isClosed)
    await server.time.pass(30_000)
    await bob.say({ kind: 'ping', id: 1_000 })
    await server.time.pass(29_000)
    assert.deepEqual(bob.all('presence'), [])
    await server.time.pass(1_000)

    assert.deepEqual(
      bob.all('presence').flatMap(({ entries }) => entries),
      [{ number: ALICE, state: 'offline', text: '' }],
    )
    const how = { device: testDevice('alice'), pass: passOf(alice) }
    assert.equal(codeOf(await server.connect().resume(how)), 'resume-refused')
  })

  it('goes on when it comes back, by its ticket or by a login', async () => {
    for (const way of ['resume', 'login'] as const) {
      const { server, alice, bob } = await buddies()

      await alice.askOk({ kind: 'suspend' })
      await server.time.pass(50_000)
      await bob.say({ kind: 'ping', id: 1_000 })
      const again = server.connect()
      if (way === 'login') await again.login({ user: 'alice' })
      else await again.resume({ device: testDevice('alice'), pass: passOf(alice) })
      await server.time.pass(20_000)

      assert.ok((again.find('resumed') ?? again.find('welcome')) !== undefined)
      assert.deepEqual(bob.all('presence'), [], way)
    }
  })

  it('cannot be introduced meanwhile, and its mail waits', async () => {
    const { alice, bob } = await buddies()

    await alice.askOk({ kind: 'suspend' })
    const introduced = await bob.ask({
      kind: 'introduce',
      to: ALICE,
      session: new Uint8Array(16),
      isAnswer: false,
      probeKey: new Uint8Array(32),
      candidates: [],
    })

    assert.equal(codeOf(introduced), 'offline')
  })
})

describe('a server that was killed', () => {
  async function restart(server: TestServer, store: ReturnType<typeof memoryStore>) {
    return await TestServer.start({ store, time: server.time })
  }

  it('takes everybody back as they were, and tells nobody anything', async () => {
    const store = memoryStore()
    const before = await TestServer.start({ store })
    await before.accounts('alice', 'bob')
    await before.befriend(ALICE, BOB)
    const bob = await before.online('bob')
    const alice = await before.online('alice')
    await alice.askOk({ kind: 'set-presence', state: 'away', text: 'lunch' })

    const server = await restart(before, store)
    await server.time.pass(15_000)
    const bobAgain = server.connect()
    await bobAgain.resume({
      device: testDevice('bob'),
      pass: passOf(bob),
      roster: versionOf(bob) ?? '',
      presence: [{ number: ALICE, state: 'away', text: 'lunch' }],
    })
    await server.time.pass(5_000)
    const aliceAgain = server.connect()
    await aliceAgain.resume({
      device: testDevice('alice'),
      pass: passOf(alice),
      roster: versionOf(alice) ?? '',
      presence: [BOB_ONLINE],
    })
    await server.time.pass(50_000)

    for (const client of [bobAgain, aliceAgain]) {
      assert.deepEqual(
        kindsOf(client).filter((kind) => kind !== 'ping'),
        ['resumed', 'keys-left'],
      )
    }
  })

  it('tells after a minute who has not come back', async () => {
    const store = memoryStore()
    const before = await TestServer.start({ store })
    await before.accounts('alice', 'bob')
    await before.befriend(ALICE, BOB)
    const bob = await before.online('bob')
    await before.online('alice')

    const server = await restart(before, store)
    const again = server.connect()
    await again.resume({ device: testDevice('bob'), pass: passOf(bob) })
    again.forget()
    await server.time.pass(30_000)
    await again.say({ kind: 'ping', id: 1_000 })
    await server.time.pass(29_000)
    assert.deepEqual(again.all('presence'), [])
    await server.time.pass(1_000)

    assert.deepEqual(
      again.all('presence').flatMap(({ entries }) => entries),
      [{ number: ALICE, state: 'offline', text: '' }],
    )
  })

  it('still knows who has logged out, and who was invisible', async () => {
    const store = memoryStore()
    const before = await TestServer.start({ store })
    await before.accounts('alice', 'bob')
    await before.befriend(ALICE, BOB)
    const alice = await before.online('alice')
    const bob = await before.online('bob')
    await bob.askOk({ kind: 'set-presence', state: 'invisible', text: '' })
    await alice.askOk({ kind: 'logout' })

    const server = await restart(before, store)
    const device = testDevice('alice')
    assert.equal(
      codeOf(await server.connect().resume({ device, pass: passOf(alice) })),
      'resume-refused',
    )
    const seen = (await server.online('alice')).all('presence').flatMap(({ entries }) => entries)

    assert.deepEqual(seen, [])
  })
})

describe('a login', () => {
  it('names the version of the list it has, and is told what changed since alone', async () => {
    const { server, alice, bob } = await buddies()
    const roster = versionOf(alice) ?? ''

    const same = server.connect()
    await same.login({ user: 'alice', roster })
    await bob.askOk({ kind: 'buddy-remove', number: ALICE })
    const later = server.connect()
    await later.login({ user: 'alice', roster })
    const unknown = server.connect()
    await unknown.login({ user: 'alice', roster: '7-0123456789abcdef' })

    assert.deepEqual([same.all('roster'), same.all('buddy-changed')], [[], []])
    assert.deepEqual(later.all('roster'), [])
    assert.deepEqual(
      later.all('buddy-removed').map(({ number }) => number),
      [BOB],
    )
    assert.deepEqual(
      unknown.all('roster').map(({ isLast, buddies: list }) => [isLast, list]),
      [[true, []]],
    )
    assert.equal(versionOf(unknown), versionOf(later))
  })
})
