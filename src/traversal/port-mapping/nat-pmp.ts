/**
 * The NAT Port Mapping Protocol's packets, RFC 6886 §3.2 and §3.3.
 *
 *     address request    0 | 0
 *     address response   0 | 128 | result (2) | epoch (4) | address (4)
 *     mapping request    0 | 1   | 0 (2) | internal port | external port | lifetime (4)
 *     mapping response   0 | 129 | result (2) | epoch (4) | internal port | external port | lifetime (4)
 *
 * Opcode 1 is UDP's; a mapping can only be deleted with the opcode that made it.
 */
import { asBuffer } from '../../core/bytes.ts'
import { type Decoded, decoded, malformed } from '../../core/decoded.ts'

const VERSION = 0
const OPCODES = { address: 0, map: 1 } as const
const RESPONSE_BIT = 0x80

/** RFC 6886 §3.5. */
export const NAT_PMP_RESULTS = {
  success: 0,
  unsupportedVersion: 1,
  notAuthorized: 2,
  networkFailure: 3,
  outOfResources: 4,
  unsupportedOpcode: 5,
} as const

/** PCP's result code for a version that a server does not know, in PCP's place. */
const PCP_UNSUPPORTED_VERSION = 1

export type NatPmpRequest =
  | { readonly kind: 'address' }
  | {
      readonly kind: 'map'
      readonly internalPort: number
      readonly externalPort: number
      readonly lifetimeSeconds: number
    }

export type NatPmpResponse =
  | {
      readonly kind: 'address'
      readonly result: number
      readonly epochSeconds: number
      /** Zero with an error. */
      readonly address: string
    }
  | {
      readonly kind: 'map'
      readonly result: number
      readonly epochSeconds: number
      readonly internalPort: number
      readonly externalPort: number
      readonly lifetimeSeconds: number
    }
  /** A PCP server that does not know version 0 any more. */
  | { readonly kind: 'unsupported-version'; readonly version: number }

export function encodeNatPmpRequest(request: NatPmpRequest): Uint8Array {
  if (request.kind === 'address') return Uint8Array.of(VERSION, OPCODES.address)
  const bytes = Buffer.alloc(12)
  bytes.set([VERSION, OPCODES.map])
  bytes.writeUInt16BE(request.internalPort, 4)
  bytes.writeUInt16BE(request.externalPort, 6)
  bytes.writeUInt32BE(request.lifetimeSeconds, 8)
  return bytes
}

export function decodeNatPmpRequest(bytes: Uint8Array): Decoded<NatPmpRequest> {
  const buffer = asBuffer(bytes)
  if (buffer.length < 2) return malformed('too short')
  if (buffer[0] !== VERSION) return malformed('another version')
  if (buffer[1] === OPCODES.address) return decoded({ kind: 'address' })
  if (buffer[1] !== OPCODES.map) return malformed('no request, or of an unknown opcode')
  if (buffer.length < 12) return malformed('too short for a mapping')
  return decoded({
    kind: 'map',
    internalPort: buffer.readUInt16BE(4),
    externalPort: buffer.readUInt16BE(6),
    lifetimeSeconds: buffer.readUInt32BE(8),
  })
}

export function encodeNatPmpResponse(response: NatPmpResponse): Uint8Array {
  if (response.kind === 'unsupported-version') {
    const refusal = Buffer.alloc(24)
    refusal.set([response.version, RESPONSE_BIT, 0, PCP_UNSUPPORTED_VERSION])
    return refusal
  }
  const bytes = Buffer.alloc(response.kind === 'map' ? 16 : 12)
  bytes.set([VERSION, RESPONSE_BIT | OPCODES[response.kind]])
  bytes.writeUInt16BE(response.result, 2)
  bytes.writeUInt32BE(response.epochSeconds, 4)
  if (response.kind === 'map') {
    bytes.writeUInt16BE(response.internalPort, 8)
    bytes.writeUInt16BE(response.externalPort, 10)
    bytes.writeUInt32BE(response.lifetimeSeconds, 12)
  } else {
    bytes.set(response.address.split('.').map(Number), 8)
  }
  return bytes
}

export function decodeNatPmpResponse(bytes: Uint8Array): Decoded<NatPmpResponse> {
  const buffer = asBuffer(bytes)
  if (buffer.length < 8) return malformed('too short')
  if (isOfAnotherVersion(buffer)) {
    return decoded({ kind: 'unsupported-version', version: buffer.readUInt8(0) })
  }
  if (buffer[0] !== VERSION) return malformed('another version')
  const answer = { result: buffer.readUInt16BE(2), epochSeconds: buffer.readUInt32BE(4) }
  // Version 0 says "unsupported version" only to a request of another version: to PCP's, not to ours.
  if (answer.result === NAT_PMP_RESULTS.unsupportedVersion)
    return malformed('about another request')
  if (buffer[1] === (RESPONSE_BIT | OPCODES.address)) return readAddress(buffer, answer)
  if (buffer[1] === (RESPONSE_BIT | OPCODES.map)) return readMapping(buffer, answer)
  return malformed('no response, or of an unknown opcode')
}

interface Answer {
  readonly result: number
  readonly epochSeconds: number
}

/** An error may come without the address. */
function readAddress(buffer: Buffer, answer: Answer): Decoded<NatPmpResponse> {
  const isWhole = buffer.length >= 12
  if (!isWhole && answer.result === NAT_PMP_RESULTS.success) return malformed('no address')
  const address = isWhole ? buffer.subarray(8, 12).join('.') : '0.0.0.0'
  return decoded({ kind: 'address', ...answer, address })
}

function readMapping(buffer: Buffer, answer: Answer): Decoded<NatPmpResponse> {
  if (buffer.length < 16) return malformed('too short for a mapping')
  return decoded({
    kind: 'map',
    ...answer,
    internalPort: buffer.readUInt16BE(8),
    externalPort: buffer.readUInt16BE(10),
    lifetimeSeconds: buffer.readUInt32BE(12),
  })
}

/** RFC 6887 §9: a PCP server answers in its own form, its version first. */
function isOfAnotherVersion(bytes: Buffer): boolean {
  const isResponse = ((bytes[1] ?? 0) & RESPONSE_BIT) !== 0
  return isResponse && bytes[0] !== VERSION && bytes[3] === PCP_UNSUPPORTED_VERSION
}
