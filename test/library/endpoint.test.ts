import { strict as assert } from 'node:assert'
import { once } from 'node:events'
import { randomBytes } from 'node:crypto'
import { text } from 'node:stream/consumers'
import { pipeline } from 'node:stream/promises'
import {
  connect,
  ConnectionClosedError,
  Endpoint,
  type EndpointOptions,
  listen,
  publicKeyOf,
  type ReliableConnection,
  type ReliableStream,
  StreamResetError,
} from '../../src/library/reliable-udp.ts'

const LOCAL = { address: '127.0.0.1', port: 0 } as const

interface Pair {
  readonly server: Endpoint
  readonly client: Endpoint
  /** Both ends of one connection. */
  readonly here: ReliableConnection
  readonly there: ReliableConnection
}

describe('holler/reliable-udp', () => {
  const opened: Endpoint[] = []

  afterEach(async () => {
    await Promise.all(opened.splice(0).map((endpoint) => endpoint.close()))
  })

  async function open(more: Partial<EndpointOptions> = {}): Promise<Endpoint> {
    const endpoint = await Endpoint.open({ secretKey: randomBytes(32), sockets: [LOCAL], ...more })
    opened.push(endpoint)
    return endpoint
  }

  async function pair(): Promise<Pair> {
    const server = await open({ accept: () => true, payload: Buffer.from('server') })
    const client = await open({ payload: Buffer.from('client') })
    const [coming, here] = await Promise.all([
      once(server, 'connection') as Promise<[ReliableConnection]>,
      client.connect({ ...portOf(server), remoteStatic: server.publicKey }),
    ])
    return { server, client, here, there: coming[0] }
  }

  function portOf(endpoint: Endpoint): { readonly address: string; readonly port: number } {
    const [first] = endpoint.addresses
    assert.ok(first !== undefined)
    return first
  }

  async function streams(
    { here, there }: Pair,
    first = 'hi',
  ): Promise<readonly [ReliableStream, ReliableStream]> {
    const ours = here.openStream({ priority: 'chat' })
    ours.write(first)
    const [theirs] = (await once(there, 'stream')) as [ReliableStream]
    for (const stream of [ours, theirs]) stream.on('error', () => undefined) // not every test is about them
    return [ours, theirs]
  }

  it('tells both sides who the other is and what it says', async () => {
    const { server, client, here, there } = await pair()

    assert.deepEqual(here.remoteStatic, Uint8Array.from(server.publicKey))
    assert.deepEqual(there.remoteStatic, Uint8Array.from(client.publicKey))
    assert.equal(Buffer.from(here.remotePayload).toString(), 'server')
    assert.equal(Buffer.from(there.remotePayload).toString(), 'client')
    assert.deepEqual([here.isIncoming, there.isIncoming], [false, true])
  })

  it('works without a pinned key, and lets the caller refuse whom it finds', async () => {
    const server = await open({ accept: () => true })
    const client = await open()
    const found = await client.connect({ ...portOf(server), accept: () => true })
    assert.deepEqual(found.remoteStatic, Uint8Array.from(server.publicKey))

    const signal = AbortSignal.timeout(200)
    const refused = client.connect({ ...portOf(server), accept: () => false, signal })
    await assert.rejects(refused, { name: 'TimeoutError' })
  })

  it('carries a stream both ways, each half with its own end', async () => {
    const both = await pair()
    const [ours, theirs] = await streams(both)
    ours.end(' there')
    // Not by async iteration, which destroys what it has read to the end.
    let heard = ''
    theirs.setEncoding('utf8').on('data', (part: string) => (heard += part))
    await once(theirs, 'end')
    assert.equal(heard, 'hi there')

    assert.ok(theirs.writable)
    theirs.end('bye')
    assert.equal(await text(ours), 'bye')
  })

  it('carries one-way streams of every priority', async () => {
    const { here, there } = await pair()
    for (const priority of ['control', 'chat', 'bulk'] as const) {
      const out = here.openStream({ priority, direction: 'unidirectional' })
      assert.equal(out.readable, false)
      out.end(priority)
      const [stream] = (await once(there, 'stream')) as [ReliableStream]
      assert.equal(stream.writable, false)
      assert.equal(stream.priority, priority)
      assert.equal(await text(stream), priority)
    }
  })

  it('holds a writer back whose reader does not read, and loses nothing', async () => {
    const both = await pair()
    const [ours, theirs] = await streams(both, 'x')
    const chunk = Buffer.alloc(64 * 1024, 7)
    let written = 1
    const isFull = async (): Promise<boolean> => {
      written += chunk.length
      if (ours.write(chunk)) return false
      const drained = once(ours, 'drain').then(() => false)
      return await Promise.race([drained, new Promise<boolean>((r) => setTimeout(r, 300, true))])
    }
    while (!(await isFull())) assert.ok(written < 64 * 1024 * 1024, 'never held back')
    // Both windows, what either stream buffers, and no more.
    assert.ok(written < 8 * 1024 * 1024, `${written} bytes were taken`)
    ours.end()
    let read = 0
    for await (const bytes of theirs) read += (bytes as Buffer).length
    assert.equal(read, written)
  })

  it('a destroyed stream is reset at the other side, with its code', async () => {
    const [ours, theirs] = await streams(await pair())
    theirs.resume()
    const failed = once(theirs, 'error') as Promise<[StreamResetError]>
    ours.destroy(new StreamResetError(42))
    const [error] = await failed

    assert.equal(error.applicationCode, 42)
    assert.ok(theirs.destroyed)
  })

  it('an abort signal destroys a stream', async () => {
    const { here, there } = await pair()
    const controller = new AbortController()
    const stream = here.openStream({ signal: controller.signal })
    stream.write('x')
    const [theirs] = (await once(there, 'stream')) as [ReliableStream]
    theirs.resume()
    const aborted = once(stream, 'error') as Promise<[Error]>
    const reset = once(theirs, 'error')
    controller.abort()

    assert.equal((await aborted)[0].name, 'AbortError')
    await reset
  })

  it('tells of a stream that nothing passed through', async () => {
    const [ours] = await streams(await pair())
    await new Promise<void>((resolve) => ours.setTimeout(30, resolve))
    assert.ok(!ours.destroyed)
  })

  it('carries datagrams', async () => {
    const { here, there } = await pair()
    const came = once(there, 'datagram') as Promise<[Uint8Array]>
    assert.ok(here.sendDatagram(Buffer.from('maybe')))
    assert.equal(Buffer.from((await came)[0]).toString(), 'maybe')
    assert.equal(here.sendDatagram(Buffer.alloc(1025)), false)
  })

  it('closes with a code and a reason, which the other side and its streams learn', async () => {
    const both = await pair()
    const [ours, theirs] = await streams(both)
    const failed = once(theirs, 'error') as Promise<[ConnectionClosedError]>
    const told = both.there.closed
    const closed = await both.here.close(9, 'enough')

    assert.deepEqual(await told, { reason: 'peer', code: 9, text: 'enough' })
    assert.equal(closed.reason, 'local')
    assert.equal((await failed)[0].info.text, 'enough')
    assert.ok(ours.destroyed)
    assert.throws(() => both.here.openStream(), ConnectionClosedError)
  })

  it('survives a new socket in the middle of a file', async () => {
    const both = await pair()
    const stream = both.here.openStream({ direction: 'unidirectional' })
    const file = randomBytes(1_000_000)
    stream.end(file)
    const [theirs] = (await once(both.there, 'stream')) as [ReliableStream]
    const moved = once(both.there, 'path') as Promise<[{ port: number }]>
    const parts: Buffer[] = []
    for await (const part of theirs) {
      if (parts.length === 0) await both.client.rebind(LOCAL)
      parts.push(part as Buffer)
    }

    assert.ok(Buffer.concat(parts).equals(file))
    assert.equal((await moved)[0].port, both.client.addresses.at(-1)?.port)
  })

  it('makes one connection of two endpoints that connect to each other', async () => {
    const [a, b] = [await open(), await open()]
    const [here, there] = await Promise.all([a.connect(portOf(b)), b.connect(portOf(a))])
    const stream = here.openStream()
    stream.end('found')
    const [theirs] = (await once(there, 'stream')) as [ReliableStream]

    assert.equal(await text(theirs), 'found')
    assert.deepEqual([a.stats.connections, b.stats.connections], [1, 1])
  })

  it('a restarted server ends its clients’ connections as soon as they speak', async () => {
    const secretKey = randomBytes(32)
    const first = await listen({ secretKey, sockets: [LOCAL], accept: () => true })
    const where = portOf(first)
    const client = await open()
    const connection = await client.connect({ ...where, remoteStatic: publicKeyOf(secretKey) })
    connection.keepAlive(50)
    // Gone without a word: its packets find nobody.
    const path = connection.remote
    const reborn = await open({ secretKey, accept: () => true })
    connection.migrate({ to: { ...path, port: portOf(reborn).port } })

    assert.equal((await connection.closed).reason, 'reset')
    await first.close()
  })

  it('one connection may be had without an endpoint, and takes its socket with it', async () => {
    const server = await open({ accept: () => true })
    server.on('connection', (incoming) => {
      incoming.on('stream', (stream) => void pipeline(stream, stream).catch(() => undefined))
    })
    const connection = await connect({
      ...portOf(server),
      address: 'localhost',
      secretKey: randomBytes(32),
      remoteStatic: server.publicKey,
    })
    const stream = connection.openStream()
    stream.end('echo')

    assert.equal(await text(stream), 'echo')
    await connection.close()
  })

  it('says why it cannot be opened or connected', async () => {
    await assert.rejects(open({ secretKey: randomBytes(31) }), TypeError)
    const endpoint = await open()
    await assert.rejects(open({ sockets: [portOf(endpoint)] }), { code: 'PORT_TAKEN' })
    const lost = endpoint.connect({ address: 'nowhere.invalid', port: 1 })
    await assert.rejects(lost, { code: 'NOT_FOUND' })
    await assert.rejects(
      connect({
        ...portOf(endpoint),
        secretKey: randomBytes(32),
        signal: AbortSignal.timeout(100),
      }),
      {
        name: 'TimeoutError',
      },
    )
  })
})
