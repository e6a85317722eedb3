import assert from 'node:assert/strict'
import fc from 'fast-check'
import { internetChecksum } from '../../scripts/lab/router/checksum.ts'
import { decodeIpv4, encodeIpv4, PROTOCOLS } from '../../scripts/lab/router/ipv4.ts'
import { captured, hex } from './packets.ts'

describe('internetChecksum()', () => {
  it('sums up the example of RFC 1071 §3', () => {
    assert.equal(internetChecksum(hex('0001f203f4f5f6f7')), ~0xddf2 & 0xffff)
  })

  it('pads an odd byte with zero', () => {
    assert.equal(internetChecksum(hex('0102 03'.replace(' ', ''))), ~(0x0102 + 0x0300) & 0xffff)
  })

  it('is zero over what contains its own checksum', () => {
    assert.equal(internetChecksum(captured.udp.subarray(0, 20)), 0)
  })
})

describe('decodeIpv4()', () => {
  it('reads what the kernel wrote', () => {
    const packet = decodeIpv4(captured.udp)

    assert.ok(packet.ok)
    const { payload, ...header } = packet.value
    assert.deepEqual(header, {
      source: '10.0.0.1',
      destination: '10.0.0.2',
      protocol: PROTOCOLS.udp,
      ttl: 64,
      trafficClass: 0,
      identification: 0x1e58,
      isFragmentable: false,
      hasMoreFragments: false,
      fragmentOffset: 0,
    })
    assert.equal(payload.length, 13)
  })

  it('writes the same bytes again', () => {
    for (const bytes of Object.values(captured)) {
      const packet = decodeIpv4(bytes)
      assert.ok(packet.ok)

      assert.deepEqual(encodeIpv4(packet.value), bytes)
    }
  })

  it('ignores what follows the packet', () => {
    const packet = decodeIpv4(Uint8Array.from([...captured.udp, 1, 2, 3]))

    assert.equal(packet.ok && packet.value.payload.length, 13)
  })

  it('refuses IPv6, short packets and a wrong checksum', () => {
    const changed = Uint8Array.from(captured.udp)
    changed[8] = 63

    for (const bytes of [captured.udp.subarray(0, 19), captured.udp.subarray(0, 30), changed]) {
      assert.equal(decodeIpv4(bytes).ok, false)
    }
    assert.deepEqual(decodeIpv4(new Uint8Array(40).fill(0x60)), { ok: false, why: 'IP version 6' })
  })

  it('never throws on any bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 100 }), (bytes) => {
        decodeIpv4(bytes)
      }),
    )
  })
})
