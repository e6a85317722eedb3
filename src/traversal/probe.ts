/**
 * The punch probe: an authenticated question of 96 bytes or answer of 64. The difference pays for repeating an answer:
 * see `probe-budget.ts`.
 *
 *      0        1        2       10           14              26        30      32           48          80
 *     +--------+--------+-------+------------+---------------+---------+-------+------------+-----------+---------+
 *     |11vvkkkk| flags  | tag 8 | sequence 4 | transaction 12| sentAt 4| port 2| address 16 | padding 32| HMAC 16 |
 *     +--------+--------+-------+------------+---------------+---------+-------+------------+-----------+---------+
 *                                                                                            questions only
 *
 * - `11` marks a probe among the protocols of the port (RFC 9443's idea), `vv` is the version (00), `kkkk` the kind.
 * - flags: bit 0 is set by the responder, so that nobody's own probe can be thrown back at him; bit 1 is set when the
 *   address is IPv6; the rest is zero and ignored.
 * - tag: names the session to who holds many; made of the key, so it tells a stranger nothing.
 * - sequence: rises with each probe of a sender; a number that was seen is a replay.
 * - transaction: chosen at random for each question and repeated by its answer.
 * - sentAt: the sender's clock, ms modulo 2^32.
 * - port and address: in a question where it is sent to, in an answer where the question came from. XORed with the
 *   transaction, because some NATs rewrite every address that they recognise (RFC 8489 §14.2 does the same).
 * - padding: zeros, ignored.
 * - HMAC: HMAC-SHA-256 of all bytes before it, cut to 16 bytes. What follows it is ignored: room for the future.
 */
import { addressBytes, endpointOfBytes } from '../core/address-bytes.ts'
import { copyOf, fromHex, toHex, utf8 } from '../core/bytes.ts'
import { type Decoded, decoded, malformed } from '../core/decoded.ts'
import type { Endpoint } from '../core/endpoint.ts'
import type { Random } from '../core/random.ts'
import { hmacSha256, timingSafeEqual } from '../crypto/hash.ts'

declare const probeTag: unique symbol
declare const probeTransaction: unique symbol

/** 16 hex digits: which session a probe belongs to. */
export type ProbeTag = string & { readonly [probeTag]: true }

/** 24 hex digits, unpredictable. */
export type ProbeTransaction = string & { readonly [probeTransaction]: true }

/** Who of the two is speaking: the connection's initiator or its responder. */
export type ProbeRole = 'initiator' | 'responder'

export type ProbeKind = 'request' | 'response'

export interface Probe {
  readonly kind: ProbeKind
  readonly from: ProbeRole
  readonly sequence: number
  readonly transaction: ProbeTransaction
  readonly sentAtMs: number
  readonly seen: Endpoint
}

/** The secret of a pair's session and the tag that is made of it. */
export interface ProbeKey {
  readonly secret: Uint8Array
  readonly tag: ProbeTag
}

export const QUESTION_BYTES = 96
export const ANSWER_BYTES = 64

const MARK = 0b1100_0000 // probe, version 00
const KINDS: readonly ProbeKind[] = ['request', 'response']
const NOTE_KIND = 2
const FROM_RESPONDER = 0b01
const IS_IPV6 = 0b10

const TAG = 2
const SEQUENCE = 10
const TRANSACTION = 14
const SENT_AT = 26
const PORT = 30
const ADDRESS = 32
const FIELDS_END = 48
const MAC_BYTES = 16
const TRANSACTION_BYTES = SENT_AT - TRANSACTION
const TAG_LABEL = utf8('holler probe tag')

export function probeKey(secret: Uint8Array): ProbeKey {
  const tag = toHex(hmacSha256(secret, TAG_LABEL).subarray(0, SEQUENCE - TAG)) as ProbeTag
  return { secret: copyOf(secret), tag }
}

export function newTransaction(random: Random): ProbeTransaction {
  return toHex(random.bytes(TRANSACTION_BYTES)) as ProbeTransaction
}

/** Which session a datagram claims to belong to; nothing is proved yet. */
export function probeTagOf(datagram: Uint8Array): ProbeTag | undefined {
  if (datagram.length < ANSWER_BYTES) return undefined
  return toHex(datagram.subarray(TAG, SEQUENCE)) as ProbeTag
}

/** How long the probe that begins here is; `undefined` when it is none of this version. */
export function probeBytes(datagram: Uint8Array): number | undefined {
  const kind = KINDS[(datagram[0] ?? 0) ^ MARK]
  return kind === undefined ? undefined : sizeOf(kind)
}

