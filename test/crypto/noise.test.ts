import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { describe, it } from 'mocha'
import fc from 'fast-check'
import { fromHex, toHex, utf8 } from '../../src/core/bytes.ts'
import type { Decoded } from '../../src/core/decoded.ts'
import { openAead, sealAead } from '../../src/crypto/aead.ts'
import { NoiseHandshake, type NoisePattern } from '../../src/crypto/noise.ts'
import { staticKeyFromSeed } from '../../src/crypto/static-key.ts'

interface NoiseVector {
  readonly protocol_name: string
  readonly init_prologue: string
  readonly init_static: string
  readonly init_ephemeral: string
  readonly init_remote_static?: string
  readonly resp_prologue: string
  readonly resp_static: string
  readonly resp_ephemeral: string
  readonly handshake_hash: string
  readonly messages: readonly { readonly payload: string; readonly ciphertext: string }[]
}

const { vectors } = JSON.parse(
  readFileSync(new URL('../vectors/noise.json', import.meta.url), 'utf8'),
) as { readonly vectors: readonly NoiseVector[] }

const patterns: readonly NoisePattern[] = ['IK', 'XX']
const seed = (fill: number): Uint8Array => new Uint8Array(32).fill(fill)
const alice = staticKeyFromSeed(seed(1))
const bob = staticKeyFromSeed(seed(2))
const nothing = new Uint8Array(0)

interface Pair {
  readonly initiator: NoiseHandshake
  readonly responder: NoiseHandshake
}

function pairOf(pattern: NoisePattern, prologues: readonly [string, string] = ['', '']): Pair {
  return {
    initiator: new NoiseHandshake({
      pattern,
      role: 'initiator',
      prologue: utf8(prologues[0]),
      staticKey: alice,
      ...(pattern === 'IK' ? { remoteStatic: bob.publicKey } : {}),
      ephemeralSeed: seed(3),
    }),
    responder: new NoiseHandshake({
      pattern,
      role: 'responder',
      prologue: utf8(prologues[1]),
      staticKey: bob,
      ephemeralSeed: seed(4),
    }),
  }
}

function valueOf<T>(result: Decoded<T>): T {
  assert.ok(result.ok, result.ok ? '' : result.why)
  return result.value
}

/** Whose turn it is, first. */
function inTurn({ initiator, responder }: Pair): readonly [NoiseHandshake, NoiseHandshake] {
  return initiator.isMyTurn ? [initiator, responder] : [responder, initiator]
}

function finish(pair: Pair): void {
  while (!pair.initiator.isComplete || !pair.responder.isComplete) {
    const [writer, reader] = inTurn(pair)
    valueOf(reader.readMessage(writer.writeMessage(nothing)))
  }
}

