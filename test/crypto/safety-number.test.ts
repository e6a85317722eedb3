import assert from 'node:assert/strict'
import { identityFromSeed } from '../../src/crypto/identity.ts'
import { isSafetyNumber, safetyNumber } from '../../src/crypto/safety-number.ts'

function identity(seed: number): Uint8Array {
  return identityFromSeed(new Uint8Array(32).fill(seed)).publicKey
}

describe('safetyNumber()', () => {
  it('is sixty digits, the same for both', () => {
    const number = safetyNumber(identity(1), identity(2))

    assert.match(number, /^(\d{5} ){11}\d{5}$/)
    assert.equal(safetyNumber(identity(2), identity(1)), number)
  })

  it('stays what it is: people have it on paper', () => {
    assert.equal(
      safetyNumber(identity(1), identity(2)),
      '08405 77812 23562 53166 99809 52787 33848 80753 28014 42490 24230 55421',
    )
  })

  it('is another one for anybody else, half of it the same', () => {
    const [one, other] = [2, 3].map((seed) => safetyNumber(identity(1), identity(seed)))

    assert.notEqual(one, other)
    const halves = [one, other].map((number = '') => [number.slice(0, 35), number.slice(36)])
    assert.equal(new Set(halves.flat()).size, 3)
  })
})

describe('isSafetyNumber()', () => {
  const number = safetyNumber(identity(1), identity(2))

  it('takes it with blanks, dashes and line ends or without', () => {
    for (const separator of [' ', '', '-', '\n']) {
      assert.equal(isSafetyNumber(number.replaceAll(' ', separator), number), true)
    }
  })

  it('takes no other, and no part of it', () => {
    const last = number.endsWith('0') ? '1' : '0'
    for (const wrong of ['', number.slice(0, 35), number.slice(0, -1) + last, `x${number}`]) {
      assert.equal(isSafetyNumber(wrong, number), false)
    }
  })
})
