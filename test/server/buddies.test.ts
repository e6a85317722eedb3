import assert from 'node:assert/strict'
import type { BuddyAnswer, BuddyState, RosterEntry } from '../../src/protocol/server/messages.ts'
import type { TestClient } from './support/test-client.ts'
import { testDevice } from './support/test-device.ts'
import { TestServer } from './support/test-server.ts'

const ALICE = 10001
const BOB = 10002

interface Pair {
  readonly server: TestServer
  readonly alice: TestClient
  readonly bob: TestClient
}

async function pair(): Promise<Pair> {
  const server = await TestServer.start()
  await server.accounts('alice', 'bob')
  const alice = await server.online('alice')
  const bob = await server.online('bob')
  alice.forget()
  bob.forget()
  return { server, alice, bob }
}

async function buddies(): Promise<Pair> {
  const server = await TestServer.start()
  await server.accounts('alice', 'bob')
  await server.befriend(ALICE, BOB)
  const alice = await server.online('alice')
  const bob = await server.online('bob')
  alice.forget()
  bob.forget()
  return { server, alice, bob }
}

function rosterOf(client: TestClient): readonly (readonly [number, BuddyState])[] {
  return client
    .all('roster')
    .flatMap(({ buddies }) => buddies)
    .map(({ number, state }: RosterEntry) => [number, state] as const)
}

function presences(client: TestClient): string[] {
  return client
    .all('presence')
    .flatMap(({ entries }) =>
      entries.map(({ number, state, text }) => `${number} ${state} ${text}`.trim()),
    )
}

/** What is said of an entry, beside the version that the list has come to. */
function withoutVersion<T extends { readonly version?: string }>({ version, ...rest }: T) {
  assert.match(version ?? '', /^\d+-[0-9a-f]{16}$/)
  return rest
}

