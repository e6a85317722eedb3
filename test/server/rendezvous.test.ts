import assert from 'node:assert/strict'
import { after } from '../../src/core/instant.ts'
import { verifySignature } from '../../src/crypto/identity.ts'
import { decodeTicket } from '../../src/protocol/relay/ticket.ts'
import type { Candidate, Introduce } from '../../src/protocol/server/messages.ts'
import type { TestClient } from './support/test-client.ts'
import { testDevice } from './support/test-device.ts'
import { at, RELAY_ID, TestServer, UDP_ADDRESS } from './support/test-server.ts'

const ALICE = 10001
const BOB = 10002
const SESSION = Buffer.alloc(16, 1)
const KEY_A = Buffer.alloc(32, 0xa)
const KEY_B = Buffer.alloc(32, 0xb)

interface Pair {
  readonly server: TestServer
  readonly alice: TestClient
  readonly bob: TestClient
}

async function buddies(addresses: { alice?: string; bob?: string } = {}): Promise<Pair> {
  const server = await TestServer.start()
  await server.accounts('alice', 'bob')
  await server.befriend(ALICE, BOB)
  const alice = await server.online('alice', { from: addresses.alice ?? '192.0.2.10:50000' })
  const bob = await server.online('bob', { from: addresses.bob ?? '203.0.113.20:60000' })
  await server.time.pass(1_000)
  alice.forget()
  bob.forget()
  return { server, alice, bob }
}

function introduce(to: number, change: Partial<Introduce> = {}): Omit<Introduce, 'id'> {
  return {
    kind: 'introduce',
    to,
    session: SESSION,
    isAnswer: false,
    probeKey: KEY_A,
    candidates: [],
    ...change,
  }
}

function host(endpoint: string): Candidate {
  return { kind: 'host', endpoint: at(endpoint) }
}

function reflexive(endpoint: string): Candidate {
  return { kind: 'server-reflexive', endpoint: at(endpoint) }
}

async function codeOf(client: TestClient, request: Omit<Introduce, 'id'>): Promise<string> {
  const answer = await client.ask(request)
  return answer.kind === 'error' ? answer.code : 'ok'
}

