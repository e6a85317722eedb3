import assert from 'node:assert/strict'
import fc from 'fast-check'
import { fromHex, toHex } from '../../../src/core/bytes.ts'
import {
  decodeNatPmpRequest,
  decodeNatPmpResponse,
  encodeNatPmpRequest,
  encodeNatPmpResponse,
  type NatPmpRequest,
  type NatPmpResponse,
} from '../../../src/traversal/port-mapping/nat-pmp.ts'
import { mutations } from '../../stun/mutations.ts'

const mapping = { internalPort: 40000, externalPort: 50000, lifetimeSeconds: 7200 } as const

const requests: readonly (readonly [string, NatPmpRequest, string])[] = [
  ['the address request of RFC 6886 §3.2', { kind: 'address' }, '0000'],
  [
    'the mapping request of RFC 6886 §3.3, with the opcode of UDP',
    { kind: 'map', ...mapping },
    '000100009c40c35000001c20',
  ],
  [
    'the deletion of RFC 6886 §3.4',
    { kind: 'map', internalPort: 40000, externalPort: 0, lifetimeSeconds: 0 },
    '000100009c40000000000000',
  ],
]

const responses: readonly (readonly [string, NatPmpResponse, string])[] = [
  [
    'the address response of RFC 6886 §3.2',
    { kind: 'address', result: 0, epochSeconds: 258, address: '198.51.100.7' },
    '0080000000000102c6336407',
  ],
  [
    'the mapping response of RFC 6886 §3.3',
    { kind: 'map', result: 0, epochSeconds: 258, ...mapping },
    '00810000000001029c40c35000001c20',
  ],
  [
    'a refusal',
    {
      kind: 'map',
      result: 2,
      epochSeconds: 258,
      internalPort: 40000,
      externalPort: 0,
      lifetimeSeconds: 0,
    },
    '00810002000001029c40000000000000',
  ],
]

describe('encodeNatPmpRequest()', () => {
  for (const [what, request, hex] of requests) {
    it(`writes ${what}, and the gateway reads it`, () => {
      assert.equal(toHex(encodeNatPmpRequest(request)), hex)
      assert.deepEqual(decodeNatPmpRequest(fromHex(hex)), { ok: true, value: request })
    })
  }
})

describe('decodeNatPmpResponse()', () => {
  for (const [what, response, hex] of responses) {
    it(`reads ${what}`, () => {
      assert.deepEqual(decodeNatPmpResponse(fromHex(hex)), { ok: true, value: response })
      assert.equal(toHex(encodeNatPmpResponse(response)), hex)
    })
  }

  it('reads an error without an address', () => {
    assert.deepEqual(decodeNatPmpResponse(fromHex('0080000300000102')), {
      ok: true,
      value: { kind: 'address', result: 3, epochSeconds: 258, address: '0.0.0.0' },
    })
  })

  it('takes a PCP server’s refusal for a version that is not ours', () => {
    assert.deepEqual(decodeNatPmpResponse(fromHex(`02800001${'00'.repeat(20)}`)), {
      ok: true,
      value: { kind: 'unsupported-version', version: 2 },
    })
  })

  const wrong: readonly (readonly [string, string])[] = [
    ['an address that is missing', '0080000000000102'],
    ['a mapping cut short', '00810000000001029c40c350'],
    ['a request', '000100009c40c35000001c20'],
    ['an unknown opcode', '00830000000001029c40c35000001c20'],
    ['the refusal of another version’s request', '0080000100000102'],
    ['PCP', `02810000${'00'.repeat(56)}`],
  ]
  for (const [what, hex] of wrong) {
    it(`refuses ${what}`, () => {
      assert.equal(decodeNatPmpResponse(fromHex(hex)).ok, false)
    })
  }

  it('never throws, whatever the bytes are', () => {
    const samples = [...requests, ...responses].map(([, , hex]) => fromHex(hex))
    for (const bytes of mutations(samples, 5000)) {
      decodeNatPmpRequest(bytes)
      decodeNatPmpResponse(bytes)
    }
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 24 }), (bytes) => {
        decodeNatPmpRequest(bytes)
        decodeNatPmpResponse(bytes)
      }),
    )
  })
})
