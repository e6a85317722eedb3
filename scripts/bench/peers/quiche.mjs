/** quiche (Cloudflare's QUIC in Rust) by @matrixai/quic, as it comes: web streams of JavaScript over its packets. */
import { createHmac, randomFillSync } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { events, QUICClient, QUICServer } from '@matrixai/quic'
import { Pipe } from '../pipe.mjs'

const NAMES = ['bulk', 'chat']
/** Writes that may be on their way into the stream. */
const HIGH_WATER_BYTES = 1024 * 1024

export async function connect(role, { own, peer, certificate }) {
  const pipes = {}
  const kept = []
  if (role === 'server') {
    const server = new QUICServer({
      crypto: { key: Buffer.alloc(32, 7), ops: serverCrypto },
      config: {
        key: readFileSync(certificate.key, 'utf8'),
        cert: readFileSync(certificate.certificate, 'utf8'),
      },
    })
    kept.push(server)
    const complete = new Promise((resolve) => {
      server.addEventListener(events.EventQUICServerConnection.name, ({ detail: connection }) => {
        kept.push(connection)
        connection.addEventListener(events.EventQUICConnectionStream.name, (event) => {
          void named(event.detail, pipes).then(() => {
            if (NAMES.every((name) => pipes[name] !== undefined)) resolve()
          })
        })
      })
    })
    await server.start({ host: own.address, port: own.port })
    process.send({ kind: 'listening' })
    await complete
  } else {
    const client = await QUICClient.createQUICClient({
      host: peer.address,
      port: peer.port,
      localHost: own.address,
      crypto: { ops: { randomBytes } },
      config: { verifyPeer: false },
    })
    kept.push(client)
    for (const [index, name] of NAMES.entries()) {
      const stream = client.connection.newStream()
      const writer = stream.writable.getWriter()
      await writer.write(Uint8Array.of(index))
      pipes[name] = pipeOf(stream.readable.getReader(), writer)
    }
  }
  return { ...pipes, kept, close: async () => undefined }
}

/** The first byte of a stream says which it is. */
async function named(stream, pipes) {
  const reader = stream.readable.getReader()
  const { value } = await reader.read()
  const pipe = pipeOf(reader, stream.writable.getWriter())
  pipes[NAMES[value[0]]] = pipe
  if (value.length > 1) pipe.emit('data', value.subarray(1))
}

function pipeOf(reader, writer) {
  let waiting = 0
  let isFull = false
  const pipe = new Pipe((bytes) => {
    waiting += bytes.length
    writer.write(bytes).then(
      () => {
        waiting -= bytes.length
        if (!isFull || waiting > HIGH_WATER_BYTES / 2) return
        isFull = false
        pipe.emit('drain')
      },
      () => undefined,
    )
    isFull = waiting >= HIGH_WATER_BYTES
    return !isFull
  })
  void readAll(reader, pipe)
  return pipe
}

async function readAll(reader, pipe) {
  try {
    for (;;) {
      const { value, done } = await reader.read()
      if (done) return
      pipe.emit('data', Buffer.from(value))
    }
  } catch {
    // The other side has gone: the run is over.
  }
}

async function randomBytes(data) {
  randomFillSync(new Uint8Array(data))
}

const mac = (key, data) => createHmac('sha256', Buffer.from(key)).update(Buffer.from(data)).digest()

/** For address validation tokens. */
const serverCrypto = {
  sign: async (key, data) => Uint8Array.from(mac(key, data)).buffer,
  verify: async (key, data, signature) => mac(key, data).equals(Buffer.from(signature)),
}
