/**
 * STUN messages to bytes and back. The one file that knows the npm package `stun`, which builds messages and reads the
 * values of attributes. It never sees bytes that have not passed `walkAttributes`, and of its opinions only values are
 * believed: what it cannot do (unknown attributes, ERROR-CODE, integrity, fingerprint) is done on raw bytes beside it.
 */
import { createMessage, decode, encode } from 'stun'
import { asBuffer, concatBytes, copyOf, utf8 } from '../core/bytes.ts'
import { type Decoded, decoded, malformed } from '../core/decoded.ts'
import { type Endpoint, endpoint } from '../core/endpoint.ts'
import { decodeErrorCode } from './error-code.ts'
import { hasSoundFingerprint, withFingerprint } from './fingerprint.ts'
import { type IntegrityKind, withIntegrity } from './integrity.ts'
import {
  type AddressKind,
  attributeTypes,
  HEADER_BYTES,
  type KnownKind,
  type StunAttribute,
  type StunClass,
  type StunMessage,
  transactionIdBytes,
  transactionIdOf,
  type UnknownAttribute,
  type WritableAttribute,
} from './message.ts'
import { paddedLength, type RawAttribute, walkAttributes } from './raw-message.ts'

export interface Protection {
  readonly integrity?: { readonly kind: IntegrityKind; readonly key: Uint8Array }
  readonly fingerprint?: boolean
}

/** Attributes are written in the order given, unknown ones last, then what protects them. */
export function encodeStun(
  message: StunMessage<WritableAttribute>,
  protection: Protection = {},
): Uint8Array {
  let bytes = encodeUnprotected(message)
  const { integrity, fingerprint } = protection
  if (integrity !== undefined) bytes = withIntegrity(bytes, integrity.kind, integrity.key)
  return fingerprint === true ? withFingerprint(bytes) : bytes
}

/**
 * Reads one message. Refused as a whole when its frame is wrong, when a known attribute is, or when it carries a wrong
 * FINGERPRINT. What comes after MESSAGE-INTEGRITY and is not protection itself is ignored (RFC 8489 §14.5).
 */
export function decodeStun(bytes: Uint8Array): Decoded<StunMessage> {
  const raw = walkAttributes(bytes)
  if (!raw.ok) return raw
  if (!hasSoundFingerprint(bytes, raw.value)) return malformed('wrong FINGERPRINT')
  const header = asBuffer(bytes).subarray(0, HEADER_BYTES)
  const attributes: StunAttribute[] = []
  for (const attribute of covered(raw.value)) {
    const value = decodeAttribute(header, attribute)
    if (!value.ok) return value
    attributes.push(value.value)
  }
  return decoded({ ...decodeType(header.readUInt16BE(0)), transactionId: idOf(header), attributes })
}

function idOf(header: Buffer): StunMessage['transactionId'] {
  return transactionIdOf(header.subarray(8))
}

// ---- The message type: 12 bits of method interleaved with 2 bits of class (RFC 8489 §5) -------------------------------

const CLASSES = ['request', 'indication', 'success', 'error'] as const

function decodeType(type: number): { messageClass: StunClass; method: number } {
  const index = (((type >> 7) & 0b10) | ((type >> 4) & 0b01)) as 0 | 1 | 2 | 3
  const method = (type & 0x000f) | ((type & 0x00e0) >> 1) | ((type & 0x3e00) >> 2)
  return { messageClass: CLASSES[index], method }
}

function encodeType(messageClass: StunClass, method: number): number {
  const index = CLASSES.indexOf(messageClass)
  const classBits = ((index & 0b10) << 7) | ((index & 0b01) << 4)
  return classBits | (method & 0x000f) | ((method & 0x0070) << 1) | ((method & 0x0f80) << 2)
}

// ---- Writing ---------------------------------------------------------------------------------------------------------

function encodeUnprotected(message: StunMessage<WritableAttribute>): Uint8Array {
  const id = asBuffer(transactionIdBytes(message.transactionId))
  const built = createMessage(encodeType(message.messageClass, message.method), id)
  const raw: Uint8Array[] = []
  for (const attribute of message.attributes) {
    if (attribute.kind === 'unknown') raw.push(encodeRaw(attribute))
    else built.addAttribute(attributeTypes[attribute.kind], ...packageValues(attribute))
  }
  const bytes = encode(built)
  return raw.length === 0 ? bytes : withAppended(bytes, raw)
}

function packageValues(
  attribute: Exclude<WritableAttribute, UnknownAttribute>,
): readonly unknown[] {
  switch (attribute.kind) {
    case 'mapped-address':
    case 'xor-mapped-address':
    case 'alternate-server':
    case 'response-origin':
    case 'other-address':
      return [attribute.endpoint.address, attribute.endpoint.port]
    case 'change-request':
      return [(attribute.changeAddress ? CHANGE_IP : 0) | (attribute.changePort ? CHANGE_PORT : 0)]
    case 'response-port':
      return [attribute.port]
    case 'padding':
      return [Buffer.alloc(attribute.lengthBytes)]
    case 'username':
    case 'realm':
    case 'nonce':
    case 'software':
      return [asBuffer(utf8(attribute.text))]
    case 'error-code':
      return [attribute.code, attribute.reason]
    case 'unknown-attributes':
      return [attribute.types]
  }
}

function encodeRaw({ type, value }: UnknownAttribute): Uint8Array {
  const bytes = Buffer.alloc(4 + paddedLength(value.length))
  bytes.writeUInt16BE(type, 0)
  bytes.writeUInt16BE(value.length, 2)
  bytes.set(value, 4)
  return bytes
}