describe('introduce', () => {
  it('brings both sides together: question, answer, and T0 to both at the same moment', async () => {
    const { alice, bob } = await buddies()
    const ofAlice = [host('10.0.0.5:4000'), reflexive('192.0.2.10:4000')]
    const ofBob = [host('10.1.0.5:4000'), reflexive('203.0.113.20:4001')]

    await alice.askOk(introduce(BOB, { candidates: ofAlice }))
    const question = bob.last('introduced')
    await bob.askOk(introduce(ALICE, { isAnswer: true, probeKey: KEY_B, candidates: ofBob }))
    const answer = alice.last('introduced')
    const start = bob.last('introduced')

    assert.deepEqual(
      { ...question, relay: undefined },
      {
        kind: 'introduced',
        from: ALICE,
        session: SESSION,
        isAnswer: false,
        probeKey: KEY_A,
        candidates: ofAlice,
        device: testDevice('alice').keys,
        startInMs: 0,
        relay: undefined,
      },
    )
    assert.deepEqual(
      { ...answer, relay: undefined },
      {
        kind: 'introduced',
        from: BOB,
        session: SESSION,
        isAnswer: true,
        probeKey: KEY_B,
        candidates: ofBob,
        device: testDevice('bob').keys,
        startInMs: 150,
        relay: undefined,
      },
    )
    assert.deepEqual(start, { ...question, isAnswer: true, startInMs: 150 })
  })

  it('names a T0 that lies two round trips of the slower side ahead', async () => {
    const server = await TestServer.start()
    await server.accounts('alice', 'bob')
    await server.befriend(ALICE, BOB)
    const alice = await server.online('alice')
    const bob = await server.online('bob')
    await server.time.pass(120)
    await alice.say({ kind: 'pong', id: alice.last('ping').id, timeMs: 0 })
    await server.time.pass(180)
    await bob.say({ kind: 'pong', id: bob.last('ping').id, timeMs: 0 })

    await alice.askOk(introduce(BOB))
    await bob.askOk(introduce(ALICE, { isAnswer: true }))

    assert.equal(alice.last('introduced').startInMs, 600)
    assert.equal(bob.last('introduced').startInMs, 600)
  })

  it('gives both the same relay ticket, signed for this pair and session', async () => {
    const { server, alice, bob } = await buddies()

    await alice.askOk(introduce(BOB))
    await bob.askOk(introduce(ALICE, { isAnswer: true }))

    const grant = alice.last('introduced').relay
    assert.ok(grant !== undefined)
    assert.deepEqual(bob.last('introduced').relay, grant)
    assert.deepEqual(grant.endpoint, UDP_ADDRESS)
    const read = decodeTicket(grant.ticket)
    assert.ok(read.ok)
    const { ticket, signature, signatureInput } = read.value
    assert.ok(verifySignature(server.signer.publicKey, signatureInput, signature))
    assert.deepEqual(Buffer.from(ticket.relayId), Buffer.from(RELAY_ID))
    assert.deepEqual(Buffer.from(ticket.session), SESSION)
    assert.deepEqual(Buffer.from(ticket.identityA), testDevice('alice').keys.identity)
    assert.deepEqual(Buffer.from(ticket.identityB), testDevice('bob').keys.identity)
    const lifetimeMs = ticket.expiresAtMs - server.time.wallNow()
    assert.ok(lifetimeMs > 0 && lifetimeMs <= 600_000, String(lifetimeMs))
  })

  it('is for accepted buddies only', async () => {
    const { server, alice, bob } = await buddies()
    await server.accounts('carol')
    await server.online('carol')

    assert.equal(await codeOf(alice, introduce(10003)), 'not-buddies')
    await alice.askOk({ kind: 'buddy-request', to: 'carol', note: '' })
    assert.equal(await codeOf(alice, introduce(10003)), 'not-buddies')
    assert.equal(await codeOf(alice, introduce(99999)), 'not-buddies')
    assert.equal(await codeOf(alice, introduce(ALICE)), 'not-buddies')
    await bob.askOk({ kind: 'buddy-remove', number: ALICE })
    assert.equal(await codeOf(alice, introduce(BOB)), 'not-buddies')
  })

  it('gives no answer to a removed buddy either, and no address', async () => {
    const { alice, bob } = await buddies()

    await alice.askOk(introduce(BOB))
    await alice.askOk({ kind: 'buddy-remove', number: BOB })
    assert.equal(await codeOf(bob, introduce(ALICE, { isAnswer: true })), 'not-buddies')

    assert.equal(alice.all('introduced').length, 0)
  })

  it('says offline of who is, of who is invisible, and within the grace', async () => {
    const { server, alice, bob } = await buddies()

    await bob.askOk({ kind: 'set-presence', state: 'invisible', text: '' })
    assert.equal(await codeOf(alice, introduce(BOB)), 'offline')
    assert.equal(bob.all('introduced').length, 0)
    bob.end.hangUp()
    assert.equal(await codeOf(alice, introduce(BOB)), 'offline')
    await server.time.pass(60_000)
    await alice.say({ kind: 'ping', id: 900 })
  })

  it('lets an invisible one ask, and be answered', async () => {
    const { alice, bob } = await buddies()
    await alice.askOk({ kind: 'set-presence', state: 'invisible', text: '' })

    await alice.askOk(introduce(BOB))
    await bob.askOk(introduce(ALICE, { isAnswer: true }))

    assert.equal(alice.all('introduced').length, 1)
  })

  it('tells of the new device of an invisible one only when it asks for somebody online', async () => {
    const { server, alice, bob } = await buddies()
    await alice.askOk({ kind: 'set-presence', state: 'invisible', text: '' })
    const device = testDevice('a new laptop')
    const laptop = await server.online('alice', { device })
    await bob.askOk({ kind: 'set-presence', state: 'invisible', text: '' })
    bob.forget()

    assert.equal(await codeOf(laptop, introduce(BOB)), 'offline')
    assert.deepEqual(bob.heard, [])
    await bob.askOk({ kind: 'set-presence', state: 'online', text: '' })
    bob.forget()
    await laptop.askOk(introduce(BOB))

    assert.deepEqual(
      bob.heard.map(({ kind }) => kind),
      ['buddy-changed', 'introduced'],
    )
    assert.deepEqual(bob.last('buddy-changed').buddy.device, device.keys)
  })

  it('takes an answer once, to the session that waits, within 10 s, from who was asked', async () => {
    const { server, alice, bob } = await buddies()
    const answer = introduce(ALICE, { isAnswer: true })

    assert.equal(await codeOf(bob, answer), 'not-found')
    await alice.askOk(introduce(BOB))
    assert.equal(await codeOf(alice, introduce(BOB, { isAnswer: true })), 'not-found')
    assert.equal(await codeOf(bob, { ...answer, session: Buffer.alloc(16, 2) }), 'not-found')
    assert.equal(await codeOf(bob, answer), 'ok')
    assert.equal(await codeOf(bob, answer), 'not-found')
    await alice.askOk(introduce(BOB))
    await server.time.pass(10_000)
    assert.equal(await codeOf(bob, answer), 'not-found')
  })

  it('lets the first of two simultaneous introductions stand', async () => {
    const { alice, bob } = await buddies()
    const ofBob = introduce(ALICE, { session: Buffer.alloc(16, 2), probeKey: KEY_B })

    await alice.askOk(introduce(BOB))
    assert.equal(await codeOf(bob, ofBob), 'temporary')
    await bob.askOk(introduce(ALICE, { isAnswer: true, probeKey: KEY_B }))

    const sessions = [alice, bob].map((client) => client.all('introduced').map((m) => m.session))
    assert.deepEqual(sessions, [[SESSION], [SESSION, SESSION]])
    await bob.askOk(ofBob)
  })

  it('lets the asker ask anew at any time', async () => {
    const { alice, bob } = await buddies()
    const again = Buffer.alloc(16, 9)

    await alice.askOk(introduce(BOB))
    await alice.askOk(introduce(BOB, { session: again }))
    assert.equal(await codeOf(bob, introduce(ALICE, { isAnswer: true })), 'not-found')
    await bob.askOk(introduce(ALICE, { isAnswer: true, session: again }))

    assert.deepEqual(alice.last('introduced').session, again)
  })

  it('does not count a question of a session that has ended as simultaneous', async () => {
    const { server, alice, bob } = await buddies()

    await alice.askOk(introduce(BOB))
    alice.end.hangUp()
    const back = await server.online('alice')
    await bob.askOk(introduce(ALICE, { session: Buffer.alloc(16, 2) }))

    assert.equal(back.all('introduced').length, 1)
  })

  it('asks again in the session that took the place of the one that was asked: nobody heard it there', async () => {
    const { server, alice, bob } = await buddies()
    const ofBob = introduce(ALICE, { session: Buffer.alloc(16, 2), probeKey: KEY_B })

    await alice.askOk(introduce(BOB))
    const question = bob.last('introduced')
    const back = await server.online('bob')

    assert.deepEqual(back.all('introduced'), [question])
    assert.equal(await codeOf(back, ofBob), 'temporary')
    await back.askOk(introduce(ALICE, { isAnswer: true, probeKey: KEY_B }))
    assert.deepEqual(alice.last('introduced').session, SESSION)
  })

  it('does not ask again what was answered, or asked too long ago', async () => {
    const { server, alice, bob } = await buddies()
    await alice.askOk(introduce(BOB))
    await bob.askOk(introduce(ALICE, { isAnswer: true, probeKey: KEY_B }))
    const first = await server.online('bob')
    await alice.askOk(introduce(BOB))
    await server.time.pass(10_000)

    const second = await server.online('bob')

    assert.deepEqual(
      [first, second].map((each) => each.all('introduced').length),
      [1, 0],
    )
  })

  it('lets nobody ask more than 128 times at once, over all sessions', async () => {
    const { server, alice } = await buddies()
    const codes: string[] = []

    for (let count = 0; count < 129; count++) codes.push(await codeOf(alice, introduce(BOB)))
    alice.end.hangUp()
    const back = await server.online('alice')

    assert.equal(codes.indexOf('rate-limited'), 128)
    assert.equal(await codeOf(back, introduce(BOB)), 'rate-limited')
  })
})

