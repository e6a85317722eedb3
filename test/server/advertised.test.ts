import assert from 'node:assert/strict'
import { formatEndpoint } from '../../src/core/endpoint.ts'
import { advertisedUdp, linkHost } from '../../src/server/advertised.ts'
import { at } from './support/test-server.ts'

interface Case {
  readonly bound: readonly string[]
  readonly local: string
  readonly remote: string
  readonly publicHost?: readonly string[]
}

function told({ bound, local, remote, publicHost = [] }: Case): readonly string[] {
  const arrival = { local: at(local), remote: at(remote) }
  return advertisedUdp(bound.map(at), arrival, publicHost).map(formatEndpoint)
}

describe('advertisedUdp()', () => {
  it('names the sockets as they are bound, of the family that the client uses', () => {
    const bound = ['198.51.100.1:3478', '198.51.100.2:3479', '[2001:db8::1]:3478']

    assert.deepEqual(
      told({ bound, local: '198.51.100.1:7443', remote: '8.8.8.8:1' }),
      bound.slice(0, 2),
    )
    assert.deepEqual(
      told({ bound, local: '[2001:db8::1]:7443', remote: '[2001:db8:9::1]:1' }),
      bound.slice(2),
    )
  })

  it('names the address where TCP arrived for a service on all addresses', () => {
    const bound = ['[::]:3478', '0.0.0.0:3478']

    assert.deepEqual(told({ bound, local: '192.168.1.10:7443', remote: '192.168.1.20:1' }), [
      '192.168.1.10:3478',
    ])
    assert.deepEqual(told({ bound, local: '[fd00::10]:7443', remote: '[fd00::20]:1' }), [
      '[fd00::10]:3478',
    ])
    assert.deepEqual(told({ bound, local: '127.0.0.1:7443', remote: '127.0.0.1:1' }), [
      '127.0.0.1:3478',
    ])
  })

  it('names the public address to who comes from outside a NAT, and only to them', () => {
    const behind = {
      bound: ['0.0.0.0:3478'],
      local: '10.0.0.5:7443',
      publicHost: ['2001:db8::5', '203.0.113.5'],
    }

    assert.deepEqual(told({ ...behind, remote: '8.8.8.8:1' }), ['203.0.113.5:3478'])
    assert.deepEqual(told({ ...behind, remote: '10.0.0.9:1' }), ['10.0.0.5:3478'])
    assert.deepEqual(told({ ...behind, local: '203.0.113.7:7443', remote: '8.8.8.8:1' }), [
      '203.0.113.7:3478',
    ])
    assert.deepEqual(told({ ...behind, bound: ['10.0.0.5:3478'], remote: '8.8.8.8:1' }), [
      '203.0.113.5:3478',
    ])
  })
})

describe('linkHost()', () => {
  const host = (listen: string, publicHost?: string): string =>
    linkHost({
      ...(publicHost === undefined ? {} : { publicHost }),
      listenHost: 'chat.local',
      listening: at(listen),
      hostAddresses: ['2001:db8::7', '192.168.1.7'],
    })

  it('is what the operator says, else what is listened on, else the first own address', () => {
    assert.equal(host('0.0.0.0:1', 'chat.example.org'), 'chat.example.org')
    assert.equal(host('10.0.0.1:1'), 'chat.local')
    assert.equal(host('0.0.0.0:1'), '192.168.1.7')
    assert.equal(host('[::]:1'), '2001:db8::7')
  })
})
