import assert from 'node:assert/strict'
import { ScramClient } from '../../src/crypto/scram.ts'
import type { ServerMessage } from '../../src/protocol/server/messages.ts'
import { memoryStore } from '../support/memory-store.ts'
import { testDevice, verifierOf } from './support/test-device.ts'
import { TestServer, UDP_ADDRESS } from './support/test-server.ts'

describe('registration', () => {
  it('gives numbers from 10001, and handles in lower case', async () => {
    const server = await TestServer.start()

    const first = server.connect()
    await first.say({ kind: 'register', handle: 'Alice', verifier: verifierOf('secret') })
    const second = server.connect()
    await second.say({ kind: 'register', handle: 'bob', verifier: verifierOf('secret') })

    assert.deepEqual(first.heard, [{ kind: 'registered', number: 10001, handle: 'alice' }])
    assert.deepEqual(second.heard, [{ kind: 'registered', number: 10002, handle: 'bob' }])
  })

  it('lets the same connection log in afterwards', async () => {
    const server = await TestServer.start()
    const client = server.connect()

    await client.say({ kind: 'register', handle: 'alice', verifier: verifierOf('secret') })
    const welcome = await client.login({ user: 'alice', password: 'secret' })

    assert.equal(welcome?.kind, 'welcome')
  })

  it('refuses a taken handle however it is written, an unfit one, and weak hashing', async () => {
    const server = await TestServer.start()
    await server.accounts('alice')
    const code = async (handle: string, verifier = verifierOf('x')): Promise<string> => {
      const client = server.connect()
      await client.say({ kind: 'register', handle, verifier })
      return client.last('error').code
    }
    const weak = { ...verifierOf('x'), hashing: { memoryKiB: 1024, passes: 1, lanes: 1 } }

    assert.equal(await code('ALICE'), 'handle-taken')
    assert.equal(await code('al'), 'handle-invalid')
    assert.equal(await code('10001'), 'handle-invalid')
    assert.equal(await code('bob', weak), 'malformed')
  })

  it('is closed unless the operator opened it', async () => {
    const server = await TestServer.start({ isRegistrationOpen: false })
    const client = server.connect()

    await client.say({ kind: 'register', handle: 'alice', verifier: verifierOf('x') })

    assert.equal(client.last('error').code, 'registration-closed')
  })

  it('slows down a network that takes many, but not everybody on this very machine', async () => {
    const server = await TestServer.start()
    const codes = async (from: string): Promise<string[]> => {
      const answers: string[] = []
      for (let count = 0; count < 70; count++) {
        const client = server.connect(from)
        await client.say({ kind: 'register', handle: 'no', verifier: verifierOf('x') })
        answers.push(client.last('error').code)
      }
      return answers
    }

    assert.equal((await codes('192.0.2.10:1000')).indexOf('rate-limited'), 60)
    assert.ok(!(await codes('127.0.0.1:1000')).includes('rate-limited'))
  })
})

