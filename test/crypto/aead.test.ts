import assert from 'node:assert/strict'
import { chacha20poly1305 } from '@noble/ciphers/chacha.js'
import { describe, it } from 'mocha'
import fc from 'fast-check'
import { fromHex, toHex, utf8 } from '../../src/core/bytes.ts'
import { openAead, sealAead } from '../../src/crypto/aead.ts'

const bytes = (length: number): fc.Arbitrary<Uint8Array> =>
  fc.uint8Array({ minLength: length, maxLength: length })
const anyBytes = fc.uint8Array({ maxLength: 300 })

describe('sealAead()', () => {
  it('seals the sample of RFC 8439 §2.8.2', () => {
    const sealed = sealAead(
      fromHex('808182838485868788898a8b8c8d8e8f909192939495969798999a9b9c9d9e9f'),
      fromHex('070000004041424344454647'),
      fromHex('50515253c0c1c2c3c4c5c6c7'),
      utf8(
        "Ladies and Gentlemen of the class of '99: If I could offer you " +
          'only one tip for the future, sunscreen would be it.',
      ),
    )

    assert.equal(
      toHex(sealed),
      'd31a8d34648e60db7b86afbc53ef7ec2a4aded51296e08fea9e2b5a736ee62d6' +
        '3dbea45e8ca9671282fafb69da92728b1a71de0a9e060b2905d6a5b67ecd3b36' +
        '92ddbd7f2d778b8c9803aee328091b58fab324e4fad675945585808b4831d7bc' +
        '3ff4def08e4b7a9de576d26586cec64b6116' +
        '1ae10b594f09e26a7e902ecbd0600691',
    )
  })

  it('seals as another implementation does', () => {
    fc.assert(
      fc.property(bytes(32), bytes(12), anyBytes, anyBytes, (key, nonce, header, plaintext) => {
        assert.equal(
          toHex(sealAead(key, nonce, header, plaintext)),
          toHex(chacha20poly1305(key, nonce, header).encrypt(plaintext)),
        )
      }),
    )
  })
})

describe('openAead()', () => {
  it('gives back what was sealed', () => {
    fc.assert(
      fc.property(bytes(32), bytes(12), anyBytes, anyBytes, (key, nonce, header, plaintext) => {
        const opened = openAead(key, nonce, header, sealAead(key, nonce, header, plaintext))

        assert.deepEqual(Uint8Array.from(opened ?? [1]), plaintext)
      }),
    )
  })

  it('refuses every flipped bit of ciphertext, tag, header, nonce and key', () => {
    const key = new Uint8Array(32).fill(1)
    const nonce = new Uint8Array(12).fill(2)
    const header = utf8('header')
    const sealed = sealAead(key, nonce, header, utf8('plaintext'))
    const inputs = [key, nonce, header, sealed] as const

    inputs.forEach((input, which) => {
      for (let bit = 0; bit < input.length * 8; bit++) {
        const [k, n, h, s] = inputs.map((each) => Uint8Array.from(each))
        assert.ok(k && n && h && s)
        const changed = [k, n, h, s][which] ?? k
        changed[bit >> 3] = (changed[bit >> 3] ?? 0) ^ (1 << (bit & 7))
        assert.equal(openAead(k, n, h, s), undefined)
      }
    })
  })

  it('refuses every truncation, and whatever is too short to hold a tag', () => {
    const key = new Uint8Array(32)
    const nonce = new Uint8Array(12)
    const sealed = sealAead(key, nonce, new Uint8Array(0), utf8('plaintext'))

    for (let length = 0; length < sealed.length; length++) {
      assert.equal(openAead(key, nonce, new Uint8Array(0), sealed.subarray(0, length)), undefined)
    }
  })

  it('never throws on any bytes', () => {
    fc.assert(
      fc.property(bytes(32), bytes(12), anyBytes, anyBytes, (key, nonce, header, sealed) => {
        assert.equal(openAead(key, nonce, header, sealed), undefined)
      }),
    )
  })
})