describe('the buddy list', () => {
  it('comes at login: welcome, list, one snapshot of who is online', async () => {
    const server = await TestServer.start()
    await server.accounts('alice', 'bob', 'carol')
    await server.befriend(10001, 10002)
    await server.befriend(10001, 10003)
    await server.online('bob')

    const alice = await server.online('alice')

    const kinds = alice.heard.map(({ kind }) => kind)
    assert.deepEqual(kinds, ['challenge', 'welcome', 'roster', 'presence', 'keys-left', 'ping'])
    assert.deepEqual(rosterOf(alice), [
      [10002, 'accepted'],
      [10003, 'accepted'],
    ])
    assert.equal(alice.last('presence').isSnapshot, true)
    assert.deepEqual(presences(alice), ['10002 online'])
    assert.deepEqual(alice.last('roster').buddies[0]?.device, testDevice('bob').keys)
    assert.equal(alice.last('roster').buddies[1]?.device, undefined)
  })

  it('grows by a request and its acceptance, and only then shows keys and presence', async () => {
    const { alice, bob } = await pair()

    await alice.askOk({ kind: 'buddy-request', to: 'bob', note: 'It is me' })
    assert.deepEqual(withoutVersion(bob.last('buddy-changed')), {
      kind: 'buddy-changed',
      buddy: { number: ALICE, handle: 'alice', state: 'pending-in' },
      note: 'It is me',
    })
    assert.deepEqual(withoutVersion(alice.last('buddy-changed')), {
      kind: 'buddy-changed',
      buddy: { number: BOB, handle: 'bob', state: 'pending-out' },
      note: '',
    })
    assert.deepEqual([...presences(alice), ...presences(bob)], [])
    await bob.askOk({ kind: 'buddy-accept', number: ALICE })

    assert.deepEqual(alice.last('buddy-changed').buddy, {
      number: BOB,
      handle: 'bob',
      state: 'accepted',
      device: testDevice('bob').keys,
    })
    assert.deepEqual(bob.last('buddy-changed').buddy.device, testDevice('alice').keys)
    assert.deepEqual(presences(alice), ['10002 online'])
    assert.deepEqual(presences(bob), ['10001 online'])
  })

  it('takes two requests that cross as an agreement', async () => {
    const { alice, bob } = await pair()

    await alice.askOk({ kind: 'buddy-request', to: 'bob', note: '' })
    await bob.askOk({ kind: 'buddy-request', to: '10001', note: '' })

    assert.equal(alice.last('buddy-changed').buddy.state, 'accepted')
    assert.equal(bob.last('buddy-changed').buddy.state, 'accepted')
  })

  it('tells who was away of the request, with its note, at every login until it is answered', async () => {
    const server = await TestServer.start()
    await server.accounts('alice', 'bob')
    const alice = await server.online('alice')
    await alice.askOk({ kind: 'buddy-request', to: 'bob', note: 'It is me' })

    const bob = await server.online('bob')

    assert.deepEqual(rosterOf(bob), [[ALICE, 'pending-in']])
    assert.equal(bob.last('buddy-changed').note, 'It is me')
    await bob.askOk({ kind: 'buddy-accept', number: ALICE })
    assert.equal((await server.online('bob')).all('buddy-changed').length, 0)
  })

  it('forgets a request that is rejected or taken back, on both sides', async () => {
    const { server, alice, bob } = await pair()

    await alice.askOk({ kind: 'buddy-request', to: 'bob', note: '' })
    await bob.askOk({ kind: 'buddy-reject', number: ALICE })
    assert.deepEqual(withoutVersion(alice.last('buddy-removed')), {
      kind: 'buddy-removed',
      number: BOB,
    })
    await bob.askOk({ kind: 'buddy-request', to: 'alice', note: '' })
    await bob.askOk({ kind: 'buddy-remove', number: ALICE })

    assert.deepEqual(rosterOf(await server.online('alice')), [])
    assert.deepEqual(rosterOf(await server.online('bob')), [])
  })

  it('does not mind hearing an answer twice, but refuses one to nothing', async () => {
    const { alice, bob } = await pair()
    const codeOf = async (client: TestClient, kind: BuddyAnswer['kind'], number: number) => {
      const answer = await client.ask({ kind, number })
      return answer.kind === 'error' ? answer.code : 'ok'
    }

    assert.equal(await codeOf(bob, 'buddy-accept', ALICE), 'not-found')
    assert.equal(await codeOf(bob, 'buddy-remove', ALICE), 'not-buddies')
    assert.equal(await codeOf(bob, 'buddy-remove', 99999), 'not-buddies')
    await alice.askOk({ kind: 'buddy-request', to: 'bob', note: '' })
    assert.equal(await codeOf(alice, 'buddy-accept', BOB), 'not-found')
    assert.equal(await codeOf(bob, 'buddy-accept', ALICE), 'ok')
    assert.equal(await codeOf(bob, 'buddy-accept', ALICE), 'ok')
    assert.equal(await codeOf(bob, 'buddy-reject', ALICE), 'not-found')
    assert.equal(
      bob.all('buddy-changed').filter(({ buddy }) => buddy.state === 'accepted').length,
      1,
    )
  })

  it('refuses requests to oneself, to nobody, and to buddies', async () => {
    const { alice } = await buddies()
    const codeOf = async (to: string) => {
      const answer = await alice.ask({ kind: 'buddy-request', to, note: '' })
      return answer.kind === 'error' ? answer.code : 'ok'
    }

    assert.deepEqual(await Promise.all([codeOf('bob')]), ['already-buddies'])
    assert.equal(await codeOf('alice'), 'not-found')
    assert.equal(await codeOf('nobody'), 'not-found')
    assert.equal(await codeOf('0'), 'not-found')
    assert.equal(await codeOf('bo*'), 'not-found')
  })

  it('lets nobody search faster than 30 names at once and one every 10 s', async () => {
    const { server, alice } = await pair()
    const codes: string[] = []

    for (let count = 0; count < 31; count++) {
      const answer = await alice.ask({ kind: 'buddy-request', to: `${20000 + count}`, note: '' })
      if (answer.kind === 'error') codes.push(answer.code)
    }
    alice.end.hangUp()
    const again = await server.online('alice')
    const answer = await again.ask({ kind: 'buddy-request', to: 'bob', note: '' })

    assert.equal(codes.indexOf('rate-limited'), 30)
    assert.equal(answer.kind === 'error' && answer.code, 'rate-limited')
  })

  it('shows a removal to both at once, and no presence after it', async () => {
    const { server, alice, bob } = await buddies()

    await alice.askOk({ kind: 'buddy-remove', number: BOB })
    assert.deepEqual(withoutVersion(bob.last('buddy-removed')), {
      kind: 'buddy-removed',
      number: ALICE,
    })
    bob.forget()
    await alice.askOk({ kind: 'set-presence', state: 'busy', text: 'secret' })
    await server.time.pass(5_000)
    alice.end.hangUp()
    await server.time.pass(20_000)

    assert.deepEqual(presences(bob), [])
    assert.deepEqual(rosterOf(await server.online('bob')), [])
  })

  it('tells buddies of another device before anything else of it', async () => {
    const { server, alice } = await buddies()
    const device = testDevice('a new laptop')

    const bob = server.connect()
    await bob.login({ user: 'bob', device })

    assert.deepEqual(alice.last('buddy-changed').buddy.device, device.keys)
    alice.end.hangUp()
    assert.deepEqual((await server.online('alice')).last('roster').buddies[0]?.device, device.keys)
  })

  it('tells nobody of another device that logs in invisibly, until it shows itself', async () => {
    const { server, alice, bob } = await buddies()
    const device = testDevice('a new laptop')
    const rosterDevice = async (): Promise<unknown> => {
      return (await server.online('alice')).last('roster').buddies[0]?.device
    }
    await bob.askOk({ kind: 'set-presence', state: 'invisible', text: '' })
    await bob.say({ kind: 'logout', id: 99 })
    await server.time.pass(20_000)
    alice.forget()

    const hidden = server.connect()
    await hidden.login({ user: 'bob', device })
    await server.time.pass(20_000)
    assert.deepEqual(
      alice.heard.filter(({ kind }) => kind !== 'ping'),
      [],
    )
    assert.deepEqual(await rosterDevice(), testDevice('bob').keys)
    const watching = await server.online('alice')
    await hidden.askOk({ kind: 'set-presence', state: 'away', text: '' })

    assert.deepEqual(
      watching.heard.slice(-2).map(({ kind }) => kind),
      ['buddy-changed', 'presence'],
    )
    assert.deepEqual(watching.last('buddy-changed').buddy.device, device.keys)
    assert.deepEqual(await rosterDevice(), device.keys)
  })

  it('comes in pages that a slow reader gets one by one', async () => {
    const server = await TestServer.start()
    const names = Array.from({ length: 240 }, (_, n) => `buddy${n}`)
    const [alice = 0, ...others] = await server.accounts('alice', ...names)
    for (const other of others) {
      await server.store.recordDevice(other, testDevice('same for all').keys)
      await server.befriend(alice, other)
    }
    const client = server.connect()
    const receive = client.end.onBytes
    client.end.onBytes = (bytes) => {
      receive(bytes)
      if (client.find('welcome') !== undefined) client.end.stopReading()
    }
    let mostWaiting = 0

    await client.login({ user: 'alice' })
    for (let turn = 0; turn < 20 && client.find('presence') === undefined; turn++) {
      mostWaiting = Math.max(mostWaiting, client.end.waitingBytes)
      client.end.readOn()
      await server.time.pass(10)
    }

    assert.equal(rosterOf(client).length, 240)
    assert.ok(client.last('roster').isLast)
    assert.ok(mostWaiting > 64 * 1024 && mostWaiting < 100 * 1024, String(mostWaiting))
  }).timeout(10_000)

  it('does not lose a change that comes while the list is on its way', async () => {
    const server = await TestServer.start()
    const [alice = 0, bob = 0, carol = 0] = await server.accounts('alice', 'bob', 'carol')
    await server.befriend(alice, bob)
    await server.befriend(alice, carol)
    const leaver = await server.online('bob')
    const asker = await server.online('carol')
    const read = server.store.rosterSince.bind(server.store)
    let letGo = (): void => undefined
    const held = new Promise<void>((resolve) => (letGo = resolve))
    server.store.rosterSince = async (number, version) => {
      const roster = await read(number, version)
      await held
      return roster
    }

    const client = server.connect()
    await client.login({ user: 'alice' })
    assert.equal(client.find('roster'), undefined)
    await leaver.askOk({ kind: 'buddy-remove', number: alice })
    await asker.askOk({ kind: 'set-presence', state: 'busy', text: '' })
    await server.time.pass(2_000)
    letGo()
    await server.time.pass(0)

    assert.deepEqual(rosterOf(client), [
      [bob, 'accepted'],
      [carol, 'accepted'],
    ])
    assert.deepEqual(withoutVersion(client.last('buddy-removed')), {
      kind: 'buddy-removed',
      number: bob,
    })
    assert.deepEqual(presences(client), [`${carol} busy`])
    await server.time.pass(20_000)
    assert.equal(presences(client).length, 1)
  })
})

