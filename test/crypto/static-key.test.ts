import assert from 'node:assert/strict'
import { x25519 } from '@noble/curves/ed25519.js'
import { describe, it } from 'mocha'
import fc from 'fast-check'
import { fromHex, toHex } from '../../src/core/bytes.ts'
import { staticKeyFromSeed } from '../../src/crypto/static-key.ts'

const seeds = fc.uint8Array({ minLength: 32, maxLength: 32 })
const hexOf = (bytes: Uint8Array | undefined): string => toHex(bytes ?? new Uint8Array(0))

// RFC 7748 §6.1
const alicePrivate = '77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a'
const bobPrivate = '5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb'

describe('staticKeyFromSeed()', () => {
  it('agrees on the shared secret of RFC 7748 §6.1', () => {
    const alice = staticKeyFromSeed(fromHex(alicePrivate))
    const bob = staticKeyFromSeed(fromHex(bobPrivate))

    assert.equal(
      hexOf(alice.publicKey),
      '8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a',
    )
    assert.equal(
      hexOf(bob.publicKey),
      'de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f',
    )
    const secret = '4a5d9d5ba4ce2de1728e3bf480350f25e07e21c947d19e3376f09b3c1e161742'
    assert.equal(hexOf(alice.agree(bob.publicKey)), secret)
    assert.equal(hexOf(bob.agree(alice.publicKey)), secret)
  })

  it('multiplies the two samples of RFC 7748 §5.2', () => {
    const first = staticKeyFromSeed(
      fromHex('a546e36bf0527c9d3b16154b82465edd62144c0ac1fc5a18506a2244ba449ac4'),
    )
    const second = staticKeyFromSeed(
      fromHex('4b66e9d4d1b4673c5ad22691957d6af5c11b6421e0ea01d42ca4169e7918ba0d'),
    )

    assert.equal(
      hexOf(
        first.agree(fromHex('e6db6867583030db3594c1a424b15f7c726624ec26b3353b10a903a6d0ab1c4c')),
      ),
      'c3da55379de9c6908e94ea4df28d084f32eccf03491c71f754b4075577a28552',
    )
    assert.equal(
      hexOf(
        second.agree(fromHex('e5210f12786811d3f4b7959d0538ae2c31dbe7106fc03c3efc4cd549c715a493')),
      ),
      '95cbde9476e8907d7aade45cb4b873f88b595a68799fa152e6f8f7647aac7957',
    )
  })

  it('agrees as another implementation does, from both sides', () => {
    fc.assert(
      fc.property(seeds, seeds, (one, other) => {
        const [a, b] = [staticKeyFromSeed(one), staticKeyFromSeed(other)]

        assert.equal(hexOf(a.publicKey), toHex(x25519.getPublicKey(one)))
        assert.equal(hexOf(a.agree(b.publicKey)), hexOf(b.agree(a.publicKey)))
        assert.equal(
          hexOf(a.agree(b.publicKey)),
          toHex(x25519.getSharedSecret(one, x25519.getPublicKey(other))),
        )
      }),
      { numRuns: 15 },
    )
  })

  it('refuses points of low order, which give everybody the same secret', () => {
    const key = staticKeyFromSeed(new Uint8Array(32).fill(7))
    const lowOrder = [
      '00'.repeat(32),
      `01${'00'.repeat(31)}`,
      'e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800',
      '5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157',
      `ec${'ff'.repeat(30)}7f`,
      `ed${'ff'.repeat(30)}7f`,
      `ee${'ff'.repeat(30)}7f`,
    ]

    for (const point of lowOrder) assert.equal(key.agree(fromHex(point)), undefined)
  })

  it('refuses keys of another length and never throws on any bytes', () => {
    const key = staticKeyFromSeed(new Uint8Array(32).fill(7))

    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 64 }), (bytes) => {
        assert.equal(key.agree(bytes) === undefined, bytes.length !== 32)
      }),
    )
    assert.throws(() => staticKeyFromSeed(new Uint8Array(33)), TypeError)
  })
})
