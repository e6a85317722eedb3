/**
 * The Port Control Protocol's packets, RFC 6887 §7 and §11.1: a header of 24 bytes, and 36 more for MAP.
 *
 *     request   version 2 | opcode      | 0 0          | lifetime | client address (16)
 *     response  version 2 | 80 + opcode | 0 | result   | lifetime | epoch | 0 (12)
 *     MAP       nonce (12) | protocol | 0 (3) | internal port | external port | external address (16)
 *
 * IPv4 addresses are written as IPv4-mapped IPv6. Options, which come after, are neither sent nor read.
 */
import { addressBytes, endpointOfBytes } from '../../core/address-bytes.ts'
import { asBuffer, toHex } from '../../core/bytes.ts'
import { type Decoded, decoded, malformed } from '../../core/decoded.ts'
import type { Endpoint } from '../../core/endpoint.ts'

export const PCP_VERSION = 2
export const PCP_NONCE_BYTES = 12

/** Of PCP and NAT-PMP servers. */
export const PORT_MAPPING_PORT = 5351

/** IANA's number of UDP, the one protocol that is mapped here. */
const UDP = 17

const OPCODES = { announce: 0, map: 1 } as const
const RESPONSE_BIT = 0x80
const HEADER_BYTES = 24
const MAP_BYTES = HEADER_BYTES + 36

/** RFC 6887 §7: a longer packet is dropped, as is one that is no multiple of 4. */
const MAX_BYTES = 1100

/** RFC 6887 §7.4, as far as they mean something to us. */
export const PCP_RESULTS = {
  success: 0,
  unsupportedVersion: 1,
  notAuthorized: 2,
  unsupportedOpcode: 4,
  networkFailure: 7,
  noResources: 8,
  unsupportedProtocol: 9,
  userExceedsQuota: 10,
  cannotProvideExternal: 11,
  addressMismatch: 12,
} as const

/** The part of MAP that requests and responses share. `external` is suggested in the one and assigned in the other. */
export interface PcpMapping {
  /** 12 bytes in hexadecimal: proof that a renewal, or a deletion, comes from whoever made the mapping. */
  readonly nonce: string
  readonly internalPort: number
  /** Port 0 and the zero address: no wish. */
  readonly external: Endpoint
}

export type PcpRequest =
  | { readonly kind: 'announce'; readonly client: string }
  | ({
      readonly kind: 'map'
      readonly client: string
      readonly lifetimeSeconds: number
    } & PcpMapping)

export type PcpResponse =
  | { readonly kind: 'announce'; readonly result: number; readonly epochSeconds: number }
  | ({
      readonly kind: 'map'
      readonly result: number
      /** Of the mapping; with an error, of the error. */
      readonly lifetimeSeconds: number
      readonly epochSeconds: number
    } & PcpMapping)
  /** Somebody who does not know version 2, but this one. 0 is NAT-PMP. */
  | { readonly kind: 'unsupported-version'; readonly version: number }

export function encodePcpRequest(request: PcpRequest): Uint8Array {
  const bytes = Buffer.alloc(request.kind === 'map' ? MAP_BYTES : HEADER_BYTES)
  bytes[0] = PCP_VERSION
  bytes[1] = OPCODES[request.kind]
  bytes.set(mappedAddress(request.client), 8)
  if (request.kind === 'map') {
    bytes.writeUInt32BE(request.lifetimeSeconds, 4)
    writeMapping(bytes, request)
  }
  return bytes
}

export function decodePcpRequest(bytes: Uint8Array): Decoded<PcpRequest> {
  const buffer = asBuffer(bytes)
  const why = violation(buffer)
  if (why !== undefined) return malformed(why)
  if (buffer[0] !== PCP_VERSION) return malformed('another version')
  const client = readAddress(buffer.subarray(8, 24), 0).address
  if (buffer[1] === OPCODES.announce) return decoded({ kind: 'announce', client })
  if (buffer[1] !== OPCODES.map) return malformed('no request, or of an unknown opcode')
  const mapping = readMapping(buffer)
  if (!mapping.ok) return mapping
  const lifetimeSeconds = buffer.readUInt32BE(4)
  return decoded({ kind: 'map', client, lifetimeSeconds, ...mapping.value })
}

