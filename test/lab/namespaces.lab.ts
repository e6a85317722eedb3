import assert from 'node:assert/strict'
import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { Internet, SERVER_ADDRESS } from '../../scripts/lab/internet.ts'
import { Namespaces } from '../../scripts/lab/namespaces.ts'
import { Segment } from '../../scripts/lab/router/segment.ts'

/** Below what the kernel gives to any cable: a bridge without an address of its own takes the lowest of its ports. */
const LOW = { address: '00:00:00:00:00:02', lower: '00:00:00:00:00:01' } as const

describe('the laboratory itself', () => {
  const router = { nat: 'masquerade', input: 'drop' } as const

  it('carries packets from a home to the server, and hides private addresses', async () => {
    const namespaces = new Namespaces()
    try {
      const internet = await Internet.create(namespaces)
      const { host } = await internet.addHome('a', router)

      assert.match(await host.run('ip', 'route', 'get', SERVER_ADDRESS), /via 10\.1\.0\.1/)
      assert.match(await host.run(...connectTo(SERVER_ADDRESS)), /ECONNREFUSED/)
      assert.match(await internet.server.run(...connectTo('10.1.0.2')), /E(NET|HOST)UNREACH/)
    } finally {
      await namespaces.close()
    }
  })

  it('keeps its networks whole while others are plugged in', async () => {
    const namespaces = new Namespaces()
    try {
      const gateway = await namespaces.add('gateway')
      const segment = await Segment.create(gateway, 'net', '10.9.0.1/24')
      const host = await namespaces.add('host')
      await segment.plug(await namespaces.add('earlier'), 'eth0', '10.9.0.2')
      await gateway.ip(`link set net-1 address ${LOW.address}`)
      await segment.plug(host, 'eth0', '10.9.0.3')
      assert.match(await host.run(...connectTo('10.9.0.1')), /ECONNREFUSED/)

      await segment.plug(await namespaces.add('later'), 'eth0', '10.9.0.4')
      await gateway.ip(`link set net-3 address ${LOW.lower}`)

      assert.match(await host.run(...connectTo('10.9.0.1')), /ECONNREFUSED/)
    } finally {
      await namespaces.close()
    }
  })

  it('ends what still runs in them', async () => {
    const namespaces = new Namespaces()
    const [command = '', ...args] = (await namespaces.add('left')).prefix
    const child = spawn(command, [...args, 'sleep', 'infinity'])
    const exited = once(child, 'exit')
    await once(child, 'spawn')

    await namespaces.close()

    // Killed, or refused by `ip` where its namespace was gone before it had begun.
    await exited
  })

  it('leaves no namespace behind', async () => {
    const namespaces = new Namespaces()
    await Internet.create(namespaces)

    await namespaces.close()

    const left = execFileSync('ip', ['netns', 'list'], { encoding: 'utf8' })
    assert.equal(left.includes(`hlab-${process.pid}-`), false)
  })
})

/** A refused connection has been to its destination and back. */
function connectTo(address: string): readonly [string, ...string[]] {
  const script = `
    const socket = require('net').connect(9, '${address}')
    socket.on('error', (error) => console.log(error.code))
    socket.setTimeout(2000, () => socket.destroy(Object.assign(new Error(), { code: 'silence' })))`
  return [process.execPath, '-e', script]
}
