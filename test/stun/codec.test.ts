import assert from 'node:assert/strict'
import fc from 'fast-check'
import { fromHex, toHex, utf8 } from '../../src/core/bytes.ts'
import type { Endpoint } from '../../src/core/endpoint.ts'
import { decodeStun, encodeStun } from '../../src/stun/codec.ts'
import {
  attributeOf,
  BINDING,
  endpointOf,
  notUnderstood,
  type StunClass,
  type StunMessage,
  transactionIdOf,
  type WritableAttribute,
} from '../../src/stun/message.ts'
import { ipv4, ipv6 } from './endpoints.ts'
import { mutations } from './mutations.ts'
import {
  sampleIpv4Response,
  sampleIpv6Response,
  sampleLongTermRequest,
  sampleRequest,
} from './rfc5769.ts'

const ID = transactionIdOf(fromHex('b7e7a701bc34d686fa87dfae'))

function message(
  attributes: readonly WritableAttribute[],
  messageClass: StunClass = 'request',
): StunMessage<WritableAttribute> {
  return { messageClass, method: BINDING, transactionId: ID, attributes }
}

function read(bytes: Uint8Array): StunMessage {
  const result = decodeStun(bytes)
  assert.ok(result.ok, result.ok ? '' : result.why)
  return result.value
}

function whyNot(hex: string): string {
  const result = decodeStun(fromHex(hex.replaceAll(' ', '')))
  return result.ok ? 'decoded' : result.why
}

const HEADER = '2112a442 b7e7a701bc34d686fa87dfae'

