/** STUN messages as typed values: RFC 8489 §5 and §14, RFC 5780 §7, and two addresses of RFC 3489 §11.2. */
import { fromHex, toHex } from '../core/bytes.ts'
import type { Endpoint } from '../core/endpoint.ts'
import type { Random } from '../core/random.ts'

/** RFC 8489 §5: in every message since RFC 5389; tells STUN from what merely looks like it. */
export const MAGIC_COOKIE = 0x2112a442

export const HEADER_BYTES = 20

/** How long the message that begins here says it is (RFC 8489 §5). */
export function stunBytes(datagram: Uint8Array): number | undefined {
  if (datagram.length < HEADER_BYTES) return undefined
  return HEADER_BYTES + (((datagram[2] ?? 0) << 8) | (datagram[3] ?? 0))
}

export const BINDING = 0x001

const TRANSACTION_ID_BYTES = 12

declare const transactionId: unique symbol

/** 96 random bits as 24 hex digits: unpredictable, so that nobody off the path can answer in the server's name. */
export type TransactionId = string & { readonly [transactionId]: true }

export function newTransactionId(random: Random): TransactionId {
  return transactionIdOf(random.bytes(TRANSACTION_ID_BYTES))
}

export function transactionIdOf(bytes: Uint8Array): TransactionId {
  return toHex(bytes) as TransactionId
}

export function transactionIdBytes(id: TransactionId): Uint8Array {
  return fromHex(id)
}

export type StunClass = 'request' | 'indication' | 'success' | 'error'

/** IANA's "STUN Attributes" registry: the ones that have a meaning here. */
export const attributeTypes = {
  'mapped-address': 0x0001,
  'change-request': 0x0003,
  'source-address': 0x0004,
  'changed-address': 0x0005,
  username: 0x0006,
  'message-integrity': 0x0008,
  'error-code': 0x0009,
  'unknown-attributes': 0x000a,
  realm: 0x0014,
  nonce: 0x0015,
  'message-integrity-sha256': 0x001c,
  'xor-mapped-address': 0x0020,
  padding: 0x0026,
  'response-port': 0x0027,
  software: 0x8022,
  'alternate-server': 0x8023,
  fingerprint: 0x8028,
  'response-origin': 0x802b,
  'other-address': 0x802c,
} as const

export type KnownKind = keyof typeof attributeTypes

export interface AddressAttribute {
  readonly kind:
    | 'mapped-address'
    | 'xor-mapped-address'
    | 'alternate-server'
    | 'response-origin'
    | 'other-address'
  readonly endpoint: Endpoint
}

/** RFC 3489's forerunners of RESPONSE-ORIGIN and OTHER-ADDRESS: servers of that age still answer with them. */
export interface ClassicAddressAttribute {
  readonly kind: 'source-address' | 'changed-address'
  readonly endpoint: Endpoint
}

/** RFC 5780 §7.2: answer from your other address, your other port, or both. */
export interface ChangeRequest {
  readonly kind: 'change-request'
  readonly changeAddress: boolean
  readonly changePort: boolean
}

/** RFC 5780 §7.5: answer to this port of my address. */
export interface ResponsePort {
  readonly kind: 'response-port'
  readonly port: number
}

/** RFC 5780 §7.6: bytes without meaning, to make a message long. */
export interface Padding {
  readonly kind: 'padding'
  readonly lengthBytes: number
}

export interface TextAttribute {
  readonly kind: 'username' | 'realm' | 'nonce' | 'software'
  readonly text: string
}

/** RFC 8489 §14.8: 300 to 699. */
export interface ErrorCodeAttribute {
  readonly kind: 'error-code'
  readonly code: number
  readonly reason: string
}

export interface UnknownAttributes {
  readonly kind: 'unknown-attributes'
  readonly types: readonly number[]
}

/** What protects a message. It is written by `encodeStun` and checked over the received bytes (`integrity.ts`). */
export interface ProtectionAttribute {
  readonly kind: 'message-integrity' | 'message-integrity-sha256' | 'fingerprint'
  readonly value: Uint8Array
}

/** Any other attribute, as it came; also an address with port 0, which names no endpoint. */
export interface UnknownAttribute {
  readonly kind: 'unknown'
  readonly type: number
  readonly value: Uint8Array
}

/** What a message may be made of. */
export type WritableAttribute =
  | AddressAttribute
  | ChangeRequest
  | ResponsePort
  | Padding
  | TextAttribute
  | ErrorCodeAttribute
  | UnknownAttributes
  | UnknownAttribute

export type StunAttribute = WritableAttribute | ClassicAddressAttribute | ProtectionAttribute

/** The kinds that hold one endpoint. */
export type AddressKind = AddressAttribute['kind'] | ClassicAddressAttribute['kind']

export interface StunMessage<Attribute extends StunAttribute = StunAttribute> {
  readonly messageClass: StunClass
  readonly method: number
  readonly transactionId: TransactionId
  readonly attributes: readonly Attribute[]
}

/** The attribute type whose `kind` may be `Kind`. */
type AttributeOf<Kind, Attribute = StunAttribute> = Attribute extends { readonly kind: infer Own }
  ? Kind extends Own
    ? Attribute
    : never
  : never

/** The first attribute of that kind: RFC 8489 §14 lets receivers ignore repetitions. */
export function attributeOf<Kind extends StunAttribute['kind']>(
  message: StunMessage,
  kind: Kind,
): AttributeOf<Kind> | undefined {
  return message.attributes.find((attribute) => attribute.kind === kind) as
    AttributeOf<Kind> | undefined
}

/** The endpoint that an address attribute names. */
export function endpointOf(message: StunMessage, kind: AddressKind): Endpoint | undefined {
  return attributeOf(message, kind)?.endpoint
}

/** The attributes that a receiver must understand or refuse (RFC 8489 §14: 0x0000 to 0x7fff), and that are unknown here. */
export function notUnderstood(message: StunMessage): readonly number[] {
  const types: number[] = []
  for (const attribute of message.attributes) {
    if (attribute.kind === 'unknown' && attribute.type < 0x8000 && !isKnown(attribute.type)) {
      types.push(attribute.type)
    }
  }
  return types
}

const knownTypes: ReadonlySet<number> = new Set(Object.values(attributeTypes))

function isKnown(type: number): boolean {
  return knownTypes.has(type)
}
