import assert from 'node:assert/strict'
import fc from 'fast-check'
import { describe, it } from 'mocha'
import { toHex } from '../../../src/core/bytes.ts'
import { identityFromSeed, verifySignature } from '../../../src/crypto/identity.ts'
import {
  decodeTicket,
  encodeTicket,
  encodeTicketBody,
  TICKET_BYTES,
  ticketSignatureInput,
} from '../../../src/protocol/relay/ticket.ts'
import { bytes, plainRecord } from '../support/arbitrary-messages.ts'

const server = identityFromSeed(new Uint8Array(32).fill(9))
const ticket = {
  relayId: new Uint8Array(8).fill(1),
  session: new Uint8Array(16).fill(2),
  identityA: new Uint8Array(32).fill(3),
  identityB: new Uint8Array(32).fill(4),
  expiresAtMs: 1_795_000_600_000,
  quotaBytes: 2 ** 30,
}

const tickets = plainRecord({
  relayId: bytes(8),
  session: bytes(16),
  identityA: bytes(32),
  identityB: bytes(32),
  expiresAtMs: fc.integer({ min: 0, max: Number.MAX_SAFE_INTEGER }),
  quotaBytes: fc.integer({ min: 0, max: Number.MAX_SAFE_INTEGER }),
})

function signed(of: typeof ticket): Uint8Array {
  const body = encodeTicketBody(of)
  return encodeTicket(body, server.sign(ticketSignatureInput(body)))
}

describe('encodeTicket() and decodeTicket()', () => {
  it('give every ticket back, with what its signature is over', () => {
    fc.assert(
      fc.property(tickets, (of) => {
        const body = encodeTicketBody(of)
        const decoded = decodeTicket(encodeTicket(body, new Uint8Array(64)))

        assert.ok(decoded.ok)
        assert.deepEqual(structuredClone(decoded.value.ticket), of)
        assert.deepEqual(decoded.value.signatureInput, ticketSignatureInput(body))
      }),
    )
  })

  it('write the ticket byte by byte', () => {
    assert.equal(
      toHex(encodeTicketBody(ticket)),
      '01' +
        '01'.repeat(8) +
        '02'.repeat(16) +
        '03'.repeat(32) +
        '04'.repeat(32) +
        '000001a1ee5f85c0' +
        '0000000040000000',
    )
  })
})

describe('decodeTicket()', () => {
  it('hands over a signature that holds, and none that holds once a bit is changed', () => {
    const good = signed(ticket)
    for (let at = 1; at < TICKET_BYTES; at++) {
      const forged = Uint8Array.from(good)
      forged[at] = (forged[at] ?? 0) ^ 1
      const decoded = decodeTicket(forged)
      if (!decoded.ok) continue
      const { signatureInput, signature } = decoded.value
      assert.equal(verifySignature(server.publicKey, signatureInput, signature), false)
    }
    const decoded = decodeTicket(good)
    assert.ok(decoded.ok)
    const { signatureInput, signature } = decoded.value
    assert.ok(verifySignature(server.publicKey, signatureInput, signature))
  })

  it('refuses what is too short, another version, and numbers beyond safe integers', () => {
    const good = signed(ticket)
    for (let length = 0; length < good.length; length++) {
      assert.equal(decodeTicket(good.subarray(0, length)).ok, false)
    }
    assert.equal(decodeTicket(Uint8Array.of(2, ...good.subarray(1))).ok, false)
    for (const from of [89, 97]) {
      const huge = Uint8Array.from(good)
      huge[from] = 0xff
      assert.equal(decodeTicket(huge).ok, false)
    }
  })

  it('keeps nothing of the bytes it was lent', () => {
    const lent = Uint8Array.from(signed(ticket))
    const decoded = decodeTicket(lent)

    lent.fill(0)

    assert.ok(decoded.ok)
    assert.deepEqual(structuredClone(decoded.value.ticket), ticket)
  })

  it('never throws on any bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (drawn) => {
        decodeTicket(drawn)
      }),
    )
  })
})
