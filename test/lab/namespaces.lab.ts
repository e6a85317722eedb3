import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { Internet, SERVER_ADDRESS } from '../../scripts/lab/internet.ts'
import { Namespaces } from '../../scripts/lab/namespaces.ts'

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
  const script = `require('net').connect(9, '${address}').on('error', (e) => console.log(e.code))`
  return [process.execPath, '-e', script]
}
