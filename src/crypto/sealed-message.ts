/**
 * One message, sealed for somebody who is not there: X3DH for this message alone, no state between messages, so that
 * nothing breaks when a store is restored or a daemon killed. `docs/protocol/sealed-messages.md` draws it.
 *
 *     DH1 = sender's static, recipient's signed prekey        proves the sender's device
 *     DH2 = ephemeral, recipient's static                     proves the recipient's device
 *     DH3 = ephemeral, recipient's signed prekey
 *     DH4 = ephemeral, recipient's one-time prekey            gone after it was used once
 *
 * After X3DH (Signal, revision 1, §3.3), without its XEdDSA: prekeys are signed by the Ed25519 identity.
 */
import { asBuffer, concatBytes, equalBytes, utf8 } from '../core/bytes.ts'
import { NONCE_BYTES, openAead, sealAead, TAG_BYTES } from './aead.ts'
import { staticKeyStatement } from './device-statement.ts'
import { hkdfSha256 } from './hash.ts'
import { verifySignature } from './identity.ts'
import type { StaticKey } from './static-key.ts'

/** X25519, HKDF-SHA-256, ChaCha20-Poly1305. A suite that is not this one is refused. */
const SUITE = 1

/** Whether a person would miss it: what cannot be read of the first kind is told, of the second it is dropped. */
export type SealedKind = 'text' | 'service'
const KIND_CODES = { text: 0, service: 1 } as const

const HEADER_BYTES = 178
const PUBLIC_BYTES = 32

/**
 * Plaintexts are padded to one of these, so that a size tells little. The last is for the longest text, which with
 * its envelope is a little longer than 64 KiB.
 */
const BUCKETS = [256, 1024, 4096, 16_384, 65_536, 67_584] as const
const END_OF_TEXT = 0x80

const LABEL = utf8('holler sealed message 1')
const X3DH_PREFIX = new Uint8Array(32).fill(0xff) // X3DH §2.2: no X25519 value begins so
const NO_SALT = new Uint8Array(32)
const NO_NONCE = new Uint8Array(NONCE_BYTES) // each key seals one message

export interface PublicDevice {
  readonly identity: Uint8Array
  readonly static: Uint8Array
  readonly staticSignature: Uint8Array
}

interface NumberedKey {
  readonly number: number
  readonly key: Uint8Array
}

/** What a message is bound to: moved to another place, it does not open. */
export interface SealedContext {
  /** Account numbers. */
  readonly from: number
  readonly to: number
  readonly messageId: Uint8Array // 16 bytes
}

export interface SealOptions extends SealedContext {
  readonly kind: SealedKind
  /** Of the sender in this conversation; 0 for what has none. */
  readonly sequence: number
  readonly device: PublicDevice
  readonly staticKey: StaticKey
  /** Fresh for this message. */
  readonly ephemeral: StaticKey
  /** Its keys have been checked: prekey and static are signed by this identity. */
  readonly recipient: {
    readonly device: PublicDevice
    readonly signed: NumberedKey
    readonly oneTime?: NumberedKey
  }
  readonly plaintext: Uint8Array
}

/** The sealed message; `undefined` when a key of the recipient is of low order, or the plaintext too long. */
export function sealMessage(options: SealOptions): Uint8Array | undefined {
  const { recipient, ephemeral, staticKey, plaintext } = options
  const padded = pad(plaintext)
  const secrets = [
    staticKey.agree(recipient.signed.key),
    ephemeral.agree(recipient.device.static),
    ephemeral.agree(recipient.signed.key),
    ...(recipient.oneTime === undefined ? [] : [ephemeral.agree(recipient.oneTime.key)]),
  ]
  const key = keyOf(secrets)
  if (padded === undefined || key === undefined) return undefined
  const header = encodeHeader(options)
  return concatBytes(header, sealAead(key, NO_NONCE, associatedData(options, header), padded))
}

/** What can be seen of a sealed message without opening it. */
export interface SealedHeader {
  readonly kind: SealedKind
  readonly signedNumber: number
  /** 0: none was used. */
  readonly oneTimeNumber: number
  readonly sequence: number
  readonly ephemeral: Uint8Array
  /** Who the sender says it is; true when the message opens. */
  readonly device: PublicDevice
}