describe('decodeStun()', () => {
  it('reads the sample request of RFC 5769 §2.1, whose padding is not zero', () => {
    const request = read(sampleRequest)

    assert.equal(request.messageClass, 'request')
    assert.equal(request.method, BINDING)
    assert.equal(request.transactionId, ID)
    assert.equal(attributeOf(request, 'software')?.text, 'STUN test client')
    assert.equal(attributeOf(request, 'username')?.text, 'evtj:h6vY')
  })

  it('reads the sample IPv4 response of RFC 5769 §2.2', () => {
    const response = read(sampleIpv4Response)

    assert.equal(response.messageClass, 'success')
    assert.equal(attributeOf(response, 'software')?.text, 'test vector')
    assert.deepEqual(endpointOf(response, 'xor-mapped-address'), ipv4('192.0.2.1', 32853))
  })

  it('reads the sample IPv6 response of RFC 5769 §2.3', () => {
    const mapped = endpointOf(read(sampleIpv6Response), 'xor-mapped-address')

    assert.deepEqual(mapped, ipv6('2001:db8:1234:5678:11:2233:4455:6677', 32853))
  })

  it('reads the sample request with long-term credentials of RFC 5769 §2.4', () => {
    const request = read(sampleLongTermRequest)

    assert.equal(attributeOf(request, 'username')?.text, '\u30de\u30c8\u30ea\u30c3\u30af\u30b9')
    assert.equal(attributeOf(request, 'realm')?.text, 'example.org')
    assert.equal(attributeOf(request, 'nonce')?.text, 'f//499k954d6OL34oL9FSTvy64sA')
  })

  it('keeps attributes that it does not know, and tells which of them had to be understood', () => {
    const request = read(sampleRequest)

    const unknown = request.attributes.filter(({ kind }) => kind === 'unknown')
    assert.deepEqual(
      unknown.map((attribute) => ('type' in attribute ? attribute.type : undefined)),
      [0x0024, 0x8029],
    )
    assert.deepEqual(notUnderstood(request), [0x0024])
  })

  it('refuses what is no STUN message', () => {
    assert.equal(whyNot(''), 'shorter than a STUN header')
    assert.equal(whyNot('010203'), 'shorter than a STUN header')
    assert.equal(whyNot(`4001 0000 ${HEADER}`), 'not STUN')
    assert.equal(whyNot(`0001 0004 ${HEADER}`), 'wrong length')
    assert.equal(whyNot(`0001 0000 ${HEADER} 00000000`), 'wrong length')
    assert.equal(whyNot(`0001 0000 2112a443 b7e7a701bc34d686fa87dfae`), 'no magic cookie')
    assert.equal(whyNot(`0001 0003 ${HEADER} 800000`), 'length not a multiple of 4')
    assert.equal(whyNot(`0001 0004 ${HEADER} 80220004`), 'attribute beyond the end')
    assert.equal(whyNot(`0001 0104 ${HEADER} ${'80220000'.repeat(65)}`), 'too many attributes')
  })

  it('refuses a message with a known attribute that is malformed', () => {
    assert.match(whyNot(`0101 0008 ${HEADER} 00200004 00010000`), /xor-mapped-address/)
    assert.match(whyNot(`0101 000c ${HEADER} 00200008 0003a147 e112a643`), /xor-mapped-address/)
    assert.match(whyNot(`0001 0008 ${HEADER} 00030002 00060000`), /change-request/)
    assert.match(whyNot(`0001 0008 ${HEADER} 00270003 00060000`), /response-port/)
    assert.match(whyNot(`0111 0008 ${HEADER} 000a0003 00060000`), /unknown-attributes/)
    assert.match(whyNot(`0111 0008 ${HEADER} 00090003 00040000`), /ERROR-CODE/)
  })

  it('keeps an address with port 0 as unknown: it names no endpoint', () => {
    const plain = read(fromHex(`0101000c${HEADER}000100080001 0000c0000201`.replaceAll(' ', '')))
    const xored = read(fromHex(`0101000c${HEADER}002000080001 2112e112a643`.replaceAll(' ', '')))

    assert.deepEqual([endpointOf(plain, 'mapped-address'), plain.attributes.length], [undefined, 1])
    assert.deepEqual(
      [endpointOf(xored, 'xor-mapped-address'), xored.attributes.length],
      [undefined, 1],
    )
    assert.deepEqual(notUnderstood(plain), [])
  })

  it('reads the addresses that servers of RFC 3489 answer with', () => {
    const hex = `01010018${HEADER}000400080001 0d96c0000202 000500080001 0d97c0000203`
    const response = read(fromHex(hex.replaceAll(' ', '')))

    assert.deepEqual(endpointOf(response, 'source-address'), ipv4('192.0.2.2', 3478))
    assert.deepEqual(endpointOf(response, 'changed-address'), ipv4('192.0.2.3', 3479))
  })

  it('takes the first of repeated attributes', () => {
    const hex = `00010010${HEADER} 80220001 61000000 80220001 62000000`
    assert.equal(attributeOf(read(fromHex(hex.replaceAll(' ', ''))), 'software')?.text, 'a')
  })

  it('ignores what follows MESSAGE-INTEGRITY (RFC 8489 §14.5)', () => {
    const protectedBytes = encodeStun(message([{ kind: 'software', text: 'covered' }]), {
      integrity: { kind: 'message-integrity', key: utf8('key') },
    })
    const longer = Buffer.concat([protectedBytes, fromHex('000600046576696c')])
    longer.writeUInt16BE(longer.length - 20, 2)

    assert.deepEqual(
      read(longer).attributes.map(({ kind }) => kind),
      ['software', 'message-integrity'],
    )
  })

  it('never throws on any bytes, and reads a valid message back after 100,000 mutations of others', () => {
    const samples = [
      sampleRequest,
      sampleIpv4Response,
      sampleIpv6Response,
      sampleLongTermRequest,
      encodeStun(message(everyAttribute, 'error'), { fingerprint: true }),
    ]
    for (const bytes of mutations(samples, 100_000)) decodeStun(bytes)

    assert.ok(decodeStun(sampleIpv4Response).ok)
  }).timeout(30_000)

  it('never throws on arbitrary bytes behind a sound header', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), fc.nat(0x3fff), (body, type) => {
        const header = Buffer.alloc(20)
        header.writeUInt16BE(type, 0)
        header.writeUInt16BE(body.length, 2)
        header.writeUInt32BE(0x2112a442, 4)
        decodeStun(Buffer.concat([header, body]))
      }),
    )
  })
})

