import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { connect, Namespaces } from '../../scripts/lab/namespaces.ts'

const TARGET = '10.92.0.2'
const PORT = 4000

/** Prints each datagram's text and ends after the one that says so. */
const LISTEN = `
  const socket = require('node:dgram').createSocket('udp4')
  socket.on('message', (bytes) => {
    console.log(String(bytes))
    if (String(bytes) === 'last') socket.close()
  })
  socket.bind(${PORT}, '0.0.0.0', () => console.log('listening'))`

const SEND = `
  import { openUdpSocket } from './src/io/udp-socket.ts'
  const socket = await openUdpSocket({ address: '0.0.0.0', port: 0 })
  const to = { family: 4, address: '${TARGET}', port: ${PORT} }
  for (const [text, ttl] of [['one hop', 1], ['usual', undefined], ['one hop', 1], ['two hops', 2], ['last', undefined]]) {
    socket.send(to, Buffer.from(text), ttl)
  }
  await socket.close()`

describe('openUdpSocket() in front of a router', () => {
  it('gives a time-to-live to one datagram alone', async () => {
    const namespaces = new Namespaces()
    try {
      const [host, router, target] = [
        await namespaces.add('host'),
        await namespaces.add('router'),
        await namespaces.add('target'),
      ]
      await connect(
        { namespace: host, name: 'eth0', addresses: ['10.91.0.2/24'] },
        { namespace: router, name: 'near', addresses: ['10.91.0.1/24'] },
      )
      await connect(
        { namespace: target, name: 'eth0', addresses: [`${TARGET}/24`] },
        { namespace: router, name: 'far', addresses: ['10.92.0.1/24'] },
      )
      await router.forward()
      await host.route('default', '10.91.0.1')
      await target.route('default', '10.92.0.1')
      const [command, ...args] = [...target.prefix, process.execPath, '-e', LISTEN]
      const listener = spawn(command, args, { stdio: ['ignore', 'pipe', 'inherit'] })
      const heard: string[] = []
      listener.stdout.setEncoding('utf8').on('data', (text: string) => heard.push(text))
      await once(listener.stdout, 'data')
      const closed = once(listener, 'close')

      const tsx = ['--import=tsx', '--input-type=module', '-e', SEND]
      await host.run(process.execPath, ...tsx)
      await closed

      assert.deepEqual(heard.join('').trim().split('\n'), [
        'listening',
        'usual',
        'two hops',
        'last',
      ])
    } finally {
      await namespaces.close()
    }
  })
})
