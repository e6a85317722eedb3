import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { chacha20poly1305 } from '@noble/ciphers/chacha.js'
import { ed25519, x25519 } from '@noble/curves/ed25519.js'
import { hkdf } from '@noble/hashes/hkdf.js'
import { sha256 as nobleSha256 } from '@noble/hashes/sha2.js'
import fc from 'fast-check'
import { concatBytes, fromHex, toHex, utf8 } from '../../src/core/bytes.ts'
import { staticKeyStatement } from '../../src/crypto/device-statement.ts'
import { sha256 } from '../../src/crypto/hash.ts'
import { identityFromSeed } from '../../src/crypto/identity.ts'
import {
  openMessage,
  readSealedHeader,
  sealMessage,
  type SealOptions,
} from '../../src/crypto/sealed-message.ts'
import { type StaticKey, staticKeyFromSeed } from '../../src/crypto/static-key.ts'

const seedOf = (name: string): Uint8Array => sha256(utf8(name))
const keyOf = (name: string): StaticKey => staticKeyFromSeed(seedOf(name))

function deviceOf(name: string): SealOptions['device'] {
  const identity = identityFromSeed(seedOf(`${name} identity`))
  const key = keyOf(`${name} static`).publicKey
  const staticSignature = identity.sign(staticKeyStatement(key))
  return { identity: identity.publicKey, static: key, staticSignature }
}

const context = { from: 10_001, to: 10_002, messageId: new Uint8Array(16).fill(9) }

function sealed(more: Partial<SealOptions> = {}, hasOneTime = true): Uint8Array {
  const message = sealMessage({
    ...context,
    kind: 'text',
    sequence: 7,
    device: deviceOf('alice'),
    staticKey: keyOf('alice static'),
    ephemeral: keyOf('ephemeral'),
    recipient: {
      device: deviceOf('bob'),
      signed: { number: 3, key: keyOf('signed').publicKey },
      ...(hasOneTime && { oneTime: { number: 51, key: keyOf('one-time').publicKey } }),
    },
    plaintext: utf8('Hello Bob'),
    ...more,
  })
  assert.ok(message !== undefined)
  return message
}

function opened(message: Uint8Array, where = context, hasOneTime = true): Uint8Array | undefined {
  const header = readSealedHeader(message)
  if (header === undefined) return undefined
  return openMessage(message, {
    ...where,
    header,
    staticKey: keyOf('bob static'),
    signed: keyOf('signed'),
    ...(hasOneTime && { oneTime: keyOf('one-time') }),
  })
}

/** The page `docs/protocol/sealed-messages.md` in another library's words. */
function openedByNoble(message: Uint8Array): Uint8Array {
  const [theirStatic, ephemeral] = [message.slice(50, 82), message.slice(18, 50)]
  const [identity, signature] = [message.slice(82, 114), message.slice(114, 178)]
  assert.ok(
    ed25519.verify(signature, concatBytes(utf8('holler static key'), theirStatic), identity),
  )
  const secret = concatBytes(
    new Uint8Array(32).fill(0xff),
    x25519.getSharedSecret(seedOf('signed'), theirStatic),
    x25519.getSharedSecret(seedOf('bob static'), ephemeral),
    x25519.getSharedSecret(seedOf('signed'), ephemeral),
    x25519.getSharedSecret(seedOf('one-time'), ephemeral),
  )
  const label = utf8('holler sealed message 1')
  const key = hkdf(nobleSha256, Uint8Array.from(secret), new Uint8Array(32), label, 32)
  const accounts = fromHex('00000000000027110000000000002712')
  const ad = concatBytes(label, accounts, context.messageId, message.subarray(0, 178))
  const cipher = chacha20poly1305(key, new Uint8Array(12), Uint8Array.from(ad))
  return cipher.decrypt(Uint8Array.from(message.subarray(178)))
}

describe('sealMessage()', () => {
  it('writes what an independent library opens', () => {
    const padded = openedByNoble(sealed())

    assert.equal(padded.length, 256)
    assert.equal(toHex(padded).replace(/(00)+$/, ''), `${toHex(utf8('Hello Bob'))}80`)
  })

  it('writes the message of test/vectors/sealed-message.json', () => {
    const url = new URL('../vectors/sealed-message.json', import.meta.url)
    const vector = JSON.parse(readFileSync(url, 'utf8')) as { readonly sealed: string }

    assert.equal(toHex(sealed()), vector.sealed)
  })

  it('pads to few lengths, and refuses what is too long', () => {
    const lengths = new Set<number>()
    for (let length = 0; length < 67_584; length += 397) {
      lengths.add(sealed({ plaintext: new Uint8Array(length).fill(0x80) }).length)
    }

    assert.deepEqual(
      [...lengths],
      [256, 1024, 4096, 16_384, 65_536, 67_584].map((length) => 178 + length + 16),
    )
    const recipient = { device: deviceOf('bob'), signed: { number: 1, key: new Uint8Array(32) } }
    const long = { plaintext: new Uint8Array(67_584) }
    assert.throws(() => sealed(long))
    assert.throws(() => sealed({ recipient }), 'a key of low order')
  })
})

describe('openMessage()', () => {
  it('opens every message, with a one-time key and without', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 5_000 }), fc.boolean(), (plaintext, hasOneTime) => {
        const message = sealed({ plaintext }, hasOneTime)

        assert.deepEqual(
          Buffer.from(opened(message, context, hasOneTime) ?? []),
          Buffer.from(plaintext),
        )
      }),
      { numRuns: 50 },
    )
  })

  it('tells from outside what the recipient must know to open it', () => {
    const header = readSealedHeader(sealed()) ?? assert.fail()

    const { kind, signedNumber, oneTimeNumber, sequence } = header
    assert.deepEqual([kind, signedNumber, oneTimeNumber, sequence], ['text', 3, 51, 7])
    assert.equal(toHex(header.device.identity), toHex(deviceOf('alice').identity))
  })

  it('opens nothing in another place, or for other keys', () => {
    const message = sealed()

    assert.equal(opened(message, { ...context, from: 10_003 }), undefined)
    assert.equal(opened(message, { ...context, to: 10_003 }), undefined)
    assert.equal(opened(message, { ...context, messageId: new Uint8Array(16) }), undefined)
    assert.equal(opened(message, context, false), undefined)
    assert.equal(opened(sealed({ staticKey: keyOf('mallory') })), undefined)
  })

  it('opens nothing of which a bit is another', () => {
    const message = sealed()
    for (let bit = 0; bit < message.length * 8; bit += 3) {
      const forged = Uint8Array.from(message)
      forged[bit >> 3] = (forged[bit >> 3] ?? 0) ^ (1 << (bit & 7))

      assert.equal(opened(forged), undefined, `bit ${bit}`)
    }
  })

  it('never throws, whatever the bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 600 }), (bytes) => {
        assert.equal(opened(bytes), undefined)
      }),
    )
  })
})