describe('presence between sessions', () => {
  it('reaches buddies as it changes, and nobody else', async () => {
    const { server, alice, bob } = await buddies()
    await server.accounts('stranger')
    const stranger = await server.online('stranger')
    stranger.forget()

    await server.time.pass(2_000)
    await alice.askOk({ kind: 'set-presence', state: 'away', text: 'at lunch' })
    await server.time.pass(2_000)
    await alice.say({ kind: 'logout', id: 99 })

    assert.deepEqual(presences(bob), ['10001 away at lunch', '10001 offline'])
    assert.deepEqual(stranger.heard, [])
  })

  it('shows a lost connection after 10 s, and one that is back in time not at all', async () => {
    const { server, alice, bob } = await buddies()

    alice.end.hangUp()
    await server.time.pass(9_000)
    const back = await server.online('alice')
    await server.time.pass(20_000)
    assert.deepEqual(presences(bob), [])
    back.end.hangUp()
    await server.time.pass(9_999)
    assert.deepEqual(presences(bob), [])
    await server.time.pass(1)

    assert.deepEqual(presences(bob), ['10001 offline'])
  })

  it('keeps an invisible login invisible, also the next time and after a restart', async () => {
    const { server, alice, bob } = await buddies()
    await alice.askOk({ kind: 'set-presence', state: 'invisible', text: '' })
    await server.time.pass(2_000)
    await alice.say({ kind: 'logout', id: 99 })
    bob.forget()

    const back = await server.online('alice')
    await server.time.pass(20_000)

    assert.deepEqual(presences(bob), [])
    assert.deepEqual(presences(back), ['10002 online'])
    await back.askOk({ kind: 'set-presence', state: 'online', text: '' })
    assert.deepEqual(presences(bob), ['10001 online'])
  })
})

