/**
 * A UDP socket that does as it is told: one JSON value a line on stdin, what came on stdout. `echo` as its argument: it
 * answers each datagram with the endpoint that it came from. Ends when stdin does.
 */
import { Buffer } from 'node:buffer'
import { createSocket } from 'node:dgram'
import { createInterface } from 'node:readline'

const [mode, address, port] = process.argv.slice(2)
const socket = createSocket('udp4')
const print = (value) => process.stdout.write(`${JSON.stringify(value)}\n`)

socket.on('message', (bytes, from) => {
  const source = `${from.address}:${from.port}`
  if (mode === 'echo')
    socket.send(Buffer.from(source.padEnd(bytes.length)), from.port, from.address)
  else
    print({ kind: 'received', from: source, text: bytes.toString().trimEnd(), size: bytes.length })
})
socket.on('error', ({ code }) => print({ kind: 'error', code }))
socket.bind(Number(port), address, () => print({ kind: 'bound', port: socket.address().port }))

let isConnected = false

createInterface({ input: process.stdin })
  .on('line', (line) => {
    const { to, text, ttl = 64, connects = false } = JSON.parse(line)
    const [toAddress, toPort] = to.split(':')
    socket.setTTL(ttl)
    if (connects && !isConnected) {
      isConnected = true
      socket.connect(Number(toPort), toAddress, () => socket.send(text))
    } else if (isConnected) socket.send(text)
    else socket.send(text, Number(toPort), toAddress)
  })
  .once('close', () => process.exit(0))
