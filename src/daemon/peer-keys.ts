/**
 * What the two sides of a session compute alike from its id and their account numbers, and the proof that a peer is
 * the device that the server introduced.
 */
import { asBuffer, concatBytes, equalBytes, utf8 } from '../core/bytes.ts'
import { staticKeyStatement } from '../crypto/device-statement.ts'
import { hkdfSha256, sha256 } from '../crypto/hash.ts'
import { SIGNATURE_BYTES, verifySignature } from '../crypto/identity.ts'
import { KEY_BYTES } from '../crypto/raw-key.ts'
import type { StaticKey } from '../crypto/static-key.ts'
import type { AccountNumber, DeviceKeys } from '../protocol/server/messages.ts'
import { CONNECTION_ID_BYTES } from '../reliable-udp/packet.ts'

export const SESSION_BYTES = 16
const PROBE_KEY_BYTES = 32

/** The lower number begins the connection: both sides know it without asking, whoever asked for the introduction. */
export function connectionRole(own: AccountNumber, peer: AccountNumber): 'initiator' | 'responder' {
  return own < peer ? 'initiator' : 'responder'
}

/** Binds the handshake to the protocol, the rendezvous session, and who is who in it. */
export function sessionPrologue(
  session: Uint8Array,
  one: AccountNumber,
  other: AccountNumber,
): Uint8Array {
  const numbers = Buffer.alloc(16)
  numbers.writeBigUInt64BE(BigInt(Math.min(one, other)), 0)
  numbers.writeBigUInt64BE(BigInt(Math.max(one, other)), 8)
  return concatBytes(utf8('holler/1'), session, numbers)
}

/** The responder's connection id for the initiator's first packet. */
export function firstConnectionId(session: Uint8Array): Uint8Array {
  return sha256(session).subarray(0, CONNECTION_ID_BYTES)
}

/** The key of the punch probes; `undefined` when the peer's half is no usable key. */
export function sharedProbeKey(
  own: StaticKey,
  peerPublic: Uint8Array,
  session: Uint8Array,
): Uint8Array | undefined {
  const secret = own.agree(peerPublic)
  return secret && hkdfSha256(secret, session, utf8('holler probe'), PROBE_KEY_BYTES)
}

/** What each side says of itself inside the handshake: its identity, and its signature over the static key. */
export function handshakePayload(device: DeviceKeys): Uint8Array {
  return concatBytes(device.identity, device.staticSignature)
}

/** Whether a device's keys are of the right size and its identity vouches for its static key. */
export function isConsistentDevice(device: DeviceKeys): boolean {
  return (
    device.identity.length === KEY_BYTES &&
    device.static.length === KEY_BYTES &&
    verifySignature(device.identity, staticKeyStatement(device.static), device.staticSignature)
  )
}

/**
 * Whether whoever holds `remoteStatic` is that device. The handshake has proven the static key; the signature in the
 * payload ties it to the identity; the identity must be the introduced one.
 */
export function isIntroducedDevice(
  device: DeviceKeys,
  remoteStatic: Uint8Array,
  payload: Uint8Array,
): boolean {
  if (payload.length !== KEY_BYTES + SIGNATURE_BYTES) return false
  const identity = payload.subarray(0, KEY_BYTES)
  const signature = payload.subarray(KEY_BYTES)
  return (
    equalBytes(identity, device.identity) &&
    equalBytes(remoteStatic, device.static) &&
    verifySignature(identity, staticKeyStatement(remoteStatic), signature)
  )
}

/** Sessions as comparable strings; hex keeps the order of the bytes. */
export function sessionKeyOf(session: Uint8Array): string {
  return asBuffer(session).toString('hex')
}