describe('NoiseHandshake', () => {
  for (const vector of vectors) {
    it(`computes the published vector of ${vector.protocol_name}`, () => {
      const pattern = vector.protocol_name.slice(6, 8) as NoisePattern
      const initiator = new NoiseHandshake({
        pattern,
        role: 'initiator',
        prologue: fromHex(vector.init_prologue),
        staticKey: staticKeyFromSeed(fromHex(vector.init_static)),
        ...(vector.init_remote_static === undefined
          ? {}
          : { remoteStatic: fromHex(vector.init_remote_static) }),
        ephemeralSeed: fromHex(vector.init_ephemeral),
      })
      const responder = new NoiseHandshake({
        pattern,
        role: 'responder',
        prologue: fromHex(vector.resp_prologue),
        staticKey: staticKeyFromSeed(fromHex(vector.resp_static)),
        ephemeralSeed: fromHex(vector.resp_ephemeral),
      })

      const handshakeMessages = vector.messages.slice(0, pattern === 'IK' ? 2 : 3)
      for (const { payload, ciphertext } of handshakeMessages) {
        const [writer, reader] = inTurn({ initiator, responder })
        const message = writer.writeMessage(fromHex(payload))
        assert.equal(toHex(message), ciphertext)
        assert.equal(toHex(valueOf(reader.readMessage(message))), payload)
      }

      assert.equal(toHex(initiator.handshakeHash), vector.handshake_hash)
      assert.equal(toHex(responder.handshakeHash), vector.handshake_hash)
      const keys = [initiator.split(), responder.split()] as const
      const counters = [0, 0]
      vector.messages.forEach(({ payload, ciphertext }, index) => {
        if (index < handshakeMessages.length) return
        const side = (index % 2) as 0 | 1
        const nonce = new Uint8Array(12)
        nonce[4] = counters[side] ?? 0
        counters[side] = (counters[side] ?? 0) + 1
        const sealed = sealAead(keys[side].send, nonce, nothing, fromHex(payload))
        assert.equal(toHex(sealed), ciphertext)
        const opened = openAead(keys[side === 0 ? 1 : 0].receive, nonce, nothing, sealed)
        assert.equal(toHex(opened ?? nothing), payload)
      })
    })
  }

  for (const pattern of patterns) {
    describe(pattern, () => {
      it('ends with the same hash, crossed keys and proven statics, whatever the payloads', () => {
        const payload = fc.uint8Array({ maxLength: 300 })
        fc.assert(
          fc.property(fc.array(payload, { minLength: 3, maxLength: 3 }), (payloads) => {
            const pair = pairOf(pattern, ['same', 'same'])

            for (const sent of payloads) {
              if (pair.initiator.isComplete) break
              const [writer, reader] = inTurn(pair)
              assert.deepEqual(
                toHex(valueOf(reader.readMessage(writer.writeMessage(sent)))),
                toHex(sent),
              )
            }

            const { initiator, responder } = pair
            assert.ok(initiator.isComplete && responder.isComplete)
            assert.deepEqual(initiator.handshakeHash, responder.handshakeHash)
            assert.deepEqual(initiator.split().send, responder.split().receive)
            assert.deepEqual(initiator.split().receive, responder.split().send)
            assert.equal(toHex(initiator.remoteStatic ?? nothing), toHex(bob.publicKey))
            assert.equal(toHex(responder.remoteStatic ?? nothing), toHex(alice.publicKey))
          }),
          { numRuns: 20 },
        )
      })

      it('fails between different prologues', () => {
        const pair = pairOf(pattern, ['holler/1', 'holler/2'])

        let last: Decoded<Uint8Array> | undefined
        while (!pair.initiator.isComplete && last?.ok !== false) {
          const [writer, reader] = inTurn(pair)
          last = reader.readMessage(writer.writeMessage(nothing))
        }

        assert.equal(last?.ok, false)
      })

      it('survives every flipped bit: the true message is still understood', () => {
        const pair = pairOf(pattern)
        const isAuthentic = (message: number): boolean => pattern === 'IK' || message > 0

        for (let count = 0; !pair.initiator.isComplete; count++) {
          const [writer, reader] = inTurn(pair)
          const message = writer.writeMessage(utf8('payload'))
          // XX's first message carries nothing secret: a forged one is noticed in the second.
          for (let at = 0; isAuthentic(count) && at < message.length; at++) {
            const forged = Uint8Array.from(message)
            forged[at] = (forged[at] ?? 0) ^ (1 << (at % 8))
            // X25519 ignores the top bit of a public key, but the hash does not.
            assert.equal(reader.readMessage(forged).ok, false, `byte ${at}`)
          }
          assert.equal(toHex(valueOf(reader.readMessage(message))), toHex(utf8('payload')))
        }

        assert.deepEqual(pair.initiator.split().send, pair.responder.split().receive)
      })

      it('refuses every truncation and never throws on any bytes', () => {
        const pair = pairOf(pattern)
        if (pattern === 'XX') {
          valueOf(pair.responder.readMessage(pair.initiator.writeMessage(nothing)))
        }
        const [writer, reader] = inTurn(pair)
        const message = writer.writeMessage(utf8('payload'))

        for (let length = 0; length < message.length; length++) {
          assert.equal(reader.readMessage(message.subarray(0, length)).ok, false)
        }
        fc.assert(
          fc.property(fc.uint8Array({ maxLength: 400 }), (bytes) => {
            assert.equal(reader.readMessage(bytes).ok, false)
          }),
        )
        assert.ok(reader.readMessage(message).ok)
      })

      it('refuses an ephemeral key of low order', () => {
        const lowOrder = [
          '00'.repeat(32),
          `01${'00'.repeat(31)}`,
          'e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800',
          '5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157',
        ]
        const { responder } = pairOf(pattern)

        for (const key of lowOrder) {
          const message = Buffer.concat([fromHex(key), Buffer.alloc(96)])
          assert.equal(responder.readMessage(message).ok, false)
        }
      })

      it('answers a message out of turn with a reason, and throws at a bug of ours', () => {
        const { initiator, responder } = pairOf(pattern)

        assert.equal(initiator.readMessage(new Uint8Array(200)).ok, false)
        assert.throws(() => responder.writeMessage(nothing), /turn/)
        assert.throws(() => initiator.split(), /not complete/)
      })

      it('reads nothing more when it is complete', () => {
        const pair = pairOf(pattern)
        finish(pair)

        assert.equal(pair.initiator.isMyTurn, false)
        assert.equal(pair.responder.isMyTurn, false)
        assert.equal(pair.responder.readMessage(new Uint8Array(200)).ok, false)
        assert.throws(() => pair.initiator.writeMessage(nothing), /turn/)
      })

      it('writes no message beyond 65535 bytes and reads none', () => {
        const { initiator, responder } = pairOf(pattern)

        assert.throws(() => initiator.writeMessage(new Uint8Array(65_530)), /too long/)
        assert.equal(responder.readMessage(new Uint8Array(65_536)).ok, false)
        assert.ok(responder.readMessage(initiator.writeMessage(nothing)).ok)
      })

      it('keeps nothing of the bytes it was lent', () => {
        const pair = pairOf(pattern)
        while (!pair.initiator.isComplete) {
          const [writer, reader] = inTurn(pair)
          const message = writer.writeMessage(nothing)
          const lent = Uint8Array.from(message)
          valueOf(reader.readMessage(lent))
          lent.fill(0)
        }

        assert.deepEqual(pair.initiator.split().send, pair.responder.split().receive)
      })
    })
  }

  it('wants the remote static key exactly where the pattern needs it', () => {
    const options = { prologue: nothing, staticKey: alice, ephemeralSeed: seed(3) } as const
    const remoteStatic = bob.publicKey

    assert.throws(() => new NoiseHandshake({ ...options, pattern: 'IK', role: 'initiator' }))
    assert.throws(
      () => new NoiseHandshake({ ...options, pattern: 'IK', role: 'responder', remoteStatic }),
    )
    assert.throws(
      () => new NoiseHandshake({ ...options, pattern: 'XX', role: 'initiator', remoteStatic }),
    )
    assert.throws(
      () =>
        new NoiseHandshake({
          ...options,
          pattern: 'IK',
          role: 'initiator',
          remoteStatic: new Uint8Array(32),
        }),
      /low order/,
    )
  })

  it('lets IK fail against another responder than the one that was meant', () => {
    const { initiator } = pairOf('IK')
    const mallory = new NoiseHandshake({
      pattern: 'IK',
      role: 'responder',
      prologue: nothing,
      staticKey: staticKeyFromSeed(seed(9)),
      ephemeralSeed: seed(8),
    })

    assert.equal(mallory.readMessage(initiator.writeMessage(nothing)).ok, false)
  })
})