const everyAttribute: readonly WritableAttribute[] = [
  { kind: 'mapped-address', endpoint: ipv4('192.0.2.1', 1) },
  { kind: 'xor-mapped-address', endpoint: ipv6('2001:db8::1', 65535) },
  { kind: 'alternate-server', endpoint: ipv4('192.0.2.9', 3478) },
  { kind: 'response-origin', endpoint: ipv4('192.0.2.2', 3478) },
  { kind: 'other-address', endpoint: ipv6('2001:db8::2', 3479) },
  { kind: 'change-request', changeAddress: true, changePort: false },
  { kind: 'response-port', port: 40000 },
  { kind: 'padding', lengthBytes: 33 },
  { kind: 'username', text: 'evtj:h6vY' },
  { kind: 'realm', text: 'example.org' },
  { kind: 'nonce', text: 'f//499k954d6OL34oL9FSTvy64sA' },
  { kind: 'software', text: 'ö' },
  { kind: 'error-code', code: 420, reason: 'Unknown Attribute' },
  { kind: 'unknown-attributes', types: [0x0024, 0x7fff] },
  { kind: 'unknown', type: 0xc001, value: Uint8Array.of(1, 2, 3, 4, 5) },
]

describe('encodeStun()', () => {
  it('writes what decodeStun() reads, for every attribute', () => {
    const written = message(everyAttribute, 'error')

    assert.deepEqual(withoutBuffers(read(encodeStun(written))), withoutBuffers(written))
  })

  it('keeps class and method apart for each of them (RFC 8489 §5)', () => {
    const classes = ['request', 'indication', 'success', 'error'] as const
    for (const messageClass of classes) {
      for (const method of [0x000, 0x001, 0x003, 0x00f, 0x010, 0x07f, 0x080, 0xfff]) {
        const back = read(encodeStun({ ...message([]), messageClass, method }))
        assert.deepEqual([back.messageClass, back.method], [messageClass, method])
      }
    }
  })

  it('writes addresses of both families', () => {
    fc.assert(
      fc.property(anyEndpoint, (endpoint) => {
        const kinds = ['mapped-address', 'xor-mapped-address', 'other-address'] as const
        const back = read(encodeStun(message(kinds.map((kind) => ({ kind, endpoint })))))
        for (const kind of kinds) assert.deepEqual(endpointOf(back, kind), endpoint)
      }),
    )
  })

  it('pads CHANGE-REQUEST flags as RFC 5780 §7.2 draws them', () => {
    const bytes = encodeStun(
      message([{ kind: 'change-request', changeAddress: true, changePort: true }]),
    )

    assert.equal(toHex(bytes.subarray(20)), '0003000400000006')
  })

  it('writes RESPONSE-PORT with two bytes of padding (RFC 5780 §7.5)', () => {
    const bytes = encodeStun(message([{ kind: 'response-port', port: 0x1234 }]))

    assert.equal(toHex(bytes.subarray(20)), '0027000212340000')
  })
})

const anyEndpoint: fc.Arbitrary<Endpoint> = fc
  .tuple(fc.oneof(fc.ipV4(), fc.ipV6()), fc.integer({ min: 1, max: 65535 }))
  .map(([address, port]) => (address.includes(':') ? ipv6(address, port) : ipv4(address, port)))

function withoutBuffers(subject: StunMessage): unknown {
  return JSON.parse(
    JSON.stringify(subject, (_key, value: unknown) =>
      value instanceof Uint8Array ? toHex(value) : value,
    ),
  )
}
