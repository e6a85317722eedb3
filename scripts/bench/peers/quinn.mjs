/** quinn (Rust QUIC) by the native half of @chainsafe/libp2p-quic, without the libp2p streams around it. */
import { generateKeyPair, privateKeyToProtobuf } from '@libp2p/crypto/keys'
import { defaultOptions } from '@chainsafe/libp2p-quic'
import { Pipe } from '../pipe.mjs'

// Not among the package's exports.
const napiUrl = new URL('./napi.js', import.meta.resolve('@chainsafe/libp2p-quic'))
const { Client, QuinnConfig, Server } = await import(napiUrl)

const READ_BYTES = 64 * 1024
/** Writes that may be on their way into the other thread. */
const HIGH_WATER_BYTES = 1024 * 1024

export async function connect(role, { own, peer }) {
  const privateKeyProto = privateKeyToProtobuf(await generateKeyPair('Ed25519'))
  const config = new QuinnConfig({ ...defaultOptions, privateKeyProto })
  const kept = []
  const pipes = {}
  if (role === 'server') {
    const server = new Server(config, own.address, own.port)
    process.send({ kind: 'listening' })
    const connection = await server.inboundConnection()
    kept.push(server, connection)
    while (pipes.bulk === undefined || pipes.chat === undefined) {
      const stream = await connection.inboundStream()
      const [first] = await stream.read(1)
      pipes[first === 0 ? 'bulk' : 'chat'] = pipeOf(stream)
    }
  } else {
    const client = new Client(config, 0)
    const connection = await client.outboundConnection(peer.address, peer.port)
    kept.push(client, connection)
    for (const [index, name] of ['bulk', 'chat'].entries()) {
      const stream = await connection.outboundStream()
      await stream.write(Uint8Array.of(index))
      pipes[name] = pipeOf(stream)
    }
  }
  return { ...pipes, kept, close: async () => undefined }
}

function pipeOf(stream) {
  let waiting = 0
  let isFull = false
  let last = Promise.resolve()
  const pipe = new Pipe((bytes) => {
    waiting += bytes.length
    last = last
      .then(() => stream.write(bytes))
      .then(() => {
        waiting -= bytes.length
        if (!isFull || waiting > HIGH_WATER_BYTES / 2) return
        isFull = false
        pipe.emit('drain')
      })
      .catch(() => undefined)
    isFull = waiting >= HIGH_WATER_BYTES
    return !isFull
  })
  void readAll(stream, pipe)
  return pipe
}

async function readAll(stream, pipe) {
  try {
    for (;;) {
      const bytes = await stream.read(READ_BYTES)
      if (bytes === null || bytes === undefined) return
      pipe.emit('data', bytes)
    }
  } catch {
    // The other side has gone: the run is over.
  }
}
