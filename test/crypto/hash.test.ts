import assert from 'node:assert/strict'
import { hkdf } from '@noble/hashes/hkdf.js'
import { hmac } from '@noble/hashes/hmac.js'
import { md5 as nobleMd5, sha1 as nobleSha1 } from '@noble/hashes/legacy.js'
import { sha256 as nobleSha256 } from '@noble/hashes/sha2.js'
import { describe, it } from 'mocha'
import fc from 'fast-check'
import { concatBytes, fromHex, toHex, utf8 } from '../../src/core/bytes.ts'
import {
  hkdfSha256,
  hmacSha1,
  hmacSha256,
  md5,
  sha256,
  timingSafeEqual,
} from '../../src/crypto/hash.ts'

const anyBytes = fc.uint8Array({ maxLength: 200 })

describe('sha256(), md5()', () => {
  it('hash the samples of FIPS 180-4 and RFC 1321', () => {
    assert.equal(
      toHex(sha256(utf8('abc'))),
      'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad',
    )
    assert.equal(toHex(md5(utf8('abc'))), '900150983cd24fb0d6963f7d28e17f72')
  })

  it('take parts as if they were one', () => {
    fc.assert(
      fc.property(fc.array(anyBytes, { maxLength: 5 }), (parts) => {
        const whole = concatBytes(...parts)

        assert.equal(toHex(sha256(...parts)), toHex(nobleSha256(Uint8Array.from(whole))))
        assert.equal(toHex(md5(...parts)), toHex(nobleMd5(Uint8Array.from(whole))))
      }),
    )
  })
})

describe('hmacSha256(), hmacSha1()', () => {
  it('compute test case 2 of RFC 4231 and RFC 2202', () => {
    const text = utf8('what do ya want for nothing?')

    assert.equal(
      toHex(hmacSha256(utf8('Jefe'), text)),
      '5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843',
    )
    assert.equal(toHex(hmacSha1(utf8('Jefe'), text)), 'effcdf6ae5eb2fa2d27416d5f184df9c259a7c79')
  })

  it('agree with another implementation', () => {
    fc.assert(
      fc.property(anyBytes, anyBytes, anyBytes, (key, first, second) => {
        const whole = Uint8Array.from([...first, ...second])

        assert.equal(toHex(hmacSha256(key, first, second)), toHex(hmac(nobleSha256, key, whole)))
        assert.equal(toHex(hmacSha1(key, first, second)), toHex(hmac(nobleSha1, key, whole)))
      }),
    )
  })
})

describe('hkdfSha256()', () => {
  const sequence = (from: number, count: number): Uint8Array =>
    Uint8Array.from({ length: count }, (_, index) => from + index)

  it('computes RFC 5869 A.1, A.2 and A.3', () => {
    assert.equal(
      toHex(hkdfSha256(new Uint8Array(22).fill(11), sequence(0, 13), sequence(0xf0, 10), 42)),
      '3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865',
    )
    assert.equal(
      toHex(hkdfSha256(sequence(0, 80), sequence(0x60, 80), sequence(0xb0, 80), 82)),
      'b11e398dc80327a1c8e7f78c596a49344f012eda2d4efad8a050cc4c19afa97c' +
        '59045a99cac7827271cb41c65e590e09da3275600c2f09b8367793a9aca3db71' +
        'cc30c58179ec3e87c14c01d5c1f3434f1d87',
    )
    assert.equal(
      toHex(hkdfSha256(new Uint8Array(22).fill(11), new Uint8Array(0), new Uint8Array(0), 42)),
      '8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96c8',
    )
  })

  it('agrees with another implementation', () => {
    fc.assert(
      fc.property(
        anyBytes,
        anyBytes,
        anyBytes,
        fc.integer({ min: 1, max: 300 }),
        (secret, salt, info, length) => {
          assert.equal(
            toHex(hkdfSha256(secret, salt, info, length)),
            toHex(hkdf(nobleSha256, secret, salt, info, length)),
          )
        },
      ),
    )
  })
})

describe('timingSafeEqual()', () => {
  it('is true for equal bytes alone, and false for other lengths', () => {
    assert.equal(timingSafeEqual(fromHex('0102'), fromHex('0102')), true)
    assert.equal(timingSafeEqual(fromHex('0102'), fromHex('0103')), false)
    assert.equal(timingSafeEqual(fromHex('0102'), fromHex('010203')), false)
    assert.equal(timingSafeEqual(fromHex(''), fromHex('')), true)
  })
})