/** `undefined` unless it is a sealed message of this suite whose device has signed its static key. */
export function readSealedHeader(sealed: Uint8Array): SealedHeader | undefined {
  if (sealed.length < HEADER_BYTES + TAG_BYTES) return undefined
  const view = asBuffer(sealed)
  const kind = view[1] === 0 ? 'text' : view[1] === 1 ? 'service' : undefined
  const sequence = Number(view.readBigUInt64BE(10))
  if (view[0] !== SUITE || kind === undefined || !Number.isSafeInteger(sequence)) return undefined
  const device = {
    static: sealed.slice(50, 82),
    identity: sealed.slice(82, 114),
    staticSignature: sealed.slice(114, 178),
  }
  const statement = staticKeyStatement(device.static)
  if (!verifySignature(device.identity, statement, device.staticSignature)) return undefined
  return {
    kind,
    signedNumber: view.readUInt32BE(2),
    oneTimeNumber: view.readUInt32BE(6),
    sequence,
    ephemeral: sealed.slice(18, 50),
    device,
  }
}

export interface OpenOptions extends SealedContext {
  readonly header: SealedHeader
  readonly staticKey: StaticKey
  readonly signed: StaticKey
  readonly oneTime?: StaticKey
}

/** The plaintext; `undefined` when it was sealed for other keys or another place, forged or damaged. */
export function openMessage(sealed: Uint8Array, options: OpenOptions): Uint8Array | undefined {
  const { header, staticKey, signed, oneTime } = options
  const key = keyOf([
    signed.agree(header.device.static),
    staticKey.agree(header.ephemeral),
    signed.agree(header.ephemeral),
    ...(oneTime === undefined ? [] : [oneTime.agree(header.ephemeral)]),
  ])
  if (key === undefined) return undefined
  const ad = associatedData(options, sealed.subarray(0, HEADER_BYTES))
  const padded = openAead(key, NO_NONCE, ad, sealed.subarray(HEADER_BYTES))
  return padded === undefined ? undefined : unpad(padded)
}

function encodeHeader(options: SealOptions): Uint8Array {
  const { kind, sequence, recipient, ephemeral, device } = options
  const numbers = Buffer.alloc(18)
  numbers[0] = SUITE
  numbers[1] = KIND_CODES[kind]
  numbers.writeUInt32BE(recipient.signed.number, 2)
  numbers.writeUInt32BE(recipient.oneTime?.number ?? 0, 6)
  numbers.writeBigUInt64BE(BigInt(sequence), 10)
  const { publicKey } = ephemeral
  return concatBytes(numbers, publicKey, device.static, device.identity, device.staticSignature)
}

function associatedData({ from, to, messageId }: SealedContext, header: Uint8Array): Uint8Array {
  const accounts = Buffer.alloc(16)
  accounts.writeBigUInt64BE(BigInt(from), 0)
  accounts.writeBigUInt64BE(BigInt(to), 8)
  return concatBytes(LABEL, accounts, messageId, header)
}

function keyOf(secrets: readonly (Uint8Array | undefined)[]): Uint8Array | undefined {
  const known = secrets.filter((secret) => secret !== undefined)
  if (known.length < secrets.length) return undefined
  return hkdfSha256(concatBytes(X3DH_PREFIX, ...known), NO_SALT, LABEL, PUBLIC_BYTES)
}

function pad(plaintext: Uint8Array): Uint8Array | undefined {
  const length = BUCKETS.find((bucket) => plaintext.length < bucket)
  if (length === undefined) return undefined
  const padded = new Uint8Array(length)
  padded.set(plaintext)
  padded[plaintext.length] = END_OF_TEXT
  return padded
}

// ISO/IEC 7816-4: the end is marked, then zeros. It was authenticated, so what it tells tells nobody anything.
function unpad(padded: Uint8Array): Uint8Array | undefined {
  const end = padded.lastIndexOf(END_OF_TEXT)
  if (
    end === -1 ||
    !equalBytes(padded.subarray(end + 1), new Uint8Array(padded.length - end - 1))
  ) {
    return undefined
  }
  return padded.slice(0, end)
}
