import assert from 'node:assert/strict'
import fc from 'fast-check'
import { concatBytes, fromHex, toHex } from '../../src/core/bytes.ts'
import type { Endpoint } from '../../src/core/endpoint.ts'
import { forEachDatagram } from '../../src/core/machine.ts'
import { datagramLength } from '../../src/daemon/datagram-length.ts'
import { loadLibc } from '../../src/io/libc.ts'
import { openUdpSocket } from '../../src/io/udp-socket.ts'
import { channelOf, encodeData, encodeRelayFrame } from '../../src/protocol/relay/frames.ts'
import { encodeStun } from '../../src/stun/codec.ts'
import { newTransactionId } from '../../src/stun/message.ts'
import { encodeProbe, newTransaction, type Probe, probeKey } from '../../src/traversal/probe.ts'
import { Pair } from '../reliable-udp/pair.ts'
import { SeededRandom } from '../sim/seeded-random.ts'

const random = new SeededRandom(1)
const seen: Endpoint = { family: 4, address: '192.0.2.1', port: 5000 }
const question: Probe = {
  kind: 'request',
  from: 'initiator',
  sequence: 1,
  transaction: newTransaction(random),
  sentAtMs: 1,
  seen,
}
const key = probeKey(new Uint8Array(32).fill(1))
const channel = channelOf(fromHex('0102030405060708'))
const nonce = new Uint8Array(8)
const cookie = new Uint8Array(16)
const stunRequest = encodeStun({
  messageClass: 'request',
  method: 1,
  transactionId: newTransactionId(random),
  attributes: [{ kind: 'software', text: 'test' }],
})
const probes = [question, { ...question, kind: 'response' as const }].map((probe) =>
  encodeProbe(key, probe),
)
const frames = (
  [
    { kind: 'cookie', nonce, cookie },
    { kind: 'bound', nonce, channel, lifetimeSeconds: 60 },
    { kind: 'refused', nonce, reason: 'busy' },
    { kind: 'ping', channel, nonce },
    { kind: 'pong', channel, nonce },
    { kind: 'unknown-channel', channel },
    {
      kind: 'bind',
      nonce,
      cookie,
      ticket: new Uint8Array(169),
      signature: new Uint8Array(64),
    },
  ] as const
).map(encodeRelayFrame)

/** Handshake and data packets, as two connections sent them. */
function packets(): readonly Uint8Array[] {
  const pair = new Pair({ pattern: 'XX' }).connect()
  pair.change(pair.a, (now, connection) => {
    const stream = connection.openStream(now, { priority: 'bulk' })
    connection.write(now, stream, new Uint8Array(5_000))
  })
  pair.run(1_000)
  return [...pair.a.sent, ...pair.b.sent]
}

function datagrams(): readonly Uint8Array[] {
  const carried = [...packets(), ...probes]
  const relayed = carried.map((inner) => encodeData(channel, inner))
  return [stunRequest, ...carried, ...relayed, ...frames]
}

describe('datagramLength()', () => {
  it('is the whole datagram, for every kind that the port sees', () => {
    for (const bytes of datagrams()) {
      assert.equal(datagramLength(bytes), bytes.length, toHex(bytes.subarray(0, 16)))
    }
  })

  it('is the first one of several glued together', () => {
    for (const bytes of datagrams()) {
      const glued = concatBytes(bytes, bytes, bytes.subarray(0, 5))
      assert.equal(datagramLength(glued), bytes.length, toHex(bytes.subarray(0, 16)))
    }
  })

  it('takes anything', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 64 }), (bytes) => {
        const length = datagramLength(bytes)
        assert.ok(length === undefined || length >= 0)
      }),
    )
  })
})

describe('openUdpSocket() with datagramLength', () => {
  for (const [name, bytes] of [
    ['questions to STUN servers', stunRequest],
    ['probes', encodeProbe(key, question)],
    ['relayed probes', encodeData(channel, encodeProbe(key, question))],
  ] as const) {
    it(`cuts apart ${name} that the kernel glued together`, async () => {
      const receiver = await openUdpSocket({
        address: '127.0.0.1',
        port: 0,
        lengthOf: datagramLength,
      })
      const sender = await openUdpSocket({ address: '127.0.0.1', port: 0 })
      const heard: string[] = []
      let pieces = 0

      await new Promise<void>((resolve) => {
        receiver.onDatagram((from, piece, segmentBytes) => {
          assert.deepEqual(from, sender.local)
          pieces += 1
          forEachDatagram(piece, segmentBytes, (datagram) => heard.push(toHex(datagram)))
          if (heard.length >= 3) resolve()
        })
        sender.sendBatch?.(receiver.local, concatBytes(bytes, bytes, bytes), bytes.length)
      })

      assert.deepEqual(heard, [toHex(bytes), toHex(bytes), toHex(bytes)])
      assert.equal(pieces, loadLibc() === undefined ? 3 : 1)
      await Promise.all([receiver.close(), sender.close()])
    })
  }
})
