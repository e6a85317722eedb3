import assert from 'node:assert/strict'
import fc from 'fast-check'
import { addressBytes, endpointOfBytes } from '../../src/core/address-bytes.ts'
import { toHex } from '../../src/core/bytes.ts'
import { endpoint } from '../../src/core/endpoint.ts'

describe('addressBytes()', () => {
  it('writes addresses in network byte order', () => {
    assert.equal(toHex(addressBytes({ family: 4, address: '192.0.2.255' })), 'c00002ff')
    const documented = '20010db8000000000000000000000001'
    assert.equal(toHex(addressBytes({ family: 6, address: '2001:db8::1' })), documented)
    assert.equal(toHex(addressBytes({ family: 6, address: '::' })), '0'.repeat(32))
    assert.equal(
      toHex(addressBytes({ family: 6, address: '64:ff9b::192.0.2.1' })).slice(-8),
      'c0000201',
    )
  })

  it('is read back by endpointOfBytes', () => {
    fc.assert(
      fc.property(fc.oneof(fc.ipV4(), fc.ipV6()), (text) => {
        const made = endpoint(text, 7)
        assert.ok(made.ok)
        assert.deepEqual(endpointOfBytes(addressBytes(made.value), 7), made.value)
      }),
    )
  })
})

describe('endpointOfBytes()', () => {
  it('knows no address of another length', () => {
    assert.equal(endpointOfBytes(new Uint8Array(5), 1), undefined)
  })
})
