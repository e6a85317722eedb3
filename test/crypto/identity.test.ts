import assert from 'node:assert/strict'
import { ed25519, ED25519_TORSION_SUBGROUP } from '@noble/curves/ed25519.js'
import { describe, it } from 'mocha'
import fc from 'fast-check'
import { fromHex, toHex } from '../../src/core/bytes.ts'
import { identityFromSeed, verifySignature } from '../../src/crypto/identity.ts'

// RFC 8032 §7.1: seed, public key, message, signature.
const vectors = [
  [
    '9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60',
    'd75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a',
    '',
    'e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b',
  ],
  [
    '4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb',
    '3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c',
    '72',
    '92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00',
  ],
  [
    'c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7',
    'fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025',
    'af82',
    '6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a',
  ],
] as const

const seeds = fc.uint8Array({ minLength: 32, maxLength: 32 })
const messages = fc.uint8Array({ maxLength: 300 })

describe('identityFromSeed()', () => {
  for (const [seed, publicKey, message, signature] of vectors) {
    it(`signs the ${message.length / 2}-byte message of RFC 8032 §7.1`, () => {
      const identity = identityFromSeed(fromHex(seed))

      assert.equal(toHex(identity.publicKey), publicKey)
      assert.equal(toHex(identity.sign(fromHex(message))), signature)
    })
  }

  it('signs as another implementation does', () => {
    fc.assert(
      fc.property(seeds, messages, (seed, message) => {
        const identity = identityFromSeed(seed)

        assert.equal(toHex(identity.publicKey), toHex(ed25519.getPublicKey(seed)))
        assert.equal(toHex(identity.sign(message)), toHex(ed25519.sign(message, seed)))
      }),
      { numRuns: 15 },
    )
  })

  it('refuses a seed of another length', () => {
    assert.throws(() => identityFromSeed(new Uint8Array(31)), TypeError)
  })
})

describe('verifySignature()', () => {
  it('accepts what was signed and nothing with a flipped bit', () => {
    fc.assert(
      fc.property(seeds, messages, fc.nat(), (seed, message, position) => {
        const identity = identityFromSeed(seed)
        const { publicKey } = identity
        const signature = identity.sign(message)
        const forged = Uint8Array.from(signature)
        const bit = position % 512
        forged[bit >> 3] = (forged[bit >> 3] ?? 0) ^ (1 << (bit & 7))

        assert.equal(verifySignature(publicKey, message, signature), true)
        assert.equal(verifySignature(publicKey, message, forged), false)
        assert.equal(verifySignature(publicKey, Uint8Array.from([...message, 0]), signature), false)
      }),
      { numRuns: 50 },
    )
  })

  it('never throws, whatever the key and the signature are', () => {
    const anyBytes = fc.oneof(
      fc.uint8Array({ maxLength: 70 }),
      seeds,
      fc.uint8Array({ minLength: 64, maxLength: 64 }),
    )
    fc.assert(
      fc.property(anyBytes, messages, anyBytes, (key, message, signature) => {
        assert.equal(verifySignature(key, message, signature), false)
      }),
    )
  })

  it('refuses every key of small order, for which one signature would fit all messages', () => {
    const forgedForAll = fromHex(`01${'00'.repeat(63)}`)
    const otherEncodings = [
      `01${'00'.repeat(30)}80`,
      `ed${'ff'.repeat(30)}7f`,
      `ed${'ff'.repeat(30)}ff`,
      `ee${'ff'.repeat(30)}7f`,
      `ee${'ff'.repeat(30)}ff`,
      `ec${'ff'.repeat(31)}`,
    ]

    assert.equal(ED25519_TORSION_SUBGROUP.length, 8)
    for (const key of [...ED25519_TORSION_SUBGROUP, ...otherEncodings]) {
      for (let message = 0; message < 16; message++) {
        assert.equal(verifySignature(fromHex(key), Uint8Array.of(message), forgedForAll), false)
      }
    }
  })
})