export function encodePcpResponse(response: PcpResponse): Uint8Array {
  const bytes = Buffer.alloc(response.kind === 'map' ? MAP_BYTES : HEADER_BYTES)
  bytes[0] = PCP_VERSION
  if (response.kind === 'unsupported-version') {
    bytes.set([response.version, RESPONSE_BIT, 0, PCP_RESULTS.unsupportedVersion])
    return bytes
  }
  bytes[1] = RESPONSE_BIT | OPCODES[response.kind]
  bytes[3] = response.result
  bytes.writeUInt32BE(response.epochSeconds, 8)
  if (response.kind === 'map') {
    bytes.writeUInt32BE(response.lifetimeSeconds, 4)
    writeMapping(bytes, response)
  }
  return bytes
}

export function decodePcpResponse(bytes: Uint8Array): Decoded<PcpResponse> {
  const buffer = asBuffer(bytes)
  if (isOfAnotherVersion(buffer)) {
    return decoded({ kind: 'unsupported-version', version: buffer.readUInt8(0) })
  }
  const why = violation(buffer)
  if (why !== undefined) return malformed(why)
  if (buffer[0] !== PCP_VERSION) return malformed('another version')
  const result = buffer.readUInt8(3)
  if (result === PCP_RESULTS.unsupportedVersion) return malformed('about another request')
  const epochSeconds = buffer.readUInt32BE(8)
  if (buffer[1] === (RESPONSE_BIT | OPCODES.announce)) {
    return decoded({ kind: 'announce', result, epochSeconds })
  }
  if (buffer[1] !== (RESPONSE_BIT | OPCODES.map)) {
    return malformed('no response, or of an unknown opcode')
  }
  const mapping = readMapping(buffer)
  if (!mapping.ok) return mapping
  const lifetimeSeconds = buffer.readUInt32BE(4)
  return decoded({ kind: 'map', result, lifetimeSeconds, epochSeconds, ...mapping.value })
}

/**
 * RFC 6887 §9: the version of such a response is the one that its sender knows; version 2 with this result is about
 * somebody's NAT-PMP request, not about ours. NAT-PMP's form has 8 bytes, and the result in the same place.
 */
function isOfAnotherVersion(bytes: Buffer): boolean {
  const isResponse = bytes.length >= 8 && ((bytes[1] ?? 0) & RESPONSE_BIT) !== 0
  return isResponse && bytes[0] !== PCP_VERSION && bytes[3] === PCP_RESULTS.unsupportedVersion
}

function violation({ length }: Buffer): string | undefined {
  if (length < HEADER_BYTES) return 'too short'
  if (length > MAX_BYTES) return 'too long'
  return length % 4 === 0 ? undefined : 'no multiple of four bytes'
}

function writeMapping(bytes: Buffer, { nonce, internalPort, external }: PcpMapping): void {
  bytes.write(nonce, 24, PCP_NONCE_BYTES, 'hex')
  bytes.writeUInt8(UDP, 36)
  bytes.writeUInt16BE(internalPort, 40)
  bytes.writeUInt16BE(external.port, 42)
  bytes.set(mappedAddress(external.address), 44)
}

function readMapping(bytes: Buffer): Decoded<PcpMapping> {
  if (bytes.length < MAP_BYTES) return malformed('too short for a mapping')
  if (bytes[36] !== UDP) return malformed('another protocol than UDP')
  const nonce = toHex(bytes.subarray(24, 36))
  const external = readAddress(bytes.subarray(44, 60), bytes.readUInt16BE(42))
  return decoded({ nonce, internalPort: bytes.readUInt16BE(40), external })
}

/** RFC 6887 §5: IPv4 in the form ::ffff:0:0/96. */
function mappedAddress(address: string): Uint8Array {
  if (address.includes(':')) return addressBytes({ family: 6, address })
  return Buffer.concat([
    Buffer.from('00000000000000000000ffff', 'hex'),
    addressBytes({ family: 4, address }),
  ])
}

// `endpoint` turns the mapped form into plain IPv4; 16 bytes and a port of 16 bits are always an endpoint.
function readAddress(bytes: Uint8Array, port: number): Endpoint {
  return endpointOfBytes(bytes, port) ?? { family: 6, address: '::', port }
}
