/**
 * What a device's identity key signs. Each statement begins with words of its own, so that a signature given for
 * one purpose never serves another; what follows is of fixed length or comes last.
 */
import { concatBytes, utf8 } from '../core/bytes.ts'
import { hmacSha256, sha256 } from './hash.ts'

/** "This static key is mine": signed once, published with the device's keys. */
export function staticKeyStatement(staticPublic: Uint8Array): Uint8Array {
  return concatBytes(utf8('holler static key'), staticPublic)
}

/** "This prekey is mine": who seals a message with it knows for whom. */
export function signedPrekeyStatement(number: number, prekey: Uint8Array): Uint8Array {
  const numbered = Buffer.alloc(4)
  numbered.writeUInt32BE(number)
  return concatBytes(utf8('holler signed prekey'), numbered, prekey)
}

/** "This login is mine": bound to the one TLS session by its exporter (RFC 9266). */
export function deviceLoginStatement(exporter: Uint8Array): Uint8Array {
  return concatBytes(utf8('holler device login'), exporter)
}

/** "This session goes on with me": bound to the ticket, and to the one TLS session. */
export function sessionResumeStatement(exporter: Uint8Array, ticket: Uint8Array): Uint8Array {
  return concatBytes(utf8('holler session resume'), exporter, ticket)
}

/** The server's half: only who gave the ticket knows its key. */
export function sessionResumedProof(key: Uint8Array, exporter: Uint8Array): Uint8Array {
  return hmacSha256(key, utf8('holler session resumed'), exporter)
}

/**
 * What stands in a BIND inside TLS where one over UDP has the relay's cookie: 16 bytes that both ends of the stream know
 * from its exporter (RFC 9266), and nobody else. So a BIND that was recorded elsewhere binds nothing here.
 */
export function relayStreamProof(exporter: Uint8Array): Uint8Array {
  return sha256(utf8('holler relay stream'), exporter).subarray(0, 16)
}

/** "This relay channel is mine": bound to the relay's cookie, and so to the address it was sent to. */
export function relayBindStatement(
  nonce: Uint8Array,
  cookie: Uint8Array,
  ticket: Uint8Array,
): Uint8Array {
  return concatBytes(utf8('holler relay bind'), nonce, cookie, ticket)
}
