import assert from 'node:assert/strict'
import type { Register, ServerMessage } from '../../src/protocol/server/messages.ts'
import { hashOfToken, makeToken } from '../../src/server/secret-token.ts'
import type { Invite } from '../../src/server/store/admin-store.ts'
import { SeededRandom } from '../sim/seeded-random.ts'
import { verifierOf } from './support/test-device.ts'
import { TestServer } from './support/test-server.ts'

const TOKEN = '7QK2M-0XW8Z-4TNB3-19HJD-PQRST'

async function invite(server: TestServer, change: Partial<Invite> = {}): Promise<void> {
  const hash = hashOfToken(TOKEN)
  await server.store.admin.addInvite({
    hash,
    uses: 1,
    used: 0,
    note: '',
    createdAtMs: 0,
    ...change,
  })
}

async function register(
  server: TestServer,
  change: Partial<Register> = {},
): Promise<ServerMessage | undefined> {
  const client = server.connect()
  const verifier = verifierOf('password of alice')
  await client.say({ kind: 'register', handle: 'alice', verifier, ...change })
  return client.heard.at(-1)
}

describe('makeToken()', () => {
  it('makes five groups of five that nobody guesses, and none twice', () => {
    const random = new SeededRandom(1)
    const tokens = Array.from({ length: 1_000 }, () => makeToken(random))

    assert.equal(new Set(tokens).size, 1_000)
    for (const token of tokens)
      assert.match(token, /^([0-9A-HJKMNP-TV-Z]{5}-){4}[0-9A-HJKMNP-TV-Z]{5}$/)
  })
})

describe('hashOfToken()', () => {
  it('knows a token however it was typed, and no other', () => {
    const hash = hashOfToken(TOKEN)

    assert.equal(hashOfToken(TOKEN.toLowerCase()), hash)
    assert.equal(hashOfToken(` ${TOKEN.replaceAll('-', '')}`), hash)
    assert.equal(hashOfToken(TOKEN.replace('0', 'o').replace('1', 'l')), hash)
    assert.notEqual(hashOfToken(TOKEN.replace('7', '8')), hash)
  })
})

describe('registration by invitation', () => {
  it('lets in whoever has one, once', async () => {
    const server = await TestServer.start({ isRegistrationOpen: false })
    await invite(server)

    const first = await register(server, { invite: TOKEN })
    const second = await register(server, { invite: TOKEN, handle: 'bob' })

    assert.equal(first?.kind, 'registered')
    assert.ok(second?.kind === 'error')
    assert.equal(second.code, 'invite-invalid')
    assert.match(second.text, /used already/)
  })

  it('says what is wrong with it: missing, unknown, withdrawn, expired', async () => {
    const server = await TestServer.start({ isRegistrationOpen: false })
    const refusal = async (token?: string): Promise<string> => {
      const answer = await register(server, token === undefined ? {} : { invite: token })
      assert.ok(answer?.kind === 'error')
      return `${answer.code}: ${answer.text}`
    }

    assert.match(await refusal(), /^registration-closed: .* by invitation only/)
    assert.match(await refusal(TOKEN), /^invite-invalid: There is no such invitation/)
    await invite(server, { expiresAtMs: server.time.wallNow() })
    assert.match(await refusal(TOKEN), /^invite-invalid: .* expired/)
    await invite(server, { revokedAtMs: 0 })
    assert.match(await refusal(TOKEN), /^invite-invalid: There is no such invitation/)
  })

  it('tells nobody without one which handles there are', async () => {
    const server = await TestServer.start({ isRegistrationOpen: false })
    await server.accounts('alice')

    const taken = await register(server, { invite: 'guess' })
    const free = await register(server, { invite: 'guess', handle: 'bob' })

    assert.deepEqual(taken, free)
  })

  it('is checked where registration is open, too, and not used up by a handle that is taken', async () => {
    const server = await TestServer.start()
    await server.accounts('alice')
    await invite(server)

    const taken = await register(server, { invite: TOKEN })
    const wrong = await register(server, { invite: 'guess', handle: 'bob' })
    const good = await register(server, { invite: TOKEN, handle: 'bob' })

    assert.deepEqual(
      [taken, wrong].map((answer) => answer?.kind === 'error' && answer.code),
      ['handle-taken', 'invite-invalid'],
    )
    assert.equal(good?.kind, 'registered')
  })
})

