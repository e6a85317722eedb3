/**
 * RFC 3489, for clients of its age (Debian's `stun`, many telephones): no cookie, a transaction id of 128 bits, plain
 * MAPPED-ADDRESS, and SOURCE-ADDRESS and CHANGED-ADDRESS where RFC 5780 has RESPONSE-ORIGIN and OTHER-ADDRESS. IPv4 only.
 *
 * RESPONSE-ADDRESS (send the answer to somebody else) is refused like every other attribute that must be understood.
 */
import { asBuffer, concatBytes, copyOf } from '../core/bytes.ts'
import { type Decoded, decoded, malformed } from '../core/decoded.ts'
import type { Endpoint } from '../core/endpoint.ts'
import { attributeTypes, HEADER_BYTES, MAGIC_COOKIE } from './message.ts'
import { walk } from './raw-message.ts'

export interface ClassicRequest {
  /** 16 bytes, echoed. */
  readonly id: Uint8Array
  readonly changeAddress: boolean
  readonly changePort: boolean
}

const BINDING_REQUEST = 0x0001
const BINDING_RESPONSE = 0x0101

export function decodeClassicRequest(bytes: Uint8Array): Decoded<ClassicRequest> {
  if (bytes.length < HEADER_BYTES) return malformed('shorter than a STUN header')
  const buffer = asBuffer(bytes)
  if (buffer.readUInt16BE(0) !== BINDING_REQUEST) return malformed('not a Binding request')
  if (buffer.readUInt16BE(2) !== bytes.length - HEADER_BYTES) return malformed('wrong length')
  if (buffer.readUInt32BE(4) === MAGIC_COOKIE) return malformed('not of RFC 3489')
  const attributes = walk(buffer)
  if (!attributes.ok) return attributes
  let flags = 0
  for (const { type, value } of attributes.value) {
    if (type >= 0x8000) continue
    if (type !== attributeTypes['change-request'] || value.length !== 4) {
      return malformed('an attribute that is not served')
    }
    flags = value.readUInt32BE(0)
  }
  const id = copyOf(buffer.subarray(4, HEADER_BYTES))
  return decoded({ id, changeAddress: (flags & 4) !== 0, changePort: (flags & 2) !== 0 })
}

export interface ClassicAnswer {
  readonly id: Uint8Array
  readonly mapped: Endpoint
  readonly changed?: Endpoint | undefined
  readonly source?: Endpoint | undefined
}

export function encodeClassicResponse({ id, mapped, changed, source }: ClassicAnswer): Uint8Array {
  const attributes = [
    encodeAddress(attributeTypes['mapped-address'], mapped),
    encodeAddress(attributeTypes['source-address'], source),
    encodeAddress(attributeTypes['changed-address'], changed),
  ]
  const header = Buffer.alloc(4)
  header.writeUInt16BE(BINDING_RESPONSE, 0)
  header.writeUInt16BE(
    attributes.reduce((sum, { length }) => sum + length, 0),
    2,
  )
  return concatBytes(header, id, ...attributes)
}

function encodeAddress(type: number, endpoint: Endpoint | undefined): Uint8Array {
  if (endpoint === undefined) return new Uint8Array(0)
  const bytes = Buffer.alloc(12)
  bytes.writeUInt16BE(type, 0)
  bytes.writeUInt16BE(8, 2)
  bytes.writeUInt8(1, 5)
  bytes.writeUInt16BE(endpoint.port, 6)
  bytes.set(endpoint.address.split('.').map(Number), 8)
  return bytes
}
