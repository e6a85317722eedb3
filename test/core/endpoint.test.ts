import assert from 'node:assert/strict'
import fc from 'fast-check'
import { endpoint, formatEndpoint, parseEndpoint } from '../../src/core/endpoint.ts'

describe('endpoint()', () => {
  it('makes one name of the many spellings of an IPv6 address', () => {
    const spellings = ['2001:db8::1', '2001:DB8:0:0:0:0:0:1', '2001:0db8::0001', '2001:db8::1%eth0']

    for (const address of spellings) {
      assert.deepEqual(endpoint(address, 1), {
        ok: true,
        value: { family: 6, address: '2001:db8::1', port: 1 },
      })
    }
  })

  it('takes IPv4-mapped IPv6 for the IPv4 that it is', () => {
    assert.deepEqual(endpoint('::ffff:192.0.2.1', 1), {
      ok: true,
      value: { family: 4, address: '192.0.2.1', port: 1 },
    })
  })

  it('refuses names and ports that are none', () => {
    assert.equal(endpoint('localhost', 1).ok, false)
    assert.equal(endpoint('192.0.2', 1).ok, false)
    assert.equal(endpoint('192.0.2.1', 65_536).ok, false)
    assert.equal(endpoint('192.0.2.1', 1.5).ok, false)
  })
})

describe('parseEndpoint()', () => {
  it('reads back what formatEndpoint writes', () => {
    fc.assert(
      fc.property(
        fc.oneof(fc.ipV4(), fc.ipV6()),
        fc.integer({ min: 0, max: 65_535 }),
        (address, port) => {
          const made = endpoint(address, port)
          assert.ok(made.ok)
          assert.deepEqual(parseEndpoint(formatEndpoint(made.value)), made)
        },
      ),
    )
  })

  it('never throws on any text', () => {
    fc.assert(fc.property(fc.string(), (text) => typeof parseEndpoint(text).ok === 'boolean'))
    for (const text of ['', ':', '[]:1', '1.2.3.4', '[::1]', '1.2.3.4:', '::1:5']) {
      assert.equal(parseEndpoint(text).ok, false, text)
    }
  })
})