describe('a block', () => {
  const introduce = {
    kind: 'introduce',
    session: new Uint8Array(16),
    isAnswer: false,
    probeKey: new Uint8Array(32),
    candidates: [],
    to: ALICE,
  } as const

  /** All that Bob hears when Alice parts from him so, whatever he tries. */
  async function heardBy(how: 'buddy-remove' | 'buddy-block', isThere: boolean): Promise<string> {
    const { server, alice, bob } = await buddies()
    await alice.askOk({ kind: how, number: BOB })
    if (!isThere) alice.end.hangUp()
    const tried = async (client: TestClient): Promise<void> => {
      await client.ask(introduce)
      await client.ask({ ...introduce, isAnswer: true })
      await client.ask({ kind: 'take-keys', of: ALICE, count: 1 })
      await client.ask({ kind: 'key-log', of: ALICE, after: 0 })
      const messageId = new Uint8Array(16)
      await client.ask({ kind: 'send', to: ALICE, messageId, body: new Uint8Array(8) })
      await client.ask({ kind: 'withdraw', to: ALICE, messageIds: [messageId] })
      await client.ask({ kind: 'buddy-accept', number: ALICE })
    }
    await tried(bob)
    await bob.ask({ kind: 'buddy-request', to: 'alice', note: 'why?' })
    await bob.ask({ kind: 'buddy-request', to: 'alice', note: 'why?' })
    await tried(bob)
    if (isThere) await alice.askOk({ kind: 'set-presence', state: 'busy', text: 'secret' })
    await server.time.pass(5_000)
    const again = await server.online('bob')
    await tried(again)
    await again.ask({ kind: 'buddy-remove', number: ALICE })
    await again.ask({ kind: 'buddy-remove', number: ALICE })
    const heard = again.heard.filter(({ kind }) => kind !== 'challenge' && kind !== 'welcome')
    return JSON.stringify([...bob.heard, ...heard])
  }

  it('looks to the blocked one like a removal, whether the other is there or not', async () => {
    const removed = await heardBy('buddy-remove', true)

    assert.equal(await heardBy('buddy-block', true), removed)
    assert.equal(await heardBy('buddy-block', false), removed)
    assert.ok(!removed.includes('secret'))
  })

  it('is on the list of who made it, at every login, and nothing of the blocked one gets there', async () => {
    const { server, alice, bob } = await buddies()

    await alice.askOk({ kind: 'buddy-block', number: BOB })
    await alice.askOk({ kind: 'buddy-block', number: BOB })
    const told = alice.last('buddy-changed').buddy
    alice.forget()
    await bob.askOk({ kind: 'buddy-request', to: 'alice', note: 'why?' })
    await bob.askOk({ kind: 'set-presence', state: 'busy', text: 'here' })
    await server.time.pass(5_000)

    assert.deepEqual(told, { number: BOB, handle: 'bob', state: 'blocked' })
    assert.deepEqual(
      alice.heard.filter(({ kind }) => kind !== 'ping'),
      [],
    )
    const again = await server.online('alice')
    assert.deepEqual(rosterOf(again), [[BOB, 'blocked']])
    assert.deepEqual([...presences(again), ...again.all('buddy-changed')], [])
  })

  it('ends an introduction that waits for its answer', async () => {
    const { alice, bob } = await buddies()
    await bob.askOk(introduce)
    await alice.askOk({ kind: 'buddy-block', number: BOB })
    bob.forget()

    const answer = await alice.ask({ ...introduce, to: BOB, isAnswer: true })

    assert.equal(answer.kind === 'error' && answer.code, 'not-buddies')
    assert.deepEqual(bob.all('introduced'), [])
  })

  it('ends by unblocking: a request made meanwhile appears, and is accepted as any other', async () => {
    const { alice, bob } = await buddies()
    await alice.askOk({ kind: 'buddy-block', number: BOB })
    const asked = await alice.ask({ kind: 'buddy-request', to: 'bob', note: '' })
    await bob.askOk({ kind: 'buddy-request', to: 'alice', note: 'why?' })

    await alice.askOk({ kind: 'buddy-unblock', number: BOB })
    const twice = await alice.ask({ kind: 'buddy-unblock', number: BOB })

    assert.equal(asked.kind === 'error' && asked.code, 'not-buddies')
    assert.equal(twice.kind === 'error' && twice.code, 'not-found')
    assert.equal(alice.last('buddy-changed').buddy.state, 'pending-in')
    await alice.askOk({ kind: 'buddy-accept', number: BOB })
    assert.equal(bob.last('buddy-changed').buddy.state, 'accepted')
  })

  it('can be put on strangers, not on oneself, nor faster than requests', async () => {
    const { alice, bob } = await pair()
    const codes: string[] = []

    await alice.askOk({ kind: 'buddy-block', number: BOB })
    for (const number of [ALICE, ...Array.from({ length: 29 }, (_, n) => 20_000 + n)]) {
      const answer = await alice.ask({ kind: 'buddy-block', number })
      if (answer.kind === 'error') codes.push(answer.code)
    }

    assert.deepEqual(bob.heard, [])
    assert.deepEqual(new Set(codes.slice(0, 29)), new Set(['not-found']))
    assert.deepEqual(codes.slice(29), ['rate-limited'])
  })
})

