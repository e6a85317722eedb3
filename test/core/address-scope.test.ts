import assert from 'node:assert/strict'
import { type AddressScope, prefixOf, scopeOf, sharePrefix } from '../../src/core/address-scope.ts'
import { type Endpoint, endpoint } from '../../src/core/endpoint.ts'

function at(address: string): Endpoint {
  const made = endpoint(address, 0)
  assert.ok(made.ok)
  return made.value
}

describe('scopeOf()', () => {
  const examples: Record<AddressScope, readonly string[]> = {
    unusable: ['0.0.0.0', '224.0.0.1', '255.255.255.255', '::', 'ff02::1', '2002::1', '64:ff9b::1'],
    loopback: ['127.0.0.1', '127.255.255.255', '::1'],
    'link-local': ['169.254.1.1', 'fe80::1', 'febf::1'],
    private: ['10.0.0.1', '172.16.0.1', '172.31.255.255', '192.168.1.1', 'fd00::1'],
    shared: ['100.64.0.1', '100.127.255.255'],
    global: ['8.8.8.8', '172.32.0.1', '100.128.0.1', '2001:db8::1', '2a00::1'],
  }
  for (const [scope, addresses] of Object.entries(examples)) {
    it(`knows ${scope} addresses`, () => {
      for (const address of addresses) assert.equal(scopeOf(at(address)), scope, address)
    })
  }
})

describe('sharePrefix()', () => {
  it('compares that many bits, of one family', () => {
    assert.ok(sharePrefix(at('192.0.2.1'), at('192.0.2.200'), 24))
    assert.ok(!sharePrefix(at('192.0.2.1'), at('192.0.3.1'), 24))
    assert.ok(sharePrefix(at('192.0.2.1'), at('192.0.3.1'), 23))
    assert.ok(sharePrefix(at('2001:db8::1'), at('2001:db8::ffff:1'), 64))
    assert.ok(!sharePrefix(at('10.0.0.1'), at('a00::1'), 0))
  })
})

describe('prefixOf()', () => {
  it('names the network', () => {
    assert.equal(prefixOf(at('192.0.2.77'), 24), '192.0.2.0/24')
    assert.equal(prefixOf(at('2001:db8:1:2ff::1'), 56), '2001:db8:1:200::/56')
  })
})
