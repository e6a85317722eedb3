import { strict as assert } from 'node:assert'
import fc from 'fast-check'
import { fromHex } from '../../src/core/bytes.ts'
import {
  decodeTransportParameters,
  encodeTransportParameters,
  type TransportParameters,
} from '../../src/reliable-udp/transport-parameters.ts'

const parameters: TransportParameters = {
  idleTimeoutMs: 30_000,
  maxDatagramBytes: 1472,
  maxBytes: 2 ** 20,
  maxStreamBytes: 2 ** 19,
  maxStreams: 64,
  maxAckDelayMs: 25,
  sourceId: fromHex('0102030405060708'),
  resetToken: Uint8Array.from(fromHex('0102030405060708090a0b0c0d0e0f10')),
}

describe('decodeTransportParameters()', () => {
  it('reads what was written', () => {
    const read = decodeTransportParameters(encodeTransportParameters(parameters))

    assert.ok(read.ok)
    assert.deepEqual(
      { ...read.value },
      { ...parameters, sourceId: Uint8Array.from(parameters.sourceId) },
    )
  })

  it('skips parameters that it does not know', () => {
    const bytes = Buffer.concat([
      fromHex('7fff' + '03' + 'aabbcc'),
      encodeTransportParameters(parameters),
    ])

    assert.equal(decodeTransportParameters(bytes).ok, true)
  })

  const source = '0f08' + '0102030405060708'
  for (const [what, hex] of [
    ['a missing source id', '010480007530'],
    ['a source id of another length', '0f04' + '01020304'],
    ['a parameter given twice', source + '0101' + '05' + '0101' + '05'],
    ['datagrams shorter than 1,200 bytes', source + '0302' + '44af'],
    ['an ACK delay of 2^14 ms', source + '0b04' + '80004000'],
    ['a value cut short', source + '0104' + '8000'],
  ] as const) {
    it(`refuses ${what}`, () => assert.equal(decodeTransportParameters(fromHex(hex)).ok, false))
  }

  it('never throws on any bytes', () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ maxLength: 60 }),
        (bytes) => void decodeTransportParameters(bytes),
      ),
    )
  })
})
