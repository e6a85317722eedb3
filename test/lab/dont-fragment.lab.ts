import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { connect, Namespaces } from '../../scripts/lab/namespaces.ts'

const PORT = 4000

/** Prints the size of each datagram and ends after the one that says so. */
const LISTEN = `
  const socket = require('node:dgram').createSocket('udp6')
  socket.on('message', (bytes) => {
    console.log(bytes.length)
    if (String(bytes) === 'last') socket.close()
  })
  socket.bind(${PORT}, '::', () => console.log('listening'))`

// 1,472 and 1,452 bytes are what Ethernet's 1,500 carry over IPv4 and IPv6; one more is too many.
const SEND = `
  import { openUdpSocket } from './src/io/udp-socket.ts'
  for (const [family, bound, address, whole] of [[4, '0.0.0.0', '10.91.0.1', 1472], [6, '::', 'fd91::1', 1452]]) {
    const socket = await openUdpSocket({ address: bound, port: 0 })
    const to = { family, address, port: ${PORT} }
    socket.send(to, new Uint8Array(whole + 1))
    console.log(socket.setDontFragment(true))
    socket.send(to, new Uint8Array(whole + 1))
    socket.send(to, new Uint8Array(whole))
    console.log(socket.setDontFragment(false))
    socket.send(to, new Uint8Array(whole + 2))
    if (family === 6) socket.send(to, Buffer.from('last'))
    await socket.close()
  }`

describe('DatagramSocket.setDontFragment() on Ethernet', () => {
  it('drops what is larger than a packet, over IPv4 and IPv6, and only while it is on', async () => {
    const namespaces = new Namespaces()
    try {
      const [host, target] = [await namespaces.add('host'), await namespaces.add('target')]
      for (const { prefix } of [host, target]) {
        const [command, ...args] = [
          ...prefix,
          'sysctl',
          '-qw',
          'net.ipv6.conf.default.accept_dad=0',
        ]
        await once(spawn(command, args), 'close')
      }
      await connect(
        { namespace: host, name: 'eth0', addresses: ['10.91.0.2/24', 'fd91::2/64'] },
        { namespace: target, name: 'eth0', addresses: ['10.91.0.1/24', 'fd91::1/64'] },
      )
      const [command, ...args] = [...target.prefix, process.execPath, '-e', LISTEN]
      const listener = spawn(command, args, { stdio: ['ignore', 'pipe', 'inherit'] })
      const heard: string[] = []
      listener.stdout.setEncoding('utf8').on('data', (text: string) => heard.push(text))
      await once(listener.stdout, 'data')
      const closed = once(listener, 'close')

      const tsx = ['--import=tsx', '--input-type=module', '-e', SEND]
      const said = await host.run(process.execPath, ...tsx)
      await closed

      assert.deepEqual(said.trim().split('\n'), ['true', 'true', 'true', 'true'])
      assert.deepEqual(heard.join('').trim().split('\n'), [
        ...['listening', '1473', '1472', '1474'],
        ...['1453', '1452', '1454', '4'],
      ])
    } finally {
      await namespaces.close()
    }
  })
})
