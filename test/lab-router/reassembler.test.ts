import assert from 'node:assert/strict'
import fc from 'fast-check'
import type { Ipv4Packet } from '../../scripts/lab/router/ipv4.ts'
import { Reassembler } from '../../scripts/lab/router/reassembler.ts'
import { udpPacket } from '../../scripts/lab/router/transport.ts'

const whole = udpPacket(
  {
    from: { family: 4, address: '10.0.0.1', port: 1 },
    to: { family: 4, address: '10.0.0.2', port: 2 },
  },
  Uint8Array.from({ length: 100 }, (_, index) => index),
)

function fragmentsOf(packet: Ipv4Packet, size: number, identification = 7): Ipv4Packet[] {
  const fragments: Ipv4Packet[] = []
  for (let at = 0; at < packet.payload.length; at += size) {
    const payload = packet.payload.subarray(at, at + size)
    const hasMoreFragments = at + size < packet.payload.length
    fragments.push({ ...packet, identification, payload, hasMoreFragments, fragmentOffset: at })
  }
  return fragments
}

describe('Reassembler', () => {
  it('passes on what is whole', () => {
    assert.equal(new Reassembler().add(0, whole), whole)
  })

  it('puts fragments together in whatever order they come', () => {
    const fragments = fragmentsOf(whole, 24)
    fc.assert(
      fc.property(fc.shuffledSubarray(fragments, { minLength: fragments.length }), (order) => {
        const reassembler = new Reassembler()
        const results = order.map((fragment) => reassembler.add(0, fragment))

        assert.deepEqual(results.pop(), { ...whole, identification: 7 })
        assert.deepEqual(
          results,
          results.map(() => undefined),
        )
      }),
    )
  })

  it('keeps packets apart by their identification', () => {
    const reassembler = new Reassembler()
    const [first] = fragmentsOf(whole, 80, 1)
    const [, second] = fragmentsOf(whole, 80, 2)
    assert.ok(first !== undefined && second !== undefined)

    assert.equal(reassembler.add(0, first), undefined)
    assert.equal(reassembler.add(0, second), undefined)
  })

  it('forgets what is not whole in time', () => {
    const reassembler = new Reassembler()
    const [first, second] = fragmentsOf(whole, 80)
    assert.ok(first !== undefined && second !== undefined)

    reassembler.add(0, first)

    assert.equal(reassembler.add(31_000, second), undefined)
  })
})
