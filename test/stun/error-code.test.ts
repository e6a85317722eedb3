import assert from 'node:assert/strict'
import { fromHex } from '../../src/core/bytes.ts'
import { decodeStun, encodeStun } from '../../src/stun/codec.ts'
import { attributeOf, BINDING, transactionIdOf } from '../../src/stun/message.ts'

const transactionId = transactionIdOf(fromHex('b7e7a701bc34d686fa87dfae'))

describe('ERROR-CODE', () => {
  it('survives a round trip for every code from 300 to 699', () => {
    for (let code = 300; code <= 699; code++) {
      const bytes = encodeStun({
        messageClass: 'error',
        method: BINDING,
        transactionId,
        attributes: [{ kind: 'error-code', code, reason: `réason ${code}` }],
      })

      const back = decodeStun(bytes)
      assert.ok(back.ok)
      const found = attributeOf(back.value, 'error-code')
      assert.deepEqual([found?.code, found?.reason], [code, `réason ${code}`])
    }
  })

  it('is refused outside 300 to 699', () => {
    for (const value of ['00000200', '00000700', '00000464', '000004ff']) {
      const bytes = fromHex(`011100082112a442b7e7a701bc34d686fa87dfae00090004${value}`)
      assert.ok(!decodeStun(bytes).ok, value)
    }
  })

  it('ignores the reserved bits', () => {
    const bytes = fromHex('011100082112a442b7e7a701bc34d686fa87dfae00090004fffffc01')
    const back = decodeStun(bytes)

    assert.equal(back.ok && attributeOf(back.value, 'error-code')?.code, 401)
  })
})
