/**
 * What a stranger on the internet does, from an address of theirs:
 *
 *     hostile.mjs datagrams ADDRESS TARGET:PORT        sends what it is told to, one datagram in hex a line on stdin
 *     hostile.mjs half-open ADDRESS TARGET:PORT COUNT  opens TCP connections, says nothing, and tells how many stand
 *
 * One JSON value a line on stdout. Ends when stdin does.
 */
import { Buffer } from 'node:buffer'
import { createSocket } from 'node:dgram'
import { connect } from 'node:net'
import { createInterface } from 'node:readline'

const [mode, address, target, count] = process.argv.slice(2)
const [host, port] = target.split(':')
const print = (value) => process.stdout.write(`${JSON.stringify(value)}\n`)

function sendDatagrams() {
  const socket = createSocket('udp4')
  let receivedBytes = 0
  socket.on('message', ({ length }) => {
    receivedBytes += length
    if (sending === 0) print({ kind: 'sent', receivedBytes }) // a busy server answers after the last was sent
  })
  socket.bind(0, address, () => print({ kind: 'ready' }))
  let sending = 0
  const lines = createInterface({ input: process.stdin })
  lines.on('line', (line) => {
    sending += 1
    socket.send(Buffer.from(line, 'hex'), Number(port), host, () => {
      sending -= 1
      if (sending === 0) print({ kind: 'sent', receivedBytes })
    })
  })
  lines.once('close', () => process.exit(0))
}

function holdConnections() {
  let standing = 0
  let opened = 0
  const tell = () => print({ kind: 'standing', standing, opened })
  for (let index = 0; index < Number(count); index++) {
    const socket = connect({ host, port: Number(port), localAddress: address })
    socket.once('connect', () => {
      standing += 1
      opened += 1
      socket.once('close', () => {
        standing -= 1
        tell()
      })
      tell()
    })
    socket.on('error', () => undefined) // it is the server that hangs up
    socket.resume()
  }
  process.stdin.resume().once('end', () => process.exit(0))
}

if (mode === 'datagrams') sendDatagrams()
else holdConnections()