describe('candidates of an introduction', () => {
  async function passedOn(
    candidates: readonly Candidate[],
    { alice: a, bob: b, seen = [] }: { alice?: string; bob?: string; seen?: string[] } = {},
  ): Promise<readonly string[]> {
    const { server, alice, bob } = await buddies({
      ...(a === undefined ? {} : { alice: a }),
      ...(b === undefined ? {} : { bob: b }),
    })
    for (const endpoint of seen) server.witness.note(server.time.now(), at(endpoint))
    await alice.askOk(introduce(BOB, { candidates }))
    return bob
      .last('introduced')
      .candidates.map(({ kind, endpoint }) => `${kind} ${endpoint.address}:${endpoint.port}`)
  }

  it('that are reflexive must have the address of the TCP session or one that STUN has seen', async () => {
    const victim = reflexive('198.51.100.99:53')
    const own = reflexive('192.0.2.10:4000')
    const pooled = reflexive('192.0.9.77:4000')

    assert.deepEqual(await passedOn([victim, own, pooled]), ['server-reflexive 192.0.2.10:4000'])
    assert.deepEqual(await passedOn([victim, pooled], { seen: ['192.0.9.77:4000'] }), [
      'server-reflexive 192.0.9.77:4000',
    ])
    assert.deepEqual(await passedOn([pooled], { seen: ['192.0.9.77:4001'] }), [])
  })

  it('that STUN saw are believed for two minutes', async () => {
    const { server, alice, bob } = await buddies()
    const pooled = reflexive('192.0.9.77:4000')
    server.witness.note(after(server.time.now(), -120_000), pooled.endpoint)

    await alice.askOk(introduce(BOB, { candidates: [pooled] }))
    assert.equal(bob.last('introduced').candidates.length, 1)
    await server.time.pass(1)
    await alice.askOk(introduce(BOB, { candidates: [pooled] }))

    assert.equal(bob.last('introduced').candidates.length, 0)
  })

  it('that are mapped must lie on a public address that is attested', async () => {
    const mapped = (endpoint: string): Candidate => ({ kind: 'mapped', endpoint: at(endpoint) })
    const candidates = [mapped('192.0.2.10:9000'), mapped('192.0.9.77:9000'), mapped('8.8.8.8:53')]
    const pooled = reflexive('192.0.9.77:4000')

    assert.deepEqual(await passedOn([...candidates, pooled], { seen: ['192.0.9.77:4000'] }), [
      'mapped 192.0.2.10:9000',
      'mapped 192.0.9.77:9000',
      'server-reflexive 192.0.9.77:4000',
    ])
  })

  it('never are loopback, link-local, multicast, unspecified or reserved, in whatever disguise', async () => {
    const bad = [
      '127.0.0.1:1',
      '127.9.9.9:1',
      '0.0.0.0:1',
      '0.1.2.3:1',
      '224.0.0.1:1',
      '239.255.255.250:1900',
      '255.255.255.255:1',
      '240.0.0.1:1',
      '169.254.1.1:1',
      '192.0.0.4:1',
      '[::]:1',
      '[::1]:1',
      '[::ffff:127.0.0.1]:1',
      '[::127.0.0.1]:1',
      '[64:ff9b::7f00:1]:1',
      '[64:ff9b:1::1]:1',
      '[2002:7f00:1::1]:1',
      '[2001:0:1::1]:1',
      '[fe80::1]:1',
      '[fec0::1]:1',
      '[ff02::1]:1',
      '[100::1]:1',
    ].map(host)
    const good = ['10.0.0.1:1', '100.64.1.1:1', '192.168.1.1:1', '[fd00::1]:1', '[2001:db8::1]:1']

    const admitted: string[] = []
    for (let from = 0; from < bad.length; from += 9) {
      admitted.push(...(await passedOn([...bad.slice(from, from + 9), host('10.9.9.9:9')])))
    }

    assert.deepEqual(new Set(admitted), new Set(['host 10.9.9.9:9']))
    assert.equal((await passedOn(good.map(host))).length, good.length)
  })

  it('may be loopback or link-local where both sides are on that very host or link', async () => {
    const loopback = [host('127.0.0.1:4000'), reflexive('127.0.0.1:4000')]
    const link = [host('169.254.7.7:4000')]

    assert.equal((await passedOn(loopback, { alice: '127.0.0.1:1', bob: '127.0.0.1:2' })).length, 2)
    assert.equal((await passedOn(loopback, { alice: '127.0.0.1:1' })).length, 0)
    assert.equal((await passedOn(loopback, { bob: '127.0.0.1:1' })).length, 0)
    assert.equal((await passedOn(link, { alice: '169.254.7.7:1', bob: '169.254.8.8:1' })).length, 1)
    assert.equal((await passedOn(link, { alice: '169.254.7.7:1' })).length, 0)
  })

  it('are passed on once each, ten at most', async () => {
    const { alice } = await buddies()
    const same = host('10.0.0.1:1')
    assert.deepEqual(await passedOn([same, same, host('10.0.0.1:2')]), [
      'host 10.0.0.1:1',
      'host 10.0.0.1:2',
    ])

    const eleven = Array.from(
      { length: 11 },
      (_, n) => `<candidate kind="host" ip="10.0.0.${n}" port="1"/>`,
    )
    await alice.sayXml(
      `<introduce id="77" to="${BOB}" session="${SESSION.toString('base64')}" answer="false" probe-key="${KEY_A.toString('base64')}">${eleven.join('')}</introduce>`,
    )

    assert.equal(alice.last('error').id, 77)
  })
})
