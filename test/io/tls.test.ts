import assert from 'node:assert/strict'
import { createServer as createHttpServer, type IncomingMessage } from 'node:http'
import { createServer } from 'node:net'
import type { Duplex } from 'node:stream'
import { once } from 'node:events'
import { connect as connectPlain, type AddressInfo, type Socket } from 'node:net'
import { connect as connectTlsRaw } from 'node:tls'
import { generate } from 'selfsigned'
import { sha256 } from '../../src/crypto/hash.ts'
import { toHex } from '../../src/core/bytes.ts'
import type { SecureStream } from '../../src/io/byte-stream.ts'
import { connectTls, listenTls, type TlsListener } from '../../src/io/tls.ts'
import { createPublicKey } from 'node:crypto'

const ALPN = 'holler-test/1'
const timeoutMs = 5_000

describe('connectTls() and listenTls()', () => {
  let certificate: { cert: string; private: string }
  let pin: Uint8Array
  let listener: TlsListener
  let accepted: Promise<SecureStream>
  let accept: (stream: SecureStream) => void

  /** `accepted` is the next stream from now on. */
  function awaitStream(): void {
    accepted = new Promise((resolve) => (accept = resolve))
  }

  before(async () => {
    certificate = await generate([{ name: 'commonName', value: 'holler' }], { keyType: 'ec' })
    const key = createPublicKey(certificate.cert)
    pin = sha256(key.export({ type: 'spki', format: 'der' }))
  })

  beforeEach(async () => {
    awaitStream()
    listener = await listenTls({
      address: '127.0.0.1',
      port: 0,
      certificatePem: certificate.cert,
      keyPem: certificate.private,
      alpn: [ALPN],
      onStream: (stream) => accept(stream),
    })
  })

  afterEach(async () => {
    await listener.close()
  })

  const target = (): { host: string; port: number; alpn: string; timeoutMs: number } => ({
    host: '127.0.0.1',
    port: listener.local.port,
    alpn: ALPN,
    timeoutMs,
  })

  describe('with tickets', () => {
    const ticketKeys = Buffer.alloc(48, 1)
    const WEEK_MS = 7 * 24 * 60 * 60 * 1000

    /** The listener ends and another begins in its place, as when a server restarts. */
    async function restart(keys: Uint8Array): Promise<void> {
      const { port } = listener.local
      await listener.close()
      listener = await listenTls({
        address: '127.0.0.1',
        port,
        certificatePem: certificate.cert,
        keyPem: certificate.private,
        alpn: [ALPN],
        tickets: { keys, lifeMs: WEEK_MS },
        onStream: (stream) => accept(stream),
      })
    }

    /** Connects, hears something (the tickets come before it), and goes. Was it by a ticket? */
    async function visit(): Promise<boolean> {
      awaitStream()
      const client = await connectTls({ ...target(), pin })
      const server = await accepted
      const heard = new Promise<void>((resolve) => client.onBytes(() => resolve()))
      server.write(Buffer.from('x'))
      await heard
      const gone = new Promise<string>((resolve) => server.onClose(resolve))
      client.destroy()
      await gone
      assert.equal(client.channel.isResumed, server.channel.isResumed)
      assert.equal(toHex(client.channel.exporter), toHex(server.channel.exporter))
      return client.channel.isResumed
    }

    it('resumes after a restart with the same keys; with others it is a whole handshake', async () => {
      await restart(ticketKeys)
      const outcomes = [await visit()]
      await restart(ticketKeys)
      outcomes.push(await visit())
      await restart(Buffer.alloc(48, 2))
      outcomes.push(await visit())
      await restart(Buffer.alloc(48, 2))
      outcomes.push(await visit())

      assert.deepEqual(outcomes, [false, true, false, true])
    })

    it('goes on with other keys, which another certificate does not change', async () => {
      await restart(ticketKeys)
      const outcomes = [await visit()]
      listener.setTicketKeys(Buffer.alloc(48, 3))
      outcomes.push(await visit())
      listener.setCertificate({ certificatePem: certificate.cert, keyPem: certificate.private })
      outcomes.push(await visit())

      assert.deepEqual(outcomes, [false, false, true])
    })

    it('uses each ticket once', async () => {
      await restart(ticketKeys)
      const outcomes = [await visit(), await visit(), await visit(), await visit()]

      assert.deepEqual(outcomes, [false, true, true, false])
    })

    it('keeps no ticket of a server that has another key than the pinned one', async () => {
      await restart(ticketKeys)
      for (let count = 0; count < 3; count++) {
        await assert.rejects(connectTls({ ...target(), pin: sha256(pin) }), {
          code: 'CERTIFICATE_REJECTED',
        })
      }
    })
  })

  it('serves another certificate from now on, and none that is not its key’s', async () => {
    const other = await generate([{ name: 'commonName', value: 'other' }], { keyType: 'ec' })
    const key = createPublicKey(other.cert)

    listener.setCertificate({ certificatePem: other.cert, keyPem: other.private })

    const otherPin = sha256(key.export({ type: 'spki', format: 'der' }))
    const client = await connectTls({ ...target(), pin: otherPin })
    client.destroy()
    assert.throws(() => {
      listener.setCertificate({ certificatePem: other.cert, keyPem: certificate.private })
    })
  })

  it('gives both ends the same exporter, and carries bytes until one closes', async () => {
    const client = await connectTls({ ...target(), pin })
    const server = await accepted
    const heard: string[] = []

    server.onBytes((bytes) => heard.push(Buffer.from(bytes).toString()))
    const why = new Promise<string>((resolve) => server.onClose(resolve))
    client.write(Buffer.from('hello'))
    client.close()

    assert.equal(await why, 'closed by the other end')
    assert.equal(heard.join(''), 'hello')
    assert.equal(client.channel.exporter.length, 32)
    assert.equal(toHex(client.channel.exporter), toHex(server.channel.exporter))
    assert.deepEqual(server.channel.remote, client.channel.local)
  })

  it('refuses a server whose key is not the pinned one', async () => {
    await assert.rejects(connectTls({ ...target(), pin: sha256(pin) }), {
      code: 'CERTIFICATE_REJECTED',
    })
  })

  it('refuses a self-signed certificate that no pin vouches for', async () => {
    await assert.rejects(connectTls(target()), {
      code: 'CERTIFICATE_REJECTED',
      message: /not trusted/,
    })
  })

  it('speaks nothing older than TLS 1.3', async () => {
    const socket = connectTlsRaw({
      host: '127.0.0.1',
      port: listener.local.port,
      maxVersion: 'TLSv1.2',
      rejectUnauthorized: false,
    })

    const [error] = (await once(socket, 'error')) as [NodeJS.ErrnoException]

    assert.match(String(error.code), /PROTOCOL_VERSION|ECONNRESET/)
  })

  it('closes a client that offers no protocol of ours', async () => {
    const socket = connectTlsRaw({
      host: '127.0.0.1',
      port: listener.local.port,
      rejectUnauthorized: false,
    })
    socket.on('error', () => undefined)

    await once(socket, 'close')
  })

  it('lets who comes too early wait until it is ready', async () => {
    const held = await listenTls({
      ...{ address: '127.0.0.1', port: 0, alpn: [ALPN], isHeld: true },
      ...{ certificatePem: certificate.cert, keyPem: certificate.private },
      onStream: (stream) => stream.onBytes(() => undefined), // it closes with the client
    })
    let isIn = false
    const early = connectTls({ ...target(), port: held.local.port, pin }).then((stream) => {
      isIn = true
      return stream
    })
    // What is done elsewhere meanwhile would have been enough for it.
    for (let count = 0; count < 5; count++) (await connectTls({ ...target(), pin })).destroy()
    const wasIn = isIn

    held.admit()
    const client = await early
    client.destroy()
    await held.close()
    assert.equal(wasIn, false)
  })

  it('says that nothing listens there', async () => {
    await listener.close()

    await assert.rejects(connectTls({ ...target(), pin }), {
      code: 'SERVER_UNREACHABLE',
      message: /ECONNREFUSED/,
    })
    listener = await listenTls({
      address: '127.0.0.1',
      port: 0,
      certificatePem: certificate.cert,
      keyPem: certificate.private,
      alpn: [ALPN],
      onStream: () => undefined,
    })
  })

  describe('through an HTTP proxy', () => {
    /** Answers CONNECT so, and notes what was asked. */
    async function withProxy(
      answer: (socket: Duplex, authority: string) => void,
      body: (proxy: { host: string; port: number }, asked: IncomingMessage[]) => Promise<void>,
    ): Promise<void> {
      const asked: IncomingMessage[] = []
      const held: Duplex[] = []
      const proxy = createHttpServer().listen(0, '127.0.0.1')
      await once(proxy, 'listening')
      proxy.on('connect', (message, socket) => {
        asked.push(message)
        held.push(socket)
        socket.on('error', () => undefined)
        answer(socket, message.url ?? '')
      })
      try {
        await body({ host: '127.0.0.1', port: (proxy.address() as AddressInfo).port }, asked)
      } finally {
        for (const socket of held) socket.destroy()
        proxy.close()
        await once(proxy, 'close')
      }
    }

    const tunnel = (socket: Duplex, authority: string): void => {
      const [host, port] = authority.split(':')
      const onward = connectPlain({ host: host ?? '', port: Number(port) })
      onward.on('error', () => undefined)
      socket.on('close', () => onward.destroy())
      socket.write('HTTP/1.1 200 Connection established\r\n\r\n')
      socket.pipe(onward).pipe(socket)
    }

    it('reaches the server itself: the pin and the exporter are the server’s', async () => {
      await withProxy(tunnel, async (proxy, asked) => {
        const authorization = 'Basic YWxpY2U6c2VjcmV0'
        const client = await connectTls({ ...target(), pin, proxy: { ...proxy, authorization } })
        const server = await accepted
        const heard = new Promise<string>((resolve) => {
          server.onBytes((bytes) => resolve(Buffer.from(bytes).toString()))
        })
        client.write(Buffer.from('hello'))

        assert.equal(await heard, 'hello')
        assert.equal(toHex(client.channel.exporter), toHex(server.channel.exporter))
        assert.equal(client.channel.remote.port, proxy.port)
        assert.equal(asked[0]?.url, `127.0.0.1:${listener.local.port}`)
        assert.equal(asked[0].headers['proxy-authorization'], authorization)
        client.destroy()
      })
    })

    it('says what the proxy answers', async () => {
      const refuse = (socket: Duplex): void => {
        socket.end('HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n')
      }
      await withProxy(refuse, async (proxy) => {
        await assert.rejects(connectTls({ ...target(), pin, proxy }), {
          code: 'SERVER_UNREACHABLE',
          message: /through the proxy .*407 Proxy Authentication Required/,
        })
      })
    })

    it('gives up on a proxy that says nothing, nonsense, or a head without end', async () => {
      const answers = [
        () => undefined,
        (socket: Duplex) => void socket.write('SSH-2.0-OpenSSH\r\n'),
        (socket: Duplex) => void socket.write(`HTTP/1.1 200 OK\r\nX: ${'x'.repeat(100_000)}`),
      ]
      for (const answer of answers) {
        await withProxy(answer, async (proxy) => {
          const attempt = connectTls({ ...target(), pin, proxy, timeoutMs: 300 })
          await assert.rejects(attempt, { code: 'SERVER_UNREACHABLE' })
        })
      }
    })

    it('gives up sooner where it has not reached the server', async () => {
      await withProxy(
        () => undefined,
        async (proxy) => {
          const limits = { reachMs: 50, timeoutMs: 600_000 }
          await assert.rejects(connectTls({ ...target(), pin, proxy, ...limits }), {
            code: 'SERVER_UNREACHABLE',
            message: /no answer in time/,
          })
        },
      )
    })

    it('trusts nobody in between', async () => {
      await withProxy(tunnel, async (proxy) => {
        await assert.rejects(connectTls({ ...target(), pin: sha256(pin), proxy }), {
          code: 'CERTIFICATE_REJECTED',
        })
      })
    })
  })

  it('gives up on a server that accepts and says nothing, later than on one that does not accept', async () => {
    const mute = createServer().listen(0, '127.0.0.1')
    await once(mute, 'listening')
    const { port } = mute.address() as AddressInfo
    const held: { destroy(): unknown }[] = []
    mute.on('connection', (socket) => held.push(socket))
    const begunAt = performance.now()

    await assert.rejects(connectTls({ ...target(), port, reachMs: 50, timeoutMs: 300 }), {
      code: 'SERVER_UNREACHABLE',
      message: /no answer in time/,
    })
    assert.ok(performance.now() - begunAt > 250)
    for (const socket of held) socket.destroy()
    mute.close()
  })

  it('survives garbage instead of a handshake', async () => {
    const socket = connectPlain({ host: '127.0.0.1', port: listener.local.port })
    socket.on('error', () => undefined)
    socket.write('GET / HTTP/1.0\r\n\r\n')
    socket.resume()
    await once(socket, 'close')

    const client = await connectTls({ ...target(), pin })
    client.destroy()
  })

  it('lets a login in past 300 connections that say nothing; of more the oldest makes room', async () => {
    const silent: Socket[] = []
    const saySilence = async (): Promise<void> => {
      const socket = connectPlain({ host: '127.0.0.1', port: listener.local.port })
      socket.on('error', () => undefined)
      socket.resume()
      silent.push(socket)
      await once(socket, 'connect')
    }
    for (let count = 0; count < 300; count++) await saySilence()
    const [oldest] = silent
    assert.ok(oldest !== undefined)
    const oldestHasGone = once(oldest, 'close')

    const client = await connectTls({ ...target(), pin })

    await saySilence()
    await oldestHasGone
    assert.equal(silent.filter(({ destroyed }) => destroyed).length, 1)
    for (const socket of silent) socket.destroy()
    client.destroy()
  })

  it('takes no stream whose handshake is done for one that makes room', async () => {
    const clients: SecureStream[] = []
    let cut = 0
    try {
      for (let count = 0; count < 301; count++) {
        const client = await connectTls({ ...target(), pin })
        client.onClose(() => (cut += 1))
        clients.push(client)
      }

      assert.equal(cut, 0)
    } finally {
      for (const client of clients) client.destroy() // one that stands keeps the listener from closing
    }
  }).timeout(60_000) // 301 handshakes, on a machine that others use

  it('says which port is taken', async () => {
    await assert.rejects(
      listenTls({
        address: '127.0.0.1',
        port: listener.local.port,
        certificatePem: certificate.cert,
        keyPem: certificate.private,
        alpn: [ALPN],
        onStream: () => undefined,
      }),
      { code: 'PORT_TAKEN', message: /already in use/ },
    )
  })
})