describe('login', () => {
  it('tells number, handle, heartbeat, STUN and where the client comes from', async () => {
    const server = await TestServer.start()
    await server.accounts('alice')

    const client = await server.online('alice', { from: '192.0.2.10:50000' })

    assert.deepEqual(client.welcome, {
      kind: 'welcome',
      scram: client.welcome.scram,
      number: 10001,
      handle: 'alice',
      timeMs: server.time.wallNow(),
      heartbeatMs: 30_000,
      epoch: 1,
      stun: [UDP_ADDRESS],
      seenFrom: { family: 4, address: '192.0.2.10', port: 50000 },
      pass: client.welcome.pass,
      limits: {
        frameBytes: 98_304,
        sealedBytes: 69_632,
        messages: 256,
        messageEveryMs: 20,
        buddies: 2_000,
        windowMessages: 32,
      },
    })
    assert.equal(client.welcome.pass?.ticket.length, 65)
  })

  it('takes the number or the handle, in any case', async () => {
    const server = await TestServer.start()
    await server.accounts('alice')
    const device = testDevice('alice')

    for (const user of ['alice', 'ALICE', '10001']) {
      const welcome = await server.connect().login({ user, device, password: 'password of alice' })
      assert.equal(welcome?.kind, 'welcome', user)
    }
  })

  it('answers a wrong password and an unknown account with the same bytes', async () => {
    const server = await TestServer.start()
    await server.accounts('alice')
    const wrong = server.connect()
    const unknown = server.connect()

    await wrong.login({ user: 'alice', password: 'guess' })
    await unknown.login({ user: 'nobody', password: 'guess' })

    assert.equal(wrong.last('error').code, 'auth-failed')
    assert.deepEqual(wrong.frames[1], unknown.frames[1])
    assert.equal(wrong.frames[0]?.length, unknown.frames[0]?.length)
    assert.ok(wrong.isClosed && unknown.isClosed)
  })

  it('gives an unknown account the same salt at every try, whatever its case', async () => {
    const server = await TestServer.start()
    const salt = async (user: string): Promise<string | undefined> => {
      const client = server.connect()
      await client.login({ user, password: 'guess' })
      return /s=([^,]+)/.exec(client.last('challenge').scram)?.[1]
    }

    assert.equal(await salt('nobody'), await salt('nobody'))
    assert.equal(await salt('nobody'), await salt('NoBody'))
    assert.notEqual(await salt('nobody'), await salt('somebody'))
    assert.equal(typeof (await salt('Ünïcode, näme')), 'string')
  })

  it('sends a challenge exactly 5 ms after its hello, whether the account exists or not', async () => {
    const server = await TestServer.start()
    await server.accounts('alice')
    for (const user of ['alice', 'nobody']) {
      const client = server.connect()
      const { clientFirst } = new ScramClient({
        user,
        exporter: new Uint8Array(32),
        nonce: 'sixteen-characters',
      })
      const device = testDevice(user).keys
      await client.say({ kind: 'hello', version: 1, client: 'x', scram: clientFirst, device })

      await server.time.pass(4.9)
      assert.equal(client.heard.length, 0)
      await server.time.pass(0.1)
      assert.equal(client.heard.length, 1)
    }
  })

  it('wants the device to sign this very TLS session', async () => {
    const server = await TestServer.start()
    await server.accounts('alice')
    const device = testDevice('alice')
    const other = device.signLogin(new Uint8Array(32))

    const answer = await server.connect().login({ user: 'alice', deviceSignature: other })

    assert.equal(answer?.kind === 'error' && answer.code, 'auth-failed')
  })

  it('wants the static key to be signed by the device', async () => {
    const server = await TestServer.start()
    await server.accounts('alice')
    const { keys } = testDevice('alice')
    const mixed = { ...keys, static: testDevice('mallory').keys.static }

    const answer = await server.connect().login({ user: 'alice', hello: { device: mixed } })

    assert.equal(answer?.kind === 'error' && answer.code, 'malformed')
  })

  it('refuses another version of the protocol', async () => {
    const server = await TestServer.start()

    const answer = await server.connect().login({ user: 'alice', hello: { version: 2 } })

    assert.equal(answer?.kind === 'error' && answer.code, 'unsupported')
  })

  it('lets 10 wrong passwords through, then one every 90 s; right ones only from a known device', async () => {
    const server = await TestServer.start()
    await server.accounts('alice')
    await server.online('alice')
    const guess = async (password: string, from: string): Promise<string | undefined> => {
      const device = testDevice('attacker')
      const answer = await server.connect(from).login({ user: 'alice', password, device })
      return answer?.kind === 'error' ? answer.code : answer?.kind
    }

    for (let count = 0; count < 10; count++) {
      assert.equal(await guess('guess', `192.0.${count}.1:1000`), 'auth-failed')
    }
    assert.equal(await guess('guess', '203.0.113.1:1000'), 'rate-limited')
    assert.equal(await guess('password of alice', '203.0.113.2:1000'), 'rate-limited')
    await server.online('alice', { device: testDevice('alice') })
    await server.time.pass(90_000)
    assert.equal(await guess('guess', '203.0.113.1:1000'), 'auth-failed')
    assert.equal(await guess('guess', '203.0.113.1:1000'), 'rate-limited')
  })

  it('does not take a claimed device for a known one', async () => {
    const server = await TestServer.start()
    await server.accounts('alice')
    await server.online('alice')
    const claimed = testDevice('alice')
    const forged = testDevice('attacker').signLogin(new Uint8Array(32))
    const codes = new Set<string>()

    for (let count = 0; count < 12; count++) {
      const how = { user: 'alice', password: 'guess', device: claimed, deviceSignature: forged }
      const answer = await server.connect(`192.0.${count}.1:1000`).login(how)
      if (answer?.kind === 'error') codes.add(answer.code)
    }

    assert.deepEqual([...codes], ['auth-failed', 'rate-limited'])
  })

  it('keeps the owner on the known device from being locked out under whatever name', async () => {
    const server = await TestServer.start()
    await server.accounts('alice')
    await server.online('alice')

    for (const user of ['alice known', 'known alice', 'known:alice']) {
      for (let count = 0; count < 10; count++) {
        const device = testDevice('attacker')
        await server.connect(`192.0.${count}.1:1000`).login({ user, device })
      }
    }

    await server.online('alice', { device: testDevice('alice') })
  })

  it('counts all names that no account can have as one', async () => {
    const server = await TestServer.start()
    const codes: (string | undefined)[] = []

    for (let count = 0; count < 12; count++) {
      const user = `no name ${count}`
      const answer = await server.connect(`192.0.${count}.1:1000`).login({ user })
      codes.push(answer?.kind === 'error' ? answer.code : answer?.kind)
    }

    assert.equal(codes.indexOf('rate-limited'), 10)
  })

  it('throttles an unknown name like a known one', async () => {
    const server = await TestServer.start()
    const codes: (string | undefined)[] = []

    for (let count = 0; count < 12; count++) {
      const answer = await server.connect(`192.0.${count}.1:1000`).login({ user: 'nobody' })
      codes.push(answer?.kind === 'error' ? answer.code : answer?.kind)
    }

    assert.equal(codes.indexOf('rate-limited'), 10)
  })

  it('throttles a network of 100 wrong passwords for different names', async () => {
    const server = await TestServer.start()
    const codes: string[] = []

    for (let count = 0; count < 101; count++) {
      const answer = await server.connect('192.0.2.77:1000').login({ user: `name${count}` })
      if (answer?.kind === 'error') codes.push(answer.code)
    }

    assert.equal(codes.indexOf('rate-limited'), 100)
  })

  it('lets a network ask for 256 challenges without a login, then one every 6 s', async () => {
    const server = await TestServer.start()
    await server.accounts('alice')
    await server.online('alice', { from: '192.0.2.1:1000' })
    const ask = async (user: string, from: string, device = 'nosy'): Promise<string> => {
      const client = server.connect(from)
      await client.hello(user, testDevice(device))
      const [answer] = client.heard
      client.end.hangUp()
      return answer?.kind === 'error' ? answer.code : String(answer?.kind)
    }

    for (let count = 0; count < 255; count++) {
      assert.equal(await ask(String(10_001 + count), '192.0.2.9:1000'), 'challenge')
    }
    for (const device of ['alice at work', 'alice on the road', 'alice']) {
      await server.online('alice', { from: '192.0.2.9:1000', device: testDevice(device) })
    }
    assert.equal(await ask('alice', '192.0.2.9:1000'), 'challenge', 'a login costs nothing')
    assert.equal(await ask('alice', '192.0.2.77:1000'), 'rate-limited')
    assert.equal(await ask('nobody', '192.0.2.77:1000'), 'rate-limited')
    assert.equal(await ask('alice', '192.0.2.9:1000', 'alice'), 'challenge', 'a device it knows')
    assert.equal(await ask('alice', '203.0.113.1:1000'), 'challenge', 'another network')
    await server.online('alice', { from: '192.0.2.9:1000' })
    assert.equal(await ask('alice', '192.0.2.9:1000'), 'rate-limited', 'as many as before')
    await server.time.pass(6_000)

    assert.equal(await ask('alice', '192.0.2.9:1000'), 'challenge')
  })

  it('ends the session that it replaces, and only that', async () => {
    const server = await TestServer.start()
    await server.accounts('alice', 'bob')
    const bob = await server.online('bob')
    const old = await server.online('alice')

    const fresh = await server.online('alice')

    assert.deepEqual(old.heard.at(-1), { kind: 'goodbye', reason: 'replaced', retryAfterMs: 0 })
    assert.ok(old.isClosed)
    assert.ok(!fresh.isClosed && !bob.isClosed)
    assert.equal(
      (
        await fresh.ask({
          kind: 'report',
          localAddresses: [],
          publicEndpoints: [],
          udpPort: 1,
          tcpPort: 2,
        })
      ).kind,
      'ok',
    )
  })

  it('keeps accounts over a restart', async () => {
    const disk = memoryStore()
    await (await TestServer.start({ store: disk })).accounts('alice')

    const client = await (await TestServer.start({ store: disk })).online('alice')

    assert.equal(client.welcome.number, 10001)
  })

  it('says temporary when the store fails, and lives on', async () => {
    const disk = memoryStore()
    const server = await TestServer.start({ store: disk })
    await server.accounts('alice')
    const read = disk.get.bind(disk)
    disk.get = () => Promise.reject(new Error('EIO'))
    const client = server.connect()

    const answer: ServerMessage | undefined = await client.login({ user: 'alice' })
    disk.get = read
    const later = await server.online('alice')

    assert.equal(answer?.kind === 'error' && answer.code, 'temporary')
    assert.ok(client.isClosed)
    assert.ok(!later.isClosed)
  })
})
