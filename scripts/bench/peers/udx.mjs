/** Hyperswarm's transport: udx-native, alone and under its Noise stream. */
import UDX from 'udx-native'
import SecretStream from '@hyperswarm/secret-stream'

const IDS = { bulk: [1, 2], chat: [3, 4] }

export async function connect(role, { own, peer }, isSecure = false) {
  const udx = new UDX()
  const socket = udx.createSocket()
  socket.bind(own.port, own.address)
  process.send({ kind: 'listening' })
  const streams = {}
  for (const [name, [client, server]] of Object.entries(IDS)) {
    const [ownId, peerId] = role === 'client' ? [client, server] : [server, client]
    const stream = udx.createStream(ownId)
    stream.connect(socket, peerId, peer.port, peer.address)
    stream.on('error', () => undefined)
    streams[name] = isSecure ? new SecretStream(role === 'client', stream) : stream
    streams[name].on('error', () => undefined)
  }
  if (isSecure) {
    await Promise.all(Object.values(streams).map((stream) => stream.opened))
  } else {
    // A udx stream knows of no handshake: a first byte shows that the other side is there.
    await Promise.all(Object.values(streams).map((stream) => greeted(stream)))
  }
  return { ...streams, close: async () => Object.values(streams).forEach((s) => s.destroy()) }
}

function greeted(stream) {
  return new Promise((resolve) => {
    stream.write(Buffer.alloc(1))
    stream.once('data', (bytes) => {
      if (bytes.length > 1) stream.unshift?.(bytes.subarray(1))
      resolve()
    })
  })
}
