import assert from 'node:assert/strict'
import type { LogFields, Logger } from '../../src/core/logger.ts'
import { encodeClientMessage } from '../../src/protocol/server/encode.ts'
import type { Goodbye } from '../../src/protocol/server/messages.ts'
import { encodeFrame } from '../../src/tcp/frame.ts'
import type { TestClient } from './support/test-client.ts'
import { verifierOf } from './support/test-device.ts'
import { memoryStore } from '../support/memory-store.ts'
import { TestServer } from './support/test-server.ts'

function goodbyeOf(client: TestClient): Goodbye['reason'] | undefined {
  return client.find('goodbye')?.reason
}

describe('a session before login', () => {
  it('ends after 10 s, whatever was said meanwhile', async () => {
    const server = await TestServer.start()
    const silent = server.connect()
    const busy = server.connect()

    await server.time.pass(6_000)
    await busy.say({ kind: 'register', handle: 'busy', verifier: verifierOf('x') })
    await server.time.pass(3_999)
    assert.deepEqual([silent.isClosed, busy.isClosed], [false, false])
    await server.time.pass(1)

    assert.deepEqual([goodbyeOf(silent), goodbyeOf(busy)], ['timeout', 'timeout'])
    assert.deepEqual([silent.isClosed, busy.isClosed], [true, true])
  })

  it('ends at whatever only a logged-in client may say', async () => {
    const server = await TestServer.start()
    for (const message of [
      { kind: 'ping', id: 1 },
      { kind: 'logout', id: 1 },
      { kind: 'buddy-request', id: 1, to: 'alice', note: '' },
    ] as const) {
      const client = server.connect()

      await client.say(message)

      assert.deepEqual(
        client.heard.map(({ kind }) => kind),
        ['error', 'goodbye'],
      )
      assert.equal(goodbyeOf(client), 'protocol-error')
    }
  })

  it('ends at what is out of sequence', async () => {
    const server = await TestServer.start()
    await server.accounts('alice')
    const response = {
      kind: 'response',
      scram: 'c=x',
      deviceSignature: new Uint8Array(64),
    } as const
    const register = { kind: 'register', handle: 'bob', verifier: verifierOf('x') } as const
    const early = server.connect()
    const twice = server.connect()
    const late = await server.online('alice')

    await early.say(response)
    await twice.say(register)
    await twice.say({ ...register, handle: 'carol' })
    await late.say(register)

    assert.deepEqual([early, twice, late].map(goodbyeOf), [
      'protocol-error',
      'protocol-error',
      'protocol-error',
    ])
  })

  it('ends at a frame beyond 4 KiB, before it has come', async () => {
    const server = await TestServer.start()
    const client = server.connect()
    const header = Buffer.alloc(4)
    header.writeUInt32BE(4097)

    await client.sayBytes(header)

    assert.equal(goodbyeOf(client), 'protocol-error')
  })

  it('ends at the ninth message', async () => {
    const server = await TestServer.start({ isRegistrationOpen: false })
    const client = server.connect()

    for (let count = 0; count < 8; count++) {
      await client.say({ kind: 'register', handle: 'x', verifier: verifierOf('x') })
    }
    assert.equal(goodbyeOf(client), undefined)
    await client.say({ kind: 'register', handle: 'x', verifier: verifierOf('x') })

    assert.equal(goodbyeOf(client), 'protocol-error')
  })

  it('is cut, the oldest first, where one network has more than 256', async () => {
    const server = await TestServer.start()
    const elsewhere = server.connect('203.0.113.9:1000')
    const clients = Array.from({ length: 257 }, (_, n) => server.connect(`192.0.2.${n % 250}:1000`))

    assert.deepEqual(
      clients.filter(({ isClosed }) => isClosed),
      [clients[0]],
    )
    assert.ok(!elsewhere.isClosed)
    assert.equal(server.switchboard.stats.strangers, 257)
  })
})