describe('a search', () => {
  it('finds by number and exact handle, and says the same of all whom it finds', async () => {
    const server = await TestServer.start()
    await server.accounts('online', 'offline', 'invisible', 'blocker', 'seeker')
    await server.online('online')
    const hidden = await server.online('invisible')
    await hidden.askOk({ kind: 'set-presence', state: 'invisible', text: '' })
    const blocker = await server.online('blocker')
    await blocker.askOk({ kind: 'buddy-block', number: 10005 })
    const seeker = await server.online('seeker')
    const said = async (name: string): Promise<string> => {
      seeker.forget()
      await seeker.say({ kind: 'search', id: 900, name })
      return JSON.stringify(seeker.heard)
    }
    const all = ['online', 'offline', 'invisible', 'blocker']

    for (const [index, handle] of all.entries()) {
      const number = 10001 + index
      const expected = JSON.stringify([{ kind: 'found', id: 900, number, handle }])
      assert.equal(await said(handle), expected)
      assert.equal(await said(handle.toUpperCase()), expected)
      assert.equal(await said(String(number)), expected)
    }
    const unknown = await said('nobody')
    for (const name of ['onlin', 'online*', '99999', '0', 'on line']) {
      assert.equal(await said(name), unknown)
    }
    assert.ok(unknown.includes('not-found'))
  })

  it('shares its rate with requests', async () => {
    const { alice } = await pair()
    for (let id = 900; id < 930; id++) await alice.say({ kind: 'search', id, name: 'bob' })

    const search = await alice.ask({ kind: 'search', name: 'bob' })
    const request = await alice.ask({ kind: 'buddy-request', to: 'bob', note: '' })
    assert.equal(alice.all('found').length, 30)

    assert.equal(search.kind === 'error' && search.code, 'rate-limited')
    assert.equal(request.kind === 'error' && request.code, 'rate-limited')
  })
})

