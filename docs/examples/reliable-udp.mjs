/**
 * An echo server and a client with two streams, over reliable UDP on this machine: `node docs/examples/reliable-udp.mjs`.
 * The server would know the client's key beforehand, or let everybody in; the client pins the server's.
 */
import { randomBytes } from 'node:crypto'
import { pipeline } from 'node:stream/promises'
import { buffer, text } from 'node:stream/consumers'
import { connect, listen, publicKeyOf } from 'holler/reliable-udp'

const serverSecret = randomBytes(32)
const clientSecret = randomBytes(32)

const server = await listen({
  secretKey: serverSecret,
  protocol: 'echo/1',
  sockets: [{ address: '127.0.0.1', port: 0 }],
  accept: ({ remoteStatic }) =>
    publicKeyOf(clientSecret).every((byte, at) => byte === remoteStatic[at]),
})
server.on('connection', (connection) => {
  connection.on('stream', (stream) => {
    pipeline(stream, stream).catch((error) => console.error(`a stream broke: ${error.message}`))
  })
})

const [{ address, port }] = server.addresses
const connection = await connect({
  address,
  port,
  secretKey: clientSecret,
  remoteStatic: server.publicKey,
  protocol: 'echo/1',
})

// Two streams at once: neither waits for the other, and the chat does not wait behind the file.
const file = connection.openStream({ priority: 'bulk' })
const chat = connection.openStream({ priority: 'chat' })
file.end(randomBytes(1_000_000))
chat.end('hello, reliable UDP')
const [answer, back] = await Promise.all([text(chat), buffer(file)])
console.log(`chat: ${answer}`)
console.log(`file: ${back.length} bytes`)

const { reason } = await connection.close(0, 'done')
console.log(`closed: ${reason}`)
await server.close()
