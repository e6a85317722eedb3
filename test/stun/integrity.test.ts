import assert from 'node:assert/strict'
import { createHmac } from 'node:crypto'
import { fromHex, utf8 } from '../../src/core/bytes.ts'
import { decodeStun, encodeStun } from '../../src/stun/codec.ts'
import { checkIntegrity, longTermKey, shortTermKey } from '../../src/stun/integrity.ts'
import { BINDING, transactionIdOf } from '../../src/stun/message.ts'
import { mutations } from './mutations.ts'
import * as rfc5769 from './rfc5769.ts'

const key = shortTermKey(rfc5769.PASSWORD)

function changed(bytes: Uint8Array, at: number): Uint8Array {
  const copy = Uint8Array.from(bytes)
  copy[at] = (copy[at] ?? 0) ^ 1
  return copy
}

const written = {
  messageClass: 'request',
  method: BINDING,
  transactionId: transactionIdOf(fromHex('b7e7a701bc34d686fa87dfae')),
  attributes: [{ kind: 'username', text: 'evtj' }],
} as const

describe('checkIntegrity()', () => {
  it('finds the three short-term vectors of RFC 5769 valid', () => {
    for (const name of ['sampleRequest', 'sampleIpv4Response', 'sampleIpv6Response'] as const) {
      assert.equal(checkIntegrity(rfc5769[name], 'message-integrity', key), 'valid', name)
    }
  })

  it('finds the long-term vector of RFC 5769 §2.4 valid', () => {
    const { username, realm, password } = rfc5769.longTerm
    const longTerm = longTermKey(username, realm, password)

    assert.equal(
      checkIntegrity(rfc5769.sampleLongTermRequest, 'message-integrity', longTerm),
      'valid',
    )
  })

  it('finds any change of a covered byte, padding included', () => {
    for (let at = 0; at < rfc5769.sampleIpv4Response.length - 32; at++) {
      const verdict = checkIntegrity(
        changed(rfc5769.sampleIpv4Response, at),
        'message-integrity',
        key,
      )
      assert.notEqual(verdict, 'valid', `byte ${at}`)
    }
  })

  it('finds a wrong key wrong, and no MAC absent', () => {
    const other = shortTermKey('wrong')
    const bare = encodeStun(written)

    assert.equal(checkIntegrity(rfc5769.sampleRequest, 'message-integrity', other), 'wrong')
    assert.equal(checkIntegrity(bare, 'message-integrity', key), 'absent')
    assert.equal(checkIntegrity(rfc5769.sampleRequest, 'message-integrity-sha256', key), 'absent')
  })

  it('checks a MESSAGE-INTEGRITY-SHA256 that is followed by FINGERPRINT', () => {
    const protection = {
      integrity: { kind: 'message-integrity-sha256', key },
      fingerprint: true,
    } as const
    const bytes = encodeStun(written, protection)

    assert.ok(decodeStun(bytes).ok)
    assert.equal(checkIntegrity(bytes, 'message-integrity-sha256', key), 'valid')
    assert.equal(checkIntegrity(changed(bytes, 25), 'message-integrity-sha256', key), 'wrong')
  })

  it('writes the SHA-256 MAC that RFC 8489 §14.6 defines', () => {
    const bytes = encodeStun(written, { integrity: { kind: 'message-integrity-sha256', key } })

    const covered = Buffer.from(bytes.subarray(0, bytes.length - 36))
    const expected = createHmac('sha256', key).update(covered).digest()
    assert.deepEqual(Buffer.from(bytes.subarray(-32)), expected)
  })

  it('takes a MAC of SHA-256 cut to 16 bytes or more, and no shorter one', () => {
    function cutTo(length: number): Uint8Array {
      const covered = Buffer.from(encodeStun(written))
      covered.writeUInt16BE(covered.length - 20 + 4 + length, 2)
      const mac = createHmac('sha256', key).update(covered).digest().subarray(0, length)
      const header = Buffer.from([0x00, 0x1c, 0x00, length])
      return Buffer.concat([covered, header, mac])
    }

    assert.equal(checkIntegrity(cutTo(16), 'message-integrity-sha256', key), 'valid')
    assert.equal(checkIntegrity(cutTo(28), 'message-integrity-sha256', key), 'valid')
    assert.equal(checkIntegrity(cutTo(12), 'message-integrity-sha256', key), 'wrong')
  })

  it('never throws on any bytes', () => {
    for (const bytes of mutations([rfc5769.sampleRequest], 5_000)) {
      checkIntegrity(bytes, 'message-integrity', key)
      checkIntegrity(bytes, 'message-integrity-sha256', utf8('x'))
    }
  })
})

describe('FINGERPRINT', () => {
  it('is right in the vectors of RFC 5769, and a message with a wrong one is refused', () => {
    for (const name of ['sampleRequest', 'sampleIpv4Response', 'sampleIpv6Response'] as const) {
      assert.ok(decodeStun(rfc5769[name]).ok, name)
      const last = rfc5769[name].length - 1
      assert.deepEqual(decodeStun(changed(rfc5769[name], last)), {
        ok: false,
        why: 'wrong FINGERPRINT',
      })
    }
  })

  it('must be the last attribute', () => {
    const bytes = encodeStun(written, { fingerprint: true })
    const longer = Buffer.concat([bytes, fromHex('80220000')])
    longer.writeUInt16BE(longer.length - 20, 2)

    assert.ok(!decodeStun(longer).ok)
  })
})
