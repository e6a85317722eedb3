import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { silentLogger } from '../../src/core/logger.ts'
import { everyKeyUnder } from '../../src/daemon/records.ts'
import { systemRandom } from '../../src/io/random.ts'
import { systemClock } from '../../src/io/system-clock.ts'
import { staticKeyFromSeed } from '../../src/crypto/static-key.ts'
import { MAX_TEXT_BYTES } from '../../src/protocol/peer/peer-message.ts'
import { openLevelStore } from '../../src/io/level-store.ts'
import { DataDirectory } from '../../src/server/data-directory.ts'
import { type RunningServer, startServer } from '../../src/server/server.ts'
import { openServerStore } from '../../src/server/store/kv-server-store.ts'
import { MAIL_LIMITS } from '../../src/server/store/mail-store.ts'
import { memoryStore } from '../support/memory-store.ts'
import { PASSWORD, Somebody } from './support/somebody.ts'

describe('messages by mail', () => {
  let directory: string
  let server: RunningServer
  let alice: Somebody
  let bob: Somebody

  async function serve(port = 0): Promise<RunningServer> {
    return await startServer({
      dataDirectory: directory,
      listen: { host: '127.0.0.1', port },
      udp: { host: '127.0.0.1', port: 0 },
      isRegistrationOpen: true,
      clock: systemClock,
      random: systemRandom,
      logger: silentLogger,
    })
  }

  async function registered(handle: string): Promise<Somebody> {
    const person = new Somebody()
    await person.start()
    await person.daemon.register({ server: server.link, handle, password: PASSWORD })
    return person
  }

  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'holler-test-'))
    server = await serve()
    ;[alice, bob] = [await registered('alice'), await registered('bob')]
    await alice.daemon.requireAccount().requestBuddy('bob', '')
    await bob.event('buddy.request')
    const bobs = bob.daemon.requireAccount()
    await bobs.answerBuddy(bobs.archive.roster.require('alice'), 'buddy-accept')
    await alice.event('buddy.changed', ({ data }) => data['state'] === 'accepted')
  })

  afterEach(async () => {
    await Promise.all([alice.stop(), bob.stop()])
    await server.close()
    await rm(directory, { recursive: true, force: true })
  })

  it('hold up no introduction: a buddy waits for nothing that is being written', async () => {
    const held = memoryStore()
    const carol = new Somebody(held)
    await carol.start()
    await carol.daemon.register({ server: server.link, handle: 'carol', password: PASSWORD })
    await carol.daemon.requireAccount().requestBuddy('bob', '')
    await bob.event('buddy.request', ({ data }) => JSON.stringify(data).includes('carol'))
    const bobs = bob.daemon.requireAccount()
    await bobs.answerBuddy(bobs.archive.roster.require('carol'), 'buddy-accept')
    await carol.event('buddy.changed', ({ data }) => data['state'] === 'accepted')
    const carols = carol.daemon.requireAccount()
    const { number } = carols.archive.roster.require('bob')
    const { keys: device } = bob.daemon.device
    await bob.stop()
    await carol.until(() => carols.sessions.report(number) === undefined || undefined, 'the end')
    const get = held.get.bind(held)
    let release: () => void = () => undefined
    const released = new Promise<void>((resolve) => (release = resolve))
    held.get = async (key) => {
      await released
      return await get(key)
    }

    carols.handleNotice({
      kind: 'deliver',
      seq: 1,
      from: number,
      messageId: new Uint8Array(16),
      body: new Uint8Array(1),
    })
    carols.handleNotice({
      kind: 'introduced',
      from: number,
      session: new Uint8Array(16).fill(7),
      isAnswer: false,
      probeKey: staticKeyFromSeed(new Uint8Array(32).fill(7)).publicKey,
      candidates: [],
      device,
      startInMs: 0,
    })
    const isHeard = carols.sessions.report(number) !== undefined
    release()
    await carol.stop()

    assert.ok(isHeard)
  })

  it('wait at the server for a buddy who is away, and are confirmed when they are back', async () => {
    await bob.stop()
    const texts = Array.from({ length: 30 }, (_, index) => `text ${index}`)

    const sent = []
    for (const text of texts) sent.push(await alice.say('bob', text))
    for (const message of sent) await alice.hasState(message, 'at-server')
    await alice.stop()
    await bob.start()
    await bob.event('message.received', ({ data }) => data['text'] === 'text 29')
    const shown = bob.heard()
    await bob.stop()
    await alice.start()
    await bob.start()

    for (const message of sent) await alice.hasState(message, 'delivered')
    assert.deepEqual([shown, bob.heard()], [texts, texts])
    assert.equal(alice.daemon.requireAccount().archive.outbox.size, 0)
  })

  it('fail where the mailbox has no room for them, and say so', async () => {
    await bob.stop()
    const own = alice.daemon.requireAccount()
    const from = own.person.number
    const owner = own.archive.roster.require('bob').number
    const { port } = server.tcp
    await server.close()
    const store = await openServerStore(
      await openLevelStore(new DataDirectory(directory).storePath),
    )
    const { messages } = MAIL_LIMITS.sender
    const first = await store.mail.reserve(messages)
    const body = Uint8Array.of(1)
    const mails = Array.from({ length: messages }, (_, index) => {
      const messageId = Buffer.alloc(16)
      messageId.writeUInt32BE(index)
      const device = new Uint8Array(32)
      return store.mail.append({ owner, seq: first + index, from, device, messageId, body })
    })
    await Promise.all(mails)
    await store.close()
    server = await serve(port)

    const { id } = await alice.say('bob', 'one too many')
    await alice.event(
      'message.state',
      ({ data }) =>
        data['id'] === id && data['state'] === 'failed' && data['reason'] === 'mailbox-full',
    )

    assert.equal(own.archive.outbox.size, 0)
  })

  it('carry the longest text', async () => {
    await bob.stop()
    const text = 'ü\u0000'.repeat(MAX_TEXT_BYTES / 3)

    await alice.hasState(await alice.say('bob', text), 'at-server')
    await bob.start()

    await bob.event('message.received')
    assert.deepEqual(bob.heard(), [text])
  })

  it('are shown once, though they come live too', async () => {
    await bob.stop()
    const sent = await alice.say('bob', 'once')
    await alice.hasState(sent, 'at-server')

    await bob.start()
    await alice.hasState(sent, 'delivered')
    const second = await alice.say('bob', 'twice')
    await alice.hasState(second, 'delivered')

    assert.deepEqual(bob.heard(), ['once', 'twice'])
  })

  it('wait for the server when that is away too', async () => {
    await bob.stop()
    const port = server.tcp.port
    await server.close()
    const sent = await alice.say('bob', 'nobody is there')
    assert.equal(sent.state, 'queued')

    server = await serve(port)
    await alice.hasState(sent, 'at-server')
    await bob.start()

    await bob.event('message.received')
  })

  it('are told when they do not open, and asked for once more', async () => {
    await bob.stop()
    for await (const [key] of bob.store.range(everyKeyUnder('0001/prekey/'))) {
      await bob.store.write([{ kind: 'delete', key }])
    }
    const sent = await alice.say('bob', 'can you read this?')
    await alice.hasState(sent, 'at-server')

    await bob.start()
    await bob.event('message.undecryptable', ({ data }) => data['id'] === sent.id)
    await alice.hasState(sent, 'delivered')

    assert.deepEqual(bob.heard(), ['can you read this?'])
  })
})
