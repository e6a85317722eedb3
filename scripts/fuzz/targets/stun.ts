import { fromHex } from '../../../src/core/bytes.ts'
import type { Endpoint } from '../../../src/core/endpoint.ts'
import type { Random } from '../../../src/core/random.ts'
import { decodeClassicRequest } from '../../../src/stun/classic.ts'
import { decodeStun, encodeStun } from '../../../src/stun/codec.ts'
import {
  BINDING,
  HEADER_BYTES,
  newTransactionId,
  type StunMessage,
  type WritableAttribute,
} from '../../../src/stun/message.ts'
import { codecCheck, type FuzzTarget } from '../target.ts'

const ipv4: Endpoint = { family: 4, address: '192.0.2.1', port: 32_853 }
const ipv6: Endpoint = { family: 6, address: '2001:db8:1234:5678:11:2233:4455:6677', port: 32_853 }

const attributes: readonly WritableAttribute[] = [
  { kind: 'mapped-address', endpoint: ipv4 },
  { kind: 'xor-mapped-address', endpoint: ipv6 },
  { kind: 'alternate-server', endpoint: ipv4 },
  { kind: 'response-origin', endpoint: ipv4 },
  { kind: 'other-address', endpoint: ipv6 },
  { kind: 'change-request', changeAddress: true, changePort: false },
  { kind: 'response-port', port: 4711 },
  { kind: 'padding', lengthBytes: 40 },
  { kind: 'username', text: 'マトリックス' },
  { kind: 'realm', text: 'example.org' },
  { kind: 'nonce', text: 'f//499k954d6OL34oL9FSTvy64sA' },
  { kind: 'software', text: 'STUN test client' },
  { kind: 'error-code', code: 420, reason: 'Unknown Attribute' },
  { kind: 'unknown-attributes', types: [1, 0x7fff] },
  { kind: 'unknown', type: 0x0024, value: fromHex('6e0001ff') },
]

/** The length is right again, and all is a multiple of four. */
function withLength(bytes: Uint8Array): Uint8Array {
  if (bytes.length < HEADER_BYTES) return bytes
  const whole = Buffer.from(bytes.subarray(0, bytes.length - (bytes.length % 4)))
  whole.writeUInt16BE(whole.length - HEADER_BYTES, 2)
  return whole
}

/** Without what only others write: RFC 3489's addresses, and protection, which needs keys. */
function encode(message: StunMessage): Uint8Array {
  const writable = message.attributes.filter(
    (attribute): attribute is WritableAttribute =>
      !['source-address', 'changed-address', 'fingerprint'].includes(attribute.kind) &&
      !attribute.kind.startsWith('message-integrity'),
  )
  return encodeStun({ ...message, attributes: writable })
}

function inputs(random: Random): readonly Uint8Array[] {
  const message = (some: readonly WritableAttribute[]): StunMessage<WritableAttribute> => ({
    messageClass: 'request',
    method: BINDING,
    transactionId: newTransactionId(random),
    attributes: some,
  })
  const key = random.bytes(20)
  return [
    ...attributes.map((attribute) => encodeStun(message([attribute]))),
    encodeStun(message(attributes)),
    encodeStun(message(attributes), { fingerprint: true }),
    encodeStun(message([]), { integrity: { kind: 'message-integrity', key } }),
    encodeStun(message([]), { integrity: { kind: 'message-integrity-sha256', key } }),
  ]
}

export const stunTargets: readonly FuzzTarget[] = [
  {
    name: 'stun/messages',
    about: 'RFC 8489 and RFC 5780',
    format: 'binary',
    inputs,
    repair: withLength,
    check: codecCheck(decodeStun, encode),
  },
  {
    name: 'stun/classic-requests',
    about: 'RFC 3489',
    format: 'binary',
    inputs: () => [
      fromHex('00010000' + '01'.repeat(16)),
      fromHex('00010008' + '02'.repeat(16) + '0003000400000006'),
    ],
    repair: withLength,
    check: codecCheck(decodeClassicRequest),
  },
]
