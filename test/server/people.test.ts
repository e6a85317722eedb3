import assert from 'node:assert/strict'
import type { ClientMessage, ServerMessage } from '../../src/protocol/server/messages.ts'
import type { TestClient } from './support/test-client.ts'
import { testDevice } from './support/test-device.ts'
import { at, TestServer } from './support/test-server.ts'

const ALICE = 10_001
const BOB = 10_002
const CAROL = 10_003

let lastId = 5_000

/** Asks, and returns whatever answers it. */
async function asked(client: TestClient, request: object): Promise<ServerMessage> {
  lastId += 1
  const id = lastId
  await client.say({ ...request, id } as ClientMessage)
  const answer = client.heard.find((message) => 'id' in message && message.id === id)
  assert.ok(answer !== undefined)
  return answer
}

function codeOf(message: ServerMessage): string {
  return message.kind === 'error' ? message.code : message.kind
}

const report = {
  kind: 'report',
  localAddresses: ['10.0.0.7'],
  publicEndpoints: [at('203.0.113.99:61000'), at('198.51.100.200:7')],
  udpPort: 41_000,
  tcpPort: 0,
} as const

/** Alice and Bob are buddies, Carol is nobody's. */
async function town(): Promise<{
  readonly server: TestServer
  readonly alice: TestClient
  readonly bob: TestClient
  readonly carol: TestClient
}> {
  const server = await TestServer.start()
  await server.accounts('alice', 'bob', 'carol')
  await server.befriend(ALICE, BOB)
  const alice = await server.online('alice')
  const bob = await server.online('bob', { from: '203.0.113.99:50122' })
  const carol = await server.online('carol')
  return { server, alice, bob, carol }
}

describe('where a buddy is', () => {
  it('is told to buddies: program, addresses, ports, and of the public ones those that STUN has seen', async () => {
    const { server, alice, bob } = await town()
    const now = server.time.now()
    server.witness.note(now, at('203.0.113.99:61000'))
    await bob.askOk(report)

    const located = await asked(alice, { kind: 'locate', of: BOB })

    assert.ok(located.kind === 'located')
    assert.deepEqual(located.publicEndpoints, [at('203.0.113.99:61000')])
    assert.deepEqual(located.localAddresses, ['10.0.0.7'])
    assert.deepEqual(located.seenFrom, at('203.0.113.99:50122'))
    assert.deepEqual([located.client, located.udpPort, located.tcpPort], ['test/1', 41_000, 0])
  })

  it('is told to no stranger, and of nobody who is away, invisible or concealed', async () => {
    const { alice, bob, carol } = await town()
    await bob.askOk(report)
    const codes: string[] = []
    const look = async (client: TestClient): Promise<void> => {
      codes.push(codeOf(await asked(client, { kind: 'locate', of: BOB })))
    }

    await look(carol)
    await bob.askOk({ kind: 'buddy-conceal', number: ALICE, isConcealed: true })
    await look(alice)
    await bob.askOk({ kind: 'buddy-conceal', number: ALICE, isConcealed: false })
    await look(alice)
    await bob.askOk({ kind: 'set-presence', state: 'invisible', text: '' })
    await look(alice)
    await bob.askOk({ kind: 'logout' })
    await look(alice)

    assert.deepEqual(codes, ['not-buddies', 'offline', 'located', 'offline', 'offline'])
    const words = JSON.stringify([
      carol.heard,
      alice.heard.filter(({ kind }) => kind !== 'located'),
    ])
    assert.ok(!words.includes('10.0.0.7') && !words.includes('203.0.113.99'))
  })

  it('stays concealed in later sessions, whatever else changes in the entry', async () => {
    const { server, alice, bob } = await town()
    await bob.askOk({ kind: 'buddy-conceal', number: ALICE, isConcealed: true })
    await bob.askOk({ kind: 'buddy-note', number: ALICE, note: 'a friend' })
    await server.online('alice', { device: testDevice('x') })
    const again = await server.online('bob')
    await again.askOk(report)
    const watching = await server.online('alice')

    assert.equal(codeOf(await asked(watching, { kind: 'locate', of: BOB })), 'offline')
    assert.ok(alice.isClosed)
  })
})

