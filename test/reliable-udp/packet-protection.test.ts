import { strict as assert } from 'node:assert'
import { fromHex, toHex, utf8 } from '../../src/core/bytes.ts'
import { instant } from '../../src/core/instant.ts'
import { openAead } from '../../src/crypto/aead.ts'
import {
  DATA_HEADER_BYTES,
  DATA_OVERHEAD_BYTES,
  PacketReader,
} from '../../src/reliable-udp/packet.ts'
import {
  DEFAULT_KEY_LIMITS,
  KeyUsage,
  PacketProtection,
} from '../../src/reliable-udp/packet-protection.ts'

const keyA = new Uint8Array(32).fill(1)
const keyB = new Uint8Array(32).fill(2)
const payload = utf8('some frames')

function pairOfProtections(): { readonly a: PacketProtection; readonly b: PacketProtection } {
  return {
    a: new PacketProtection({ send: keyA, receive: keyB }, 'initiator'),
    b: new PacketProtection({ send: keyB, receive: keyA }, 'responder'),
  }
}

function seal(protection: PacketProtection, number: number): Uint8Array {
  const bytes = new Uint8Array(payload.length + DATA_OVERHEAD_BYTES)
  const header = {
    destination: new Uint8Array(8).fill(3),
    packetBytes: bytes.length,
    number,
    keyPhase: protection.sendGeneration & 3,
    asksForAck: false,
  }
  bytes.set(payload, DATA_HEADER_BYTES)
  protection.seal(bytes, 0, DATA_HEADER_BYTES + payload.length, header)
  return bytes
}

function open(protection: PacketProtection, bytes: Uint8Array, number: number): string | undefined {
  const packet = new PacketReader()
  assert.ok(packet.read(bytes, 0))
  const opened = new Uint8Array(packet.end - packet.start - DATA_OVERHEAD_BYTES)
  if (!protection.open(bytes, packet, number, opened)) return undefined
  return Buffer.from(opened).toString()
}

describe('PacketProtection', () => {
  it('seals with the header as associated data and a nonce of direction and number', () => {
    const { a } = pairOfProtections()

    const bytes = seal(a, 0x1_0000_0203)

    const nonce = fromHex('00000000' + '0000000100000203')
    const [header, sealed] = [
      bytes.subarray(0, DATA_HEADER_BYTES),
      bytes.subarray(DATA_HEADER_BYTES),
    ]
    assert.equal(toHex(openAead(keyA, nonce, header, sealed) ?? new Uint8Array(0)), toHex(payload))
  })

  it('opens a packet once: a duplicate and a replay are dropped', () => {
    const { a, b } = pairOfProtections()
    const bytes = seal(a, 7)

    assert.equal(open(b, bytes, 7), 'some frames')
    assert.equal(open(b, bytes, 7), undefined)
    assert.equal(b.failures, 0)
  })

  it('drops a packet changed in any byte, and still opens the true one', () => {
    const { a, b } = pairOfProtections()
    const bytes = seal(a, 7)
    const opened = new Uint8Array(payload.length)
    for (let i = 0; i < bytes.length; i++) {
      if (i === 9 || i === 10) continue // the length: such a packet is not even cut out
      const forged = Uint8Array.from(bytes)
      forged[i] = (forged[i] ?? 0) ^ 0x04
      const packet = new PacketReader()
      if (packet.read(forged, 0)) {
        assert.equal(b.open(forged, packet, 7, opened), false, `byte ${i}`)
      }
    }

    assert.equal(open(b, bytes, 7), 'some frames')
  })

  it('drops our own packets when they are sent back to us', () => {
    const { a } = pairOfProtections()
    const same = new PacketProtection({ send: keyA, receive: keyA }, 'initiator')

    assert.equal(open(a, seal(a, 1), 1), undefined)
    assert.equal(open(same, seal(same, 1), 1), undefined, 'even if both directions had one key')
  })

  it('a forged number does not move the replay window', () => {
    const { a, b } = pairOfProtections()
    const bytes = seal(a, 7)

    assert.equal(open(b, bytes, 1_000_000), undefined)
    assert.equal(open(b, bytes, 7), 'some frames')
  })

  it('follows the peer to new keys, and answers with its own', () => {
    const { a, b } = pairOfProtections()
    open(b, seal(a, 0), 0)
    a.advanceSending()

    assert.equal(open(b, seal(a, 1), 1), 'some frames')
    assert.deepEqual([b.receiveGeneration, b.sendGeneration], [1, 1])
    assert.equal(open(a, seal(b, 0), 0), 'some frames')
    assert.equal(a.receiveGeneration, 1)
  })

  it('opens late packets of the generation before, until that key is forgotten', () => {
    const { a, b } = pairOfProtections()
    const late = [seal(a, 0), seal(a, 1)] as const
    a.advanceSending()
    open(b, seal(a, 2), 2)

    assert.equal(open(b, late[0], 0), 'some frames')
    assert.equal(b.openedGeneration, 0)
    b.forgetPreviousKey()
    assert.equal(open(b, late[1], 1), undefined)
  })

  it('both may update at once', () => {
    const { a, b } = pairOfProtections()
    a.advanceSending()
    b.advanceSending()

    assert.equal(open(b, seal(a, 1), 1), 'some frames')
    assert.equal(open(a, seal(b, 1), 1), 'some frames')
    assert.deepEqual(
      [a.sendGeneration, a.receiveGeneration, b.sendGeneration, b.receiveGeneration],
      [1, 1, 1, 1],
    )
  })

  it('goes on through many generations, more than the two phase bits count', () => {
    const { a, b } = pairOfProtections()
    for (let number = 0; number < 40; number += 2) {
      for (const next of [number, number + 1]) {
        assert.equal(open(b, seal(a, next), next), 'some frames')
        assert.equal(open(a, seal(b, next), next), 'some frames')
      }
      if (number % 4 === 0) a.advanceSending()
      else b.advanceSending()
    }
    assert.equal(b.receiveGeneration, 19)
  })
})

describe('KeyUsage', () => {
  const start = instant(1000)

  it('is due after 120 s, 2^20 packets or 1 GiB', () => {
    const aged = new KeyUsage(start, DEFAULT_KEY_LIMITS)
    aged.handleAcknowledged(0)
    assert.equal(aged.isUpdateDue(instant(120_999)), false)
    assert.equal(aged.isUpdateDue(instant(121_000)), true)

    const busy = new KeyUsage(start, { ...DEFAULT_KEY_LIMITS, packets: 3 })
    busy.handleAcknowledged(0)
    for (let i = 0; i < 3; i++) busy.handleSent(100)
    assert.equal(busy.isUpdateDue(start), true)

    const heavy = new KeyUsage(start, DEFAULT_KEY_LIMITS)
    heavy.handleAcknowledged(0)
    heavy.handleSent(2 ** 30)
    assert.equal(heavy.isUpdateDue(start), true)
  })

  it('waits until a packet of the present generation was acknowledged', () => {
    const usage = new KeyUsage(start, DEFAULT_KEY_LIMITS)
    assert.equal(usage.isUpdateDue(instant(500_000)), false)
    usage.handleAcknowledged(4)
    assert.equal(usage.isUpdateDue(instant(500_000)), true)

    usage.restart(instant(500_000), 10)

    usage.handleAcknowledged(9)
    assert.equal(usage.isUpdateDue(instant(900_000)), false)
    usage.handleAcknowledged(10)
    assert.equal(usage.isUpdateDue(instant(900_000)), true)
  })
})