describe('a stranger', () => {
  it('hears the same of somebody online, offline, invisible, who has blocked it, and of nobody but the name', async () => {
    const server = await TestServer.start()
    await server.accounts('online', 'offline', 'invisible', 'stranger', 'blocker')
    await server.online('online', { from: '203.0.113.77:1234' })
    const hidden = await server.online('invisible')
    await hidden.askOk({ kind: 'set-presence', state: 'invisible', text: '' })
    const stranger = await server.online('stranger')
    const blocker = await server.online('blocker')
    await blocker.askOk({ kind: 'buddy-block', number: 10004 })
    const introduce = {
      kind: 'introduce',
      session: new Uint8Array(16),
      isAnswer: false,
      probeKey: new Uint8Array(32),
      candidates: [],
    } as const
    const said = async (to: number, name: string): Promise<string> => {
      stranger.forget()
      await stranger.ask({ ...introduce, to })
      await stranger.ask({ ...introduce, to, isAnswer: true })
      await stranger.ask({ kind: 'buddy-accept', number: to })
      await stranger.ask({ kind: 'buddy-reject', number: to })
      await stranger.ask({ kind: 'buddy-remove', number: to })
      if (name !== '') {
        await stranger.ask({ kind: 'buddy-request', to: name, note: '' })
        await stranger.ask({ ...introduce, to })
        await stranger.ask({ kind: 'buddy-accept', number: to })
        await stranger.ask({ kind: 'buddy-remove', number: to })
      }
      const heard = JSON.stringify(stranger.heard).replace(/"id":\d+/g, '"id":0')
      return heard
        .replace(/"\d+-[0-9a-f]{16}"/g, '"VERSION"') // counts what the stranger itself has done
        .replaceAll(String(to), 'NUMBER')
        .replaceAll(`"${name}"`, '"NAME"')
    }

    const ofOnline = await said(10001, 'online')

    assert.equal(await said(10002, 'offline'), ofOnline)
    assert.equal(await said(10003, 'invisible'), ofOnline)
    assert.equal(await said(10005, 'blocker'), ofOnline)
    assert.equal(await said(10001, ''), await said(99999, ''))
    assert.ok(!ofOnline.includes('203.0.113.77'))
  })
})