function withAppended(bytes: Uint8Array, raw: readonly Uint8Array[]): Uint8Array {
  const longer = asBuffer(concatBytes(bytes, ...raw))
  longer.writeUInt16BE(longer.length - HEADER_BYTES, 2)
  return longer
}

// ---- Reading ---------------------------------------------------------------------------------------------------------

/** RFC 5780 §7.2. */
const CHANGE_IP = 0x04
const CHANGE_PORT = 0x02

const kinds: ReadonlyMap<number, KnownKind> = new Map(
  Object.entries(attributeTypes).map(([kind, type]) => [type, kind as KnownKind]),
)

const protections: ReadonlySet<number> = new Set([
  attributeTypes['message-integrity'],
  attributeTypes['message-integrity-sha256'],
  attributeTypes.fingerprint,
])

function* covered(attributes: readonly RawAttribute[]): Generator<RawAttribute> {
  let isCovered = true
  for (const attribute of attributes) {
    if (protections.has(attribute.type)) isCovered = false
    else if (!isCovered) continue
    yield attribute
  }
}

function decodeAttribute(header: Buffer, raw: RawAttribute): Decoded<StunAttribute> {
  const kind = kinds.get(raw.type)
  const { type, value } = raw
  switch (kind) {
    case undefined:
      return decoded({ kind: 'unknown', type, value: copyOf(value) })
    case 'mapped-address':
    case 'xor-mapped-address':
    case 'alternate-server':
    case 'response-origin':
    case 'other-address':
    case 'source-address':
    case 'changed-address':
      return decodeAddress(header, kind, raw)
    case 'change-request':
      return value.length === 4 ? decodeChangeRequest(header, raw) : wrongLength(kind)
    case 'response-port':
      return decodeResponsePort(header, raw)
    case 'unknown-attributes':
      return value.length % 2 === 0 ? decodeUnknownAttributes(header, raw) : wrongLength(kind)
    case 'padding':
      return decoded({ kind, lengthBytes: value.length })
    case 'error-code':
      return decodeErrorCode(value)
    case 'username':
    case 'realm':
    case 'nonce':
    case 'software':
      return decoded({ kind, text: value.toString('utf8') })
    case 'message-integrity':
    case 'message-integrity-sha256':
    case 'fingerprint':
      return decoded({ kind, value: copyOf(value) })
  }
}

function wrongLength(kind: KnownKind): Decoded<never> {
  return malformed(`wrong length of ${kind}`)
}

/** RFC 8489 §14.1, §14.2: family 1 with 4 bytes of address, or family 2 with 16. */
function decodeAddress(
  header: Buffer,
  kind: AddressKind,
  raw: RawAttribute,
): Decoded<StunAttribute> {
  const { type, value } = raw
  const isFramed = (value.length === 8 && value[1] === 1) || (value.length === 20 && value[1] === 2)
  if (!isFramed) return malformed(`neither an IPv4 nor an IPv6 address in ${kind}`)
  // Port 0, xor-ed or not, names no endpoint, and the package throws at it.
  const emptyPort = kind === 'xor-mapped-address' ? XORED_PORT_0 : 0
  if (value.readUInt16BE(2) === emptyPort) {
    return decoded({ kind: 'unknown', type, value: copyOf(value) })
  }
  const found = endpointFromPackage(packageValue(header, packageType(kind), value))
  return found.ok ? decoded({ kind, endpoint: found.value }) : found
}

const XORED_PORT_0 = 0x2112

// The package does not know the two address attributes of RFC 3489, which look like MAPPED-ADDRESS.
function packageType(kind: AddressKind): number {
  const isClassic = kind === 'source-address' || kind === 'changed-address'
  return attributeTypes[isClassic ? 'mapped-address' : kind]
}

function endpointFromPackage(value: unknown): Decoded<Endpoint> {
  const { address, port } = value as { address: string; port: number }
  return endpoint(address, port)
}

function decodeChangeRequest(
  header: Buffer,
  { type, value }: RawAttribute,
): Decoded<StunAttribute> {
  const flags = packageValue(header, type, value) as number
  return decoded({
    kind: 'change-request',
    changeAddress: (flags & CHANGE_IP) !== 0,
    changePort: (flags & CHANGE_PORT) !== 0,
  })
}

// Some count RFC 5780 §7.5's two bytes of padding in the length, some do not.
function decodeResponsePort(header: Buffer, { type, value }: RawAttribute): Decoded<StunAttribute> {
  if (value.length !== 2 && value.length !== 4) return wrongLength('response-port')
  return decoded({ kind: 'response-port', port: packageValue(header, type, value) as number })
}

function decodeUnknownAttributes(
  header: Buffer,
  { type, value }: RawAttribute,
): Decoded<StunAttribute> {
  if (value.length === 0) return decoded({ kind: 'unknown-attributes', types: [] })
  const types = packageValue(header, type, value) as readonly number[]
  return decoded({ kind: 'unknown-attributes', types })
}

/** Has the package read one value that is known to be well framed, from a message that holds nothing else. */
function packageValue(header: Buffer, type: number, value: Buffer): unknown {
  const length = 4 + paddedLength(value.length)
  const single = Buffer.alloc(HEADER_BYTES + length)
  single.set(header)
  single.writeUInt16BE(length, 2)
  single.writeUInt16BE(type, HEADER_BYTES)
  single.writeUInt16BE(value.length, HEADER_BYTES + 2)
  single.set(value, HEADER_BYTES + 4)
  return decode(single).getAttribute(type)?.value
}
