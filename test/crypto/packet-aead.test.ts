import assert from 'node:assert/strict'
import fc from 'fast-check'
import { concatBytes, fromHex, toHex, utf8 } from '../../src/core/bytes.ts'
import { sealAead, TAG_BYTES } from '../../src/crypto/aead.ts'
import { type PacketAead, portablePacketAead } from '../../src/crypto/packet-aead.ts'
import { loadSodiumAead } from '../../src/crypto/sodium-aead.ts'

const bytes = (length: number): fc.Arbitrary<Uint8Array> =>
  fc.uint8Array({ minLength: length, maxLength: length })
const anyBytes = fc.uint8Array({ maxLength: 1_500 })

// RFC 8439 §2.8.2
const KEY = fromHex('808182838485868788898a8b8c8d8e8f909192939495969798999a9b9c9d9e9f')
const NONCE = fromHex('070000004041424344454647')
const HEADER = fromHex('50515253c0c1c2c3c4c5c6c7')
const PLAINTEXT = utf8(
  "Ladies and Gentlemen of the class of '99: If I could offer you " +
    'only one tip for the future, sunscreen would be it.',
)
const SEALED =
  'd31a8d34648e60db7b86afbc53ef7ec2a4aded51296e08fea9e2b5a736ee62d6' +
  '3dbea45e8ca9671282fafb69da92728b1a71de0a9e060b2905d6a5b67ecd3b36' +
  '92ddbd7f2d778b8c9803aee328091b58fab324e4fad675945585808b4831d7bc' +
  '3ff4def08e4b7a9de576d26586cec64b6116' +
  '1ae10b594f09e26a7e902ecbd0600691'

/** Header and sealed body in the middle of other bytes, as packets lie in a batch. */
function seal(
  aead: PacketAead,
  key: Uint8Array,
  nonce: Uint8Array,
  header: Uint8Array,
  plaintext: Uint8Array,
): Uint8Array {
  const guard = new Uint8Array(7).fill(0x55)
  const memory = concatBytes(guard, header, plaintext, new Uint8Array(TAG_BYTES), guard)
  const bodyStart = guard.length + header.length
  aead.seal(key, nonce, memory, guard.length, bodyStart, bodyStart + plaintext.length)
  assert.equal(toHex(memory.subarray(0, 7)), toHex(guard), 'nothing before it is touched')
  assert.equal(toHex(memory.subarray(-7)), toHex(guard), 'nor behind it')
  return memory.subarray(guard.length, -guard.length)
}

function open(
  aead: PacketAead,
  key: Uint8Array,
  nonce: Uint8Array,
  packet: Uint8Array,
  headerBytes: number,
): string | undefined {
  const target = new Uint8Array(Math.max(0, packet.length - headerBytes - TAG_BYTES))
  const isOpen = aead.open(key, nonce, packet, 0, headerBytes, packet.length, target)
  return isOpen ? toHex(target) : undefined
}

const sodium = loadSodiumAead()
const implementations = [portablePacketAead, ...(sodium === undefined ? [] : [sodium])]

for (const aead of implementations) {
  describe(`PacketAead of ${aead.name}`, () => {
    it('seals the sample of RFC 8439 §2.8.2', () => {
      const packet = seal(aead, KEY, NONCE, HEADER, PLAINTEXT)

      assert.equal(toHex(packet), toHex(HEADER) + SEALED)
    })

    it('seals as node:crypto does and opens what that sealed', () => {
      fc.assert(
        fc.property(bytes(32), bytes(12), anyBytes, anyBytes, (key, nonce, header, plaintext) => {
          const expected = concatBytes(header, sealAead(key, nonce, header, plaintext))

          assert.equal(toHex(seal(aead, key, nonce, header, plaintext)), toHex(expected))
          assert.equal(open(aead, key, nonce, expected, header.length), toHex(plaintext))
        }),
      )
    })

    it('refuses every flipped bit of header, ciphertext and tag, and another key or nonce', () => {
      const packet = seal(aead, KEY, NONCE, HEADER, utf8('body'))
      for (let bit = 0; bit < packet.length * 8; bit++) {
        const forged = Uint8Array.from(packet)
        forged[bit >> 3] = (forged[bit >> 3] ?? 0) ^ (1 << (bit & 7))
        assert.equal(open(aead, KEY, NONCE, forged, HEADER.length), undefined, `bit ${bit}`)
      }

      assert.equal(open(aead, NONCE_KEY, NONCE, packet, HEADER.length), undefined)
      assert.equal(open(aead, KEY, KEY.subarray(0, 12), packet, HEADER.length), undefined)
      assert.equal(open(aead, KEY, NONCE, packet, HEADER.length), toHex(utf8('body')))
    })

    it('refuses what is shorter than a tag', () => {
      for (let length = 0; length < TAG_BYTES; length++) {
        assert.equal(open(aead, KEY, NONCE, new Uint8Array(length), 0), undefined)
      }
    })
  })
}

const NONCE_KEY = new Uint8Array(32).fill(9)
