import assert from 'node:assert/strict'
import fc from 'fast-check'
import type { Endpoint } from '../../src/core/endpoint.ts'
import { decodeIcmp, readdressedError } from '../../scripts/lab/router/icmp.ts'
import { decodeIpv4, type Ipv4Packet } from '../../scripts/lab/router/ipv4.ts'
import { decodeEndpoints, readdressed, udpPacket } from '../../scripts/lab/router/transport.ts'
import { captured } from './packets.ts'

const publicEnd: Endpoint = { family: 4, address: '198.51.100.1', port: 61_234 }
const endpoints = fc.record(
  { family: fc.constant(4 as const), address: fc.ipV4(), port: fc.nat(65_535) },
  { noNullPrototype: true },
)

function packetOf(bytes: Uint8Array): Ipv4Packet {
  const packet = decodeIpv4(bytes)
  assert.ok(packet.ok)
  return packet.value
}

describe('decodeEndpoints()', () => {
  it('finds the ports of UDP and TCP from the kernel, whose checksums are right', () => {
    assert.deepEqual(decodeEndpoints(packetOf(captured.udp)), {
      ok: true,
      value: {
        from: { family: 4, address: '10.0.0.1', port: 40_000 },
        to: { family: 4, address: '10.0.0.2', port: 5353 },
      },
    })
    assert.equal(decodeEndpoints(packetOf(captured.tcp)).ok, true)
  })

  it('refuses a payload that was changed', () => {
    for (const bytes of [captured.udp, captured.tcp]) {
      const packet = packetOf(bytes)
      const payload = Uint8Array.from(packet.payload)
      payload[payload.length - 1] = 0xa5

      assert.deepEqual(decodeEndpoints({ ...packet, payload }), { ok: false, why: 'checksum' })
    }
  })
})

describe('readdressed()', () => {
  it('there and back gives the kernel’s own packet', () => {
    for (const bytes of [captured.udp, captured.tcp]) {
      const packet = packetOf(bytes)
      const ends = decodeEndpoints(packet)
      assert.ok(ends.ok)
      const translated = readdressed(packet, { ...ends.value, from: publicEnd })

      assert.deepEqual(readdressed(translated, ends.value), packet)
    }
  })

  it('has a right checksum whatever the endpoints and the body', () => {
    fc.assert(
      fc.property(endpoints, endpoints, fc.uint8Array({ maxLength: 50 }), (from, to, body) => {
        const packet = udpPacket({ from: publicEnd, to }, body)
        const translated = readdressed(packet, { from, to })

        assert.deepEqual(decodeEndpoints(translated), { ok: true, value: { from, to } })
      }),
    )
  })

  it('leaves UDP without a checksum without one', () => {
    const packet = packetOf(captured.udp)
    const payload = Uint8Array.from(packet.payload)
    payload.fill(0, 6, 8)
    const { payload: translated } = readdressed(
      { ...packet, payload },
      { from: publicEnd, to: publicEnd },
    )

    assert.deepEqual([...translated.subarray(6, 8)], [0, 0])
  })
})

describe('decodeIcmp()', () => {
  it('tells which packet an error is about', () => {
    assert.deepEqual(decodeIcmp(packetOf(captured.portUnreachable)), {
      ok: true,
      value: {
        kind: 'error',
        about: {
          protocol: 17,
          from: { family: 4, address: '10.0.0.2', port: 1000 },
          to: { family: 4, address: '10.0.0.1', port: 9 },
        },
      },
    })
  })

  it('never throws on any bytes', () => {
    const packet = packetOf(captured.portUnreachable)
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 60 }), (payload) => {
        decodeIcmp({ ...packet, payload })
      }),
    )
  })
})

describe('readdressedError()', () => {
  it('quotes the packet as its sender knows it, for that sender', () => {
    const packet = packetOf(captured.portUnreachable)
    const sender: Endpoint = { family: 4, address: '192.168.1.2', port: 5000 }
    const to: Endpoint = { family: 4, address: '10.0.0.1', port: 9 }
    const receiver = { source: '10.0.0.1', destination: sender.address }

    const translated = readdressedError(packet, receiver, { from: sender, to })

    assert.deepEqual(decodeIcmp(translated), {
      ok: true,
      value: { kind: 'error', about: { protocol: 17, from: sender, to } },
    })
    assert.equal(translated.destination, '192.168.1.2')
    assert.ok(decodeIpv4(Uint8Array.from([...translated.payload.subarray(8)])).ok)
  })
})