export function encodeProbe(key: ProbeKey, probe: Probe): Uint8Array {
  const bytes = Buffer.alloc(sizeOf(probe.kind))
  const { seen, transaction } = probe
  bytes[0] = MARK | KINDS.indexOf(probe.kind)
  bytes[1] = (probe.from === 'responder' ? FROM_RESPONDER : 0) | (seen.family === 6 ? IS_IPV6 : 0)
  bytes.write(key.tag, TAG, 'hex')
  bytes.writeUInt32BE(probe.sequence, SEQUENCE)
  bytes.write(transaction, TRANSACTION, 'hex')
  bytes.writeUInt32BE(Math.floor(probe.sentAtMs) >>> 0, SENT_AT)
  bytes.writeUInt16BE(seen.port, PORT)
  bytes.set(addressBytes(seen), ADDRESS)
  maskEndpoint(bytes, transaction)
  return sealed(key, bytes)
}

/** A probe's frame around something that is neither question nor answer: see `punch-note.ts`. */
export interface NoteFrame {
  readonly from: ProbeRole
  readonly sequence: number
  /** From byte 14 on; 34 bytes. */
  readonly body: Uint8Array
}

export const NOTE_BODY_BYTES = FIELDS_END - TRANSACTION

export function encodeNoteFrame(key: ProbeKey, { from, sequence, body }: NoteFrame): Uint8Array {
  const bytes = Buffer.alloc(ANSWER_BYTES)
  bytes[0] = MARK | NOTE_KIND
  bytes[1] = from === 'responder' ? FROM_RESPONDER : 0
  bytes.write(key.tag, TAG, 'hex')
  bytes.writeUInt32BE(sequence, SEQUENCE)
  bytes.set(body, TRANSACTION)
  return sealed(key, bytes)
}

/** As `decodeProbe`. */
export function decodeNoteFrame(
  key: ProbeKey,
  from: ProbeRole,
  bytes: Uint8Array,
): Decoded<NoteFrame> {
  if (((bytes[0] ?? 0) ^ MARK) !== NOTE_KIND) return malformed('not a note of version 0')
  const opened = authentic(key, from, bytes, ANSWER_BYTES)
  if (!opened.ok) return opened
  const own = opened.value
  const body = own.subarray(TRANSACTION, FIELDS_END)
  return decoded({ from, sequence: own.readUInt32BE(SEQUENCE), body })
}

/** Only what `from` wrote with this very key; a probe of our own that was thrown back at us fails too. */
export function decodeProbe(key: ProbeKey, from: ProbeRole, bytes: Uint8Array): Decoded<Probe> {
  const kind = KINDS[(bytes[0] ?? 0) ^ MARK]
  if (kind === undefined) return malformed('not a probe of version 0')
  const own = authentic(key, from, bytes, sizeOf(kind))
  if (!own.ok) return own
  return fieldsOf(own.value, kind, from, ((own.value[1] ?? 0) & IS_IPV6) !== 0)
}

/** A copy of the first `size` bytes, where `from` wrote them with this key. */
function authentic(
  key: ProbeKey,
  from: ProbeRole,
  bytes: Uint8Array,
  size: number,
): Decoded<Buffer> {
  if (bytes.length < size) return malformed('probe too short')
  const own = Buffer.from(bytes.subarray(0, size))
  const flags = own[1] ?? 0
  if ((flags & FROM_RESPONDER) !== (from === 'responder' ? FROM_RESPONDER : 0)) {
    return malformed('probe of the wrong role')
  }
  if (probeTagOf(own) !== key.tag) return malformed('probe of another session')
  if (!timingSafeEqual(own.subarray(-MAC_BYTES), macOf(key, own))) {
    return malformed('probe not authentic')
  }
  return decoded(own)
}

function sealed(key: ProbeKey, bytes: Buffer): Uint8Array {
  bytes.set(macOf(key, bytes), bytes.length - MAC_BYTES)
  return bytes
}

function fieldsOf(own: Buffer, kind: ProbeKind, from: ProbeRole, isIpv6: boolean): Decoded<Probe> {
  const transaction = own.toString('hex', TRANSACTION, SENT_AT) as ProbeTransaction
  maskEndpoint(own, transaction)
  const address = own.subarray(ADDRESS, ADDRESS + (isIpv6 ? 16 : 4))
  const seen = endpointOfBytes(address, own.readUInt16BE(PORT))
  if (seen === undefined) return malformed('probe without an address')
  const sequence = own.readUInt32BE(SEQUENCE)
  return decoded({ kind, from, sequence, transaction, sentAtMs: own.readUInt32BE(SENT_AT), seen })
}

function sizeOf(kind: ProbeKind): number {
  return kind === 'request' ? QUESTION_BYTES : ANSWER_BYTES
}

function macOf(key: ProbeKey, bytes: Buffer): Uint8Array {
  return hmacSha256(key.secret, bytes.subarray(0, -MAC_BYTES)).subarray(0, MAC_BYTES)
}

/** Both ways: the port and the address, 18 bytes, XORed with the transaction repeated. */
function maskEndpoint(bytes: Buffer, transaction: ProbeTransaction): void {
  const mask = fromHex(transaction)
  for (let at = PORT; at < FIELDS_END; at++) {
    bytes[at] = (bytes[at] ?? 0) ^ (mask[(at - PORT) % TRANSACTION_BYTES] ?? 0)
  }
}