describe('replace-password', () => {
  it('sets a new password once, and ends what the old one had opened', async () => {
    const server = await TestServer.start()
    const [alice = 0] = await server.accounts('alice')
    const session = await server.online('alice')
    await server.store.admin.allowReset(alice, hashOfToken(TOKEN), server.time.wallNow() + 1)
    const client = server.connect()
    const message = {
      kind: 'replace-password',
      user: 'alice',
      code: TOKEN,
      verifier: verifierOf('new'),
    } as const

    await client.say(message)
    await server.time.pass(5)
    const again = server.connect()
    await again.say(message)
    await server.time.pass(5)

    assert.deepEqual(client.heard, [{ kind: 'registered', number: alice, handle: 'alice' }])
    assert.equal(again.last('error').code, 'code-invalid')
    assert.equal(session.last('goodbye').reason, 'timeout')
    assert.equal(await server.store.sessions.standing(alice), undefined)
    const before = await server.connect().login({ user: 'alice' })
    const after = await server.connect().login({ user: 'alice', password: 'new' })
    assert.deepEqual([before?.kind, after?.kind], ['error', 'welcome'])
  })

  it('says the same for a wrong code and an unknown account, and slows guesses down', async () => {
    const server = await TestServer.start()
    const [alice = 0] = await server.accounts('alice')
    await server.store.admin.allowReset(alice, hashOfToken(TOKEN), server.time.wallNow() + 1)
    const guess = async (user: string): Promise<ServerMessage | undefined> => {
      const client = server.connect()
      await client.say({ kind: 'replace-password', user, code: 'guess', verifier: verifierOf('x') })
      await server.time.pass(4.9)
      assert.equal(client.heard.length, 0, 'when it is told tells nothing either')
      await server.time.pass(0.1)
      return client.heard.at(-1)
    }

    assert.deepEqual(await guess('alice'), await guess('nobody'))
    const codes: string[] = []
    for (let count = 0; count < 10; count++) {
      const answer = await guess('alice')
      if (answer?.kind === 'error') codes.push(answer.code)
    }

    assert.equal(codes.indexOf('rate-limited'), 9)
  })
})

describe('a disabled account', () => {
  it('is told so by the right password alone, and when to try again', async () => {
    const server = await TestServer.start()
    const [number = 0] = await server.accounts('alice')
    const account = await server.store.account(number)
    assert.ok(account !== undefined)
    await server.store.updateAccount({ ...account, disabledAtMs: 1 })

    const right = await server.connect().login({ user: 'alice' })
    const wrong = await server.connect().login({ user: 'alice', password: 'guess' })

    assert.ok(right?.kind === 'error' && wrong?.kind === 'error')
    assert.deepEqual([right.code, right.retryAfterMs], ['account-disabled', 600_000])
    assert.equal(wrong.code, 'auth-failed')
  })

  it('gets no session when it was disabled or deleted while it logged in', async () => {
    for (const reason of ['disabled', 'deleted'] as const) {
      const server = await TestServer.start()
      const [number = 0] = await server.accounts('alice')
      const client = server.connect()
      const account = await server.store.account(number)
      assert.ok(account !== undefined)
      const login = client.login({ user: 'alice' })
      if (reason === 'disabled') await server.store.updateAccount({ ...account, disabledAtMs: 1 })
      else await server.store.admin.deleteAccount(number, { freesHandle: false })
      await login

      assert.equal(client.find('welcome'), undefined)
      assert.equal(client.isClosed, true)
    }
  })
})
