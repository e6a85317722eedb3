/**
 * The server's signed permission for one pair of devices to use one relay for one session.
 *
 *     version 1 | relay id 8 | session 16 | identity A 32 | identity B 32 | expires at 8 | quota 8 | signature 64
 *
 * All numbers are big-endian. The signature is the server's Ed25519 over `ticketSignatureInput(body)`; whoever reads
 * a ticket checks it with `crypto/identity.ts`, since this room knows no cryptography.
 */
import { asBuffer, concatBytes, copyOf, utf8 } from '../../core/bytes.ts'
import { type Decoded, decoded, malformed } from '../../core/decoded.ts'

export interface RelayTicket {
  /** Which relay it is for: 8 bytes, chosen at random when the relay first starts. */
  readonly relayId: Uint8Array
  /** The rendezvous session, 16 bytes. */
  readonly session: Uint8Array
  /** The Ed25519 identities of the two devices, 32 bytes each; the order means nothing. */
  readonly identityA: Uint8Array
  readonly identityB: Uint8Array
  /** Wall clock, ms since 1970 UTC. */
  readonly expiresAtMs: number
  /** How many bytes of payload the pair may send through the relay, both ways together. */
  readonly quotaBytes: number
}

export interface SignedTicket {
  readonly ticket: RelayTicket
  readonly signature: Uint8Array
  /** What the signature must be valid for. */
  readonly signatureInput: Uint8Array
}

const TICKET_VERSION = 1
const TICKET_BODY_BYTES = 105
export const TICKET_BYTES = 169

const RELAY_ID = 1
const SESSION = 9
const IDENTITY_A = 25
const IDENTITY_B = 57
const EXPIRES_AT = 89
const QUOTA = 97

// A label of its own, so that no other signature of the server can be passed off as a ticket.
const LABEL = utf8('holler relay ticket')

/** Everything but the signature. */
export function encodeTicketBody(ticket: RelayTicket): Uint8Array {
  const body = Buffer.alloc(TICKET_BODY_BYTES)
  body[0] = TICKET_VERSION
  put(body, ticket.relayId, RELAY_ID, SESSION)
  put(body, ticket.session, SESSION, IDENTITY_A)
  put(body, ticket.identityA, IDENTITY_A, IDENTITY_B)
  put(body, ticket.identityB, IDENTITY_B, EXPIRES_AT)
  body.writeBigUInt64BE(BigInt(ticket.expiresAtMs), EXPIRES_AT)
  body.writeBigUInt64BE(BigInt(ticket.quotaBytes), QUOTA)
  return body
}

/** What the server signs: the label, then the body. */
export function ticketSignatureInput(body: Uint8Array): Uint8Array {
  return concatBytes(LABEL, body)
}

/** The ticket as it travels. */
export function encodeTicket(body: Uint8Array, signature: Uint8Array): Uint8Array {
  const ticket = Buffer.alloc(TICKET_BYTES)
  put(ticket, body, 0, TICKET_BODY_BYTES)
  put(ticket, signature, TICKET_BODY_BYTES, TICKET_BYTES)
  return ticket
}

/** Reads a ticket without believing it: the caller checks `signature` over `signatureInput`, and the expiry. */
export function decodeTicket(bytes: Uint8Array): Decoded<SignedTicket> {
  if (bytes.length < TICKET_BYTES) return malformed('ticket too short')
  if (bytes[0] !== TICKET_VERSION) return malformed('ticket of an unknown version')
  const own = asBuffer(copyOf(bytes.subarray(0, TICKET_BYTES)))
  const expiresAtMs = Number(own.readBigUInt64BE(EXPIRES_AT))
  const quotaBytes = Number(own.readBigUInt64BE(QUOTA))
  if (!Number.isSafeInteger(expiresAtMs)) return malformed('ticket expiry out of range')
  if (!Number.isSafeInteger(quotaBytes)) return malformed('ticket quota out of range')
  return decoded({
    ticket: {
      relayId: own.subarray(RELAY_ID, SESSION),
      session: own.subarray(SESSION, IDENTITY_A),
      identityA: own.subarray(IDENTITY_A, IDENTITY_B),
      identityB: own.subarray(IDENTITY_B, EXPIRES_AT),
      expiresAtMs,
      quotaBytes,
    },
    signature: own.subarray(TICKET_BODY_BYTES),
    signatureInput: ticketSignatureInput(own.subarray(0, TICKET_BODY_BYTES)),
  })
}

/** For which relay a ticket is, whatever else stands in it: its holder has no use for the rest. */
export function ticketRelayId(ticket: Uint8Array): Uint8Array {
  return copyOf(ticket.subarray(RELAY_ID, SESSION))
}

function put(into: Buffer, part: Uint8Array, from: number, before: number): void {
  if (part.length !== before - from) throw new RangeError(`Ticket field of ${part.length} bytes`)
  into.set(part, from)
}