describe('groups and notes', () => {
  it('are on one’s own list alone, in this session and the next', async () => {
    const { server, alice, bob } = await town()
    bob.forget()

    await alice.askOk({ kind: 'buddy-move', number: BOB, group: 'Chess club' })
    await alice.askOk({ kind: 'buddy-note', number: BOB, note: 'plays the Dutch' })
    const told = alice.last('buddy-changed').buddy
    const listed = (await server.online('alice')).last('roster').buddies[0]

    for (const entry of [told, listed]) {
      assert.deepEqual([entry?.group, entry?.remark], ['Chess club', 'plays the Dutch'])
    }
    assert.deepEqual(bob.all('buddy-changed'), [])
  })

  it('can be taken away, and written to nobody who is not on the list', async () => {
    const { alice } = await town()
    await alice.askOk({ kind: 'buddy-move', number: BOB, group: 'Chess club' })

    await alice.askOk({ kind: 'buddy-move', number: BOB, group: '' })
    const refused = await alice.ask({ kind: 'buddy-note', number: CAROL, note: 'x' })

    assert.equal(alice.last('buddy-changed').buddy.group, undefined)
    assert.equal(codeOf(refused), 'not-found')
  })

  it('outlive a new device of the buddy, and go with the buddy', async () => {
    const { server, alice } = await town()
    await alice.askOk({ kind: 'buddy-move', number: BOB, group: 'Chess club' })

    await server.online('bob', { device: testDevice('another') })
    assert.equal(alice.last('buddy-changed').buddy.group, 'Chess club')
    assert.deepEqual(alice.last('buddy-changed').buddy.device, testDevice('another').keys)
    await alice.askOk({ kind: 'buddy-remove', number: BOB })
    await alice.askOk({ kind: 'buddy-request', to: 'bob', note: '' })

    assert.equal(alice.last('buddy-changed').buddy.group, undefined)
  })
})

describe('who is online', () => {
  it('names those who let themselves be listed, while they are there and to be seen', async () => {
    const { server, alice, bob, carol } = await town()
    const names = async (): Promise<readonly string[]> => {
      const online = await asked(carol, { kind: 'who', after: 0 })
      assert.ok(online.kind === 'online' && online.isLast)
      return online.people.map(({ handle, name, state }) => `${handle} ${name} ${state}`.trim())
    }

    assert.deepEqual(await names(), [])
    await bob.askOk({ kind: 'set-profile', name: 'Bob', text: '', isListed: true })
    await alice.askOk({ kind: 'set-profile', name: '', text: '', isListed: true })
    await bob.askOk({ kind: 'set-presence', state: 'away', text: 'lunch' })
    await server.time.pass(1_000)
    assert.deepEqual(await names(), ['alice  online', 'bob Bob away'])
    await alice.askOk({ kind: 'set-presence', state: 'invisible', text: '' })
    assert.deepEqual(await names(), ['bob Bob away'])
    await bob.askOk({ kind: 'buddy-block', number: CAROL })
    assert.deepEqual(await names(), [])
    await bob.askOk({ kind: 'buddy-unblock', number: CAROL })
    await bob.askOk({ kind: 'logout' })
    assert.deepEqual(await names(), [])
    await server.online('bob')
    await server.time.pass(1_000)

    assert.deepEqual(await names(), ['bob Bob online'])
  })

  it('comes in pages, and not faster than it is looked through', async () => {
    const server = await TestServer.start()
    const names = Array.from({ length: 70 }, (_, n) => `user${n}`)
    await server.accounts(...names)
    for (const name of names) {
      const client = await server.online(name)
      await client.askOk({ kind: 'set-profile', name, text: '', isListed: true })
    }
    const seeker = await server.online('user0')
    const seen: number[] = []

    for (let after = 0, isLast = false; !isLast;) {
      const page = await asked(seeker, { kind: 'who', after })
      assert.ok(page.kind === 'online' && page.people.length <= 32)
      seen.push(...page.people.map(({ number }) => number))
      ;({ isLast } = page)
      after = seen.at(-1) ?? 0
    }
    const codes: string[] = []
    for (let count = 0; count < 30; count++) {
      codes.push(codeOf(await asked(seeker, { kind: 'who', after: 0 })))
    }

    assert.deepEqual(
      seen,
      names.map((_, n) => 10_001 + n),
    )
    assert.equal(codes.indexOf('rate-limited'), 27)
  })
})

describe('profiles', () => {
  it('are told to buddies, but for whether one is listed, and to no stranger', async () => {
    const { alice, bob, carol } = await town()
    await bob.askOk({ kind: 'set-profile', name: 'Bob', text: 'until Monday', isListed: true })

    const own = await asked(bob, { kind: 'get-profile', of: BOB })
    const buddys = await asked(alice, { kind: 'get-profile', of: BOB })
    const strangers = await asked(carol, { kind: 'get-profile', of: BOB })

    assert.ok(own.kind === 'profile' && buddys.kind === 'profile')
    assert.deepEqual([own.name, own.text, own.isListed], ['Bob', 'until Monday', true])
    assert.deepEqual(
      [buddys.name, buddys.text, buddys.isListed],
      ['Bob', 'until Monday', undefined],
    )
    assert.equal(codeOf(strangers), 'not-buddies')
  })
})