describe('a session', () => {
  async function online(): Promise<{ server: TestServer; client: TestClient }> {
    const server = await TestServer.start()
    await server.accounts('alice')
    const client = await server.online('alice')
    client.forget()
    return { server, client }
  }

  it('answers pings with the time, in order', async () => {
    const { server, client } = await online()
    const pings = [1, 2, 3].map((id) => encodeFrame(encodeClientMessage({ kind: 'ping', id })))

    await client.sayBytes(Buffer.concat(pings))

    const timeMs = server.time.wallNow()
    assert.deepEqual(
      client.heard,
      [1, 2, 3].map((id) => ({ kind: 'pong', id, timeMs })),
    )
  })

  it('handles messages in order, wherever the stream is cut', async () => {
    const { client } = await online()
    const stream = Buffer.concat([
      encodeFrame(encodeClientMessage({ kind: 'ping', id: 1 })),
      encodeFrame(encodeClientMessage({ kind: 'buddy-request', id: 2, to: 'nobody', note: '' })),
      encodeFrame(encodeClientMessage({ kind: 'ping', id: 3 })),
    ])

    for (const byte of stream) await client.sayBytes(Uint8Array.of(byte))

    assert.deepEqual(
      client.heard.map(({ kind }) => kind),
      ['pong', 'error', 'pong'],
    )
  })

  it('answers what it does not know with unsupported, and goes on', async () => {
    const { client } = await online()

    await client.sayXml('<telepathy id="7" to="10002"/>')
    await client.sayXml('<ping id="8"/>')

    assert.deepEqual(
      client.heard.map((message) => [message.kind, 'id' in message ? message.id : undefined]),
      [
        ['error', 7],
        ['pong', 8],
      ],
    )
    assert.equal(client.last('error').code, 'unsupported')
  })

  it('does not know what only a server may say', async () => {
    const { client } = await online()

    await client.sayXml(
      '<presence snapshot="false"><buddy number="10001" state="away" text=""/></presence>',
    )
    await client.sayXml('<buddy-removed number="10001"/>')

    assert.deepEqual(
      client.all('error').map(({ code }) => code),
      ['unsupported', 'unsupported'],
    )
  })

  it('tells a request with a field out of bounds by its number', async () => {
    const { client } = await online()

    await client.sayXml('<set-presence id="9" state="offline" text=""/>')

    assert.equal(client.last('error').id, 9)
    assert.equal(client.last('error').code, 'malformed')
    assert.ok(!client.isClosed)
  })

  it('ends at what is not the protocol at all', async () => {
    for (const xml of [
      '<!DOCTYPE x [<!ENTITY a "b">]><ping id="1"/>',
      '<ping id="1">',
      '<ping/>',
      'GET / HTTP/1.1',
      '\u0000',
    ]) {
      const { client } = await online()

      await client.sayXml(xml)

      assert.equal(goodbyeOf(client), 'protocol-error', xml)
      assert.ok(client.isClosed)
    }
  })

  it('ends 60 s after the last sign of life, having asked for one', async () => {
    const { server, client } = await online()

    await server.time.pass(44_999)
    assert.equal(client.all('ping').length, 0)
    await server.time.pass(1)
    assert.equal(client.all('ping').length, 1)
    await server.time.pass(14_999)
    assert.ok(!client.isClosed)
    await server.time.pass(1)

    assert.equal(goodbyeOf(client), 'timeout')
  })

  it('says that it lives while a request waits for the disk', async () => {
    const disk = memoryStore()
    const server = await TestServer.start({ store: disk })
    await server.accounts('alice', 'bob')
    const client = await server.online('alice')
    client.forget()
    let goOn: () => void = () => undefined
    const write = disk.write.bind(disk)
    disk.write = async (changes) => {
      await new Promise<void>((resolve) => (goOn = resolve))
      await write(changes)
    }

    await client.say({ kind: 'buddy-request', id: 1, to: 'bob', note: '' })
    await server.time.pass(1_999)
    assert.equal(client.all('ping').length, 0)
    for (let second = 2; second <= 8; second++) await server.time.pass(1_000)
    assert.equal(client.all('ping').length, 4)

    goOn()
    await server.time.pass(10_000)
    assert.equal(client.last('ok').id, 1)
    assert.equal(client.all('ping').length, 4)
  })

  it('lives on any sign of life', async () => {
    const { server, client } = await online()

    for (let minute = 0; minute < 10; minute++) {
      await server.time.pass(50_000)
      await client.say({ kind: 'pong', id: client.last('ping').id, timeMs: 0 })
    }

    assert.ok(!client.isClosed)
  })

  it('is cut 20 s after a frame has begun that does not end', async () => {
    const { server, client } = await online()
    const frame = encodeFrame(encodeClientMessage({ kind: 'ping', id: 1 }))

    await client.sayBytes(frame.subarray(0, 5))
    await server.time.pass(19_000)
    await client.sayBytes(frame.subarray(5, 6))
    await server.time.pass(999)
    assert.ok(!client.isClosed)
    await server.time.pass(1)

    assert.ok(client.isClosed)
  })

  it('is cut when it does not read for 30 s, though it says it lives', async () => {
    const { server, client } = await online()

    client.end.stopReading()
    await client.say({ kind: 'ping', id: 1 })
    await server.time.pass(20_000)
    await client.say({ kind: 'ping', id: 2 })
    await server.time.pass(9_999)
    assert.ok(!client.isClosed)
    await server.time.pass(1)

    assert.ok(client.isClosed)
  })

  it('is not cut when it reads slowly', async () => {
    const { server, client } = await online()

    for (let round = 0; round < 10; round++) {
      client.end.stopReading()
      await client.say({ kind: 'ping', id: round + 1 })
      await server.time.pass(25_000)
      client.end.readOn()
    }

    assert.ok(!client.isClosed)
    assert.equal(client.all('pong').length, 10)
  })

  it('slows a flood down to 50 messages a second, without losing one', async () => {
    const { server, client } = await online()
    const pings = Array.from({ length: 356 }, (_, n) =>
      encodeFrame(encodeClientMessage({ kind: 'ping', id: n + 1 })),
    )

    await client.sayBytes(Buffer.concat(pings))
    const atOnce = client.all('pong').length
    await server.time.pass(1_000)
    const afterOneSecond = client.all('pong').length
    await server.time.pass(2_000)

    assert.ok(atOnce <= 256, String(atOnce))
    assert.ok(Math.abs(afterOneSecond - atOnce - 50) <= 1, String(afterOneSecond - atOnce))
    assert.deepEqual(
      client.all('pong').map(({ id }) => id),
      pings.map((_, n) => n + 1),
    )
  })

  it('counts a long message as one for each KiB', async () => {
    const { server, client } = await online()
    const long = encodeFrame(Buffer.from(`<ping id="1">${' '.repeat(63 * 1024)}</ping>`))

    await client.sayBytes(Buffer.concat(Array.from({ length: 8 }, () => long)))
    assert.equal(client.all('pong').length, 4)
    await server.time.pass(5_120)

    assert.equal(client.all('pong').length, 8)
  })

  it('ends at a message with more elements than any of ours needs', async () => {
    const fits = await online()
    const stuffed = await online()

    await fits.client.sayXml(`<ping id="1">${'<b/>'.repeat(63)}</ping>`)
    await stuffed.client.sayXml(`<ping id="1">${'<b/>'.repeat(64)}</ping>`)

    assert.equal(fits.client.all('pong').length, 1)
    assert.equal(goodbyeOf(stuffed.client), 'protocol-error')
  })

  it('says ok and goodbye to a logout', async () => {
    const { client } = await online()

    await client.say({ kind: 'logout', id: 5 })

    assert.deepEqual(client.heard, [
      { kind: 'ok', id: 5 },
      { kind: 'goodbye', reason: 'logged-out', retryAfterMs: 0 },
    ])
  })

  it('is told when the server restarts, and when to come back', async () => {
    const { server, client } = await online()
    const stranger = server.connect()

    server.switchboard.close()

    assert.equal(goodbyeOf(client), 'restarting')
    assert.equal(goodbyeOf(stranger), 'restarting')
    assert.ok((client.find('goodbye')?.retryAfterMs ?? 0) >= 500)
    assert.ok(server.connect().isClosed)
  })

  it('leaves nothing of what a client chose in the log as it was', async () => {
    const lines: string[] = []
    const note = (message: string, fields?: LogFields): void => {
      lines.push(`${message} ${JSON.stringify(fields)}`)
    }
    const logger: Logger = { debug: note, info: note, warn: note, error: note }
    const server = await TestServer.start({ logger })
    await server.accounts('alice')

    await server.connect().login({ user: 'alice', client: 'evil\u202e client/\u00e9' })
    await server.connect().login({ user: 'bob\u202e', password: 'super secret' })

    const log = lines.join('\n')
    assert.match(log, /evil\\\\u\{202e\} client/)
    assert.doesNotMatch(log, /[^\x20-\x7e\n]|super secret/)
  })
})
