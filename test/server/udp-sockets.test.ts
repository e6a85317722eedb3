import assert from 'node:assert/strict'
import { networkInterfaces } from 'node:os'
import { closeAll, openUdpSockets } from '../../src/server/udp-sockets.ts'
import { at } from './support/test-server.ts'

async function opened(
  main: string,
  alternate?: string,
): Promise<readonly (readonly [string, string, number])[]> {
  const sockets = await openUdpSockets(
    at(main),
    alternate === undefined ? undefined : at(alternate),
  )
  await closeAll(sockets)
  return [...sockets].map(([id, { local }]) => [id, local.address, local.port])
}

describe('openUdpSockets()', () => {
  it('opens the one that is asked for', async () => {
    const [one, ...more] = await opened('127.0.0.1:0')

    assert.deepEqual(one?.slice(0, 2), ['stun:1:1', '127.0.0.1'])
    assert.deepEqual(more, [])
  })

  it('opens two addresses with two ports each, in the order of RFC 5780', async () => {
    const sockets = await opened('127.0.0.1:0', '127.0.0.2:0')

    const [port1, port2] = [sockets[0]?.[2], sockets[3]?.[2]]
    assert.notEqual(port1, port2)
    assert.deepEqual(sockets, [
      ['stun:1:1', '127.0.0.1', port1],
      ['stun:1:2', '127.0.0.1', port2],
      ['stun:2:1', '127.0.0.2', port1],
      ['stun:2:2', '127.0.0.2', port2],
    ])
  })

  it('opens two where only the port or only the address is another', async () => {
    const ports = await opened('127.0.0.1:0', '127.0.0.1:0')
    assert.deepEqual(
      ports.map(([id]) => id),
      ['stun:1:1', 'stun:1:2'],
    )

    const [, , port = 0] = ports[0] ?? []
    const addresses = await opened(`127.0.0.1:${port}`, `127.0.0.2:${port}`)
    assert.deepEqual(
      addresses.map(([id]) => id),
      ['stun:1:1', 'stun:2:1'],
    )
  })

  it('opens both families on one port for [::], as TCP does', async function () {
    if (!hasIpv6()) this.skip()
    const sockets = await opened('[::]:0')

    assert.deepEqual(
      sockets.map(([, address]) => address),
      ['::', '0.0.0.0'],
    )
    assert.equal(sockets[0]?.[2], sockets[1]?.[2])
  })

  it('keeps nothing open when one of them fails', async () => {
    const blocker = await openUdpSockets(at('127.0.0.2:0'))
    const [taken] = [...blocker.values()].map(({ local }) => local)
    assert.ok(taken !== undefined)
    const free = at('127.0.0.1:0')
    const main = await openUdpSockets(free)
    const [mainLocal] = [...main.values()].map(({ local }) => local)
    assert.ok(mainLocal !== undefined)
    await closeAll(main)

    await assert.rejects(openUdpSockets(mainLocal, taken), { code: 'PORT_TAKEN' })
    await closeAll(await openUdpSockets(mainLocal))
    await closeAll(blocker)
  })

  it('wants addresses, not all of them, for discovery', async () => {
    for (const [main, alternate] of [
      ['0.0.0.0:0', '127.0.0.1:0'],
      ['127.0.0.1:0', '0.0.0.0:0'],
      ['127.0.0.1:0', '[::1]:0'],
    ] as const) {
      await assert.rejects(openUdpSockets(at(main), at(alternate)), { code: 'CONFIG_INVALID' })
    }
  })
})

function hasIpv6(): boolean {
  return Object.values(networkInterfaces()).some((addresses) =>
    addresses?.some(({ family }) => family === 'IPv6'),
  )
}
