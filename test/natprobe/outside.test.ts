import assert from 'node:assert/strict'
import { doubleNatOf, nat64Of, nat64PrefixOf, throughNat64 } from '../../src/natprobe/outside.ts'
import { literal } from './probe-world.ts'

describe('nat64PrefixOf()', () => {
  /** RFC 6052 §2.4's table, with 192.0.0.170 for its address. */
  const table = [
    ['2001:db8:c000:aa::', '2001:db8::', 32],
    ['2001:db8:1c0:0:aa::', '2001:db8:100::', 40],
    ['2001:db8:122:c000:0:aa00::', '2001:db8:122::', 48],
    ['2001:db8:122:3c0:0:aa::', '2001:db8:122:300::', 56],
    ['2001:db8:122:344:c0:0:aa00::', '2001:db8:122:344::', 64],
    ['2001:db8:122:344::192.0.0.170', '2001:db8:122:344::', 96],
    ['64:ff9b::c000:ab', '64:ff9b::', 96],
  ] as const

  for (const [address, prefix, length] of table) {
    it(`finds ${prefix}/${length} in ${address}`, () => {
      assert.deepEqual(nat64PrefixOf([address]), { address: prefix, prefix: length })
      assert.deepEqual(nat64Of({ kind: 'addresses', addresses: [address] }), {
        value: `${prefix}/${length}`,
        confidence: 0.99,
      })
    })
  }

  it('finds none in an address of somebody else, in IPv4, and in none', () => {
    for (const addresses of [['2001:db8::1'], ['192.0.0.170'], ['not an address'], []]) {
      assert.equal(nat64PrefixOf(addresses), undefined)
    }
    assert.deepEqual(nat64Of({ kind: 'addresses', addresses: [] }), {
      value: null,
      confidence: 0.99,
    })
  })

  it('knows nothing where the name server said nothing', () => {
    const { value, confidence } = nat64Of({ kind: 'failed', why: 'ETIMEOUT' })

    assert.deepEqual([value, confidence], [null, 0])
  })
})

describe('throughNat64()', () => {
  const ipv4 = literal('192.0.2.33', 3478)

  it('writes an IPv4 address as RFC 6052 §2.4 does', () => {
    const written = (address: string, prefix: number): string | undefined =>
      throughNat64({ address, prefix }, ipv4)?.address

    assert.equal(written('2001:db8::', 32), '2001:db8:c000:221::')
    assert.equal(written('2001:db8:100::', 40), '2001:db8:1c0:2:21::')
    assert.equal(written('2001:db8:122::', 48), '2001:db8:122:c000:2:2100::')
    assert.equal(written('2001:db8:122:300::', 56), '2001:db8:122:3c0:0:221::')
    assert.equal(written('2001:db8:122:344::', 64), '2001:db8:122:344:c0:2:2100:0')
    assert.equal(written('64:ff9b::', 96), '64:ff9b::c000:221')
    assert.equal(throughNat64({ address: '64:ff9b::', prefix: 96 }, ipv4)?.port, 3478)
  })
})

describe('doubleNatOf()', () => {
  it('sees another NAT in a private or a carrier’s address, and in one that the world does not see', () => {
    const seen = [literal('198.51.100.7', 40_000)]
    const judged = (address: string): boolean => doubleNatOf(literal(address, 1), seen).value

    assert.deepEqual(['192.168.178.20', '100.64.3.7', '203.0.113.9', '198.51.100.7'].map(judged), [
      true,
      true,
      true,
      false,
    ])
  })
})
