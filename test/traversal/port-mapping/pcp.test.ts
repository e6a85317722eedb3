import assert from 'node:assert/strict'
import fc from 'fast-check'
import { fromHex, toHex } from '../../../src/core/bytes.ts'
import {
  decodePcpRequest,
  decodePcpResponse,
  encodePcpRequest,
  encodePcpResponse,
  type PcpRequest,
  type PcpResponse,
} from '../../../src/traversal/port-mapping/pcp.ts'
import { ipv4, ipv6 } from '../../stun/endpoints.ts'
import { mutations } from '../../stun/mutations.ts'

const nonce = '000102030405060708090a0b'
const mapRequest: PcpRequest = {
  kind: 'map',
  client: '192.168.1.5',
  lifetimeSeconds: 7200,
  nonce,
  internalPort: 40000,
  external: ipv4('0.0.0.0', 0),
}
const mapResponse: PcpResponse = {
  kind: 'map',
  result: 0,
  lifetimeSeconds: 3600,
  epochSeconds: 66_051,
  nonce,
  internalPort: 40000,
  external: ipv4('198.51.100.7', 50000),
}

describe('encodePcpRequest()', () => {
  it('lays out ANNOUNCE as RFC 6887 §7.1 and §14.1 draw it', () => {
    assert.equal(
      toHex(encodePcpRequest({ kind: 'announce', client: '192.168.1.5' })),
      ['02', '00', '0000', '00000000', '00000000000000000000ffffc0a80105'].join(''),
    )
  })

  it('lays out MAP as RFC 6887 §7.1 and §11.1 draw it', () => {
    assert.equal(
      toHex(encodePcpRequest(mapRequest)),
      [
        ...['02', '01', '0000', '00001c20', '00000000000000000000ffffc0a80105'],
        ...[nonce, '11', '000000', '9c40', '0000', '00000000000000000000ffff00000000'],
      ].join(''),
    )
  })

  it('writes IPv6 addresses as they are', () => {
    const bytes = encodePcpRequest({
      ...mapRequest,
      client: '2001:db8::5',
      external: ipv6('2001:db8::7', 50000),
    })

    assert.equal(toHex(bytes.subarray(8, 24)), '20010db8000000000000000000000005')
    assert.equal(toHex(bytes.subarray(42, 60)), 'c35020010db8000000000000000000000007')
  })
})

describe('decodePcpResponse()', () => {
  it('reads MAP as RFC 6887 §7.2 and §11.1 draw it', () => {
    const bytes = fromHex(
      [
        ...['02', '81', '00', '00', '00000e10', '00010203', '000000000000000000000000'],
        ...[nonce, '11', '000000', '9c40', 'c350', '00000000000000000000ffffc6336407'],
      ].join(''),
    )

    assert.deepEqual(decodePcpResponse(bytes), { ok: true, value: mapResponse })
  })

  it('reads options after the mapping as nothing', () => {
    const bytes = Buffer.concat([encodePcpResponse(mapResponse), fromHex('02000000')])

    assert.deepEqual(decodePcpResponse(bytes), { ok: true, value: mapResponse })
  })

  it('takes NAT-PMP’s refusal and that of PCP’s version 1 for a version that is not ours', () => {
    assert.deepEqual(decodePcpResponse(fromHex('0080000100000005')), {
      ok: true,
      value: { kind: 'unsupported-version', version: 0 },
    })
    assert.deepEqual(decodePcpResponse(fromHex(`01810001${'00'.repeat(20)}`)), {
      ok: true,
      value: { kind: 'unsupported-version', version: 1 },
    })
  })

  it('knows that a refusal in version 2 is about a request of another version', () => {
    assert.equal(decodePcpResponse(fromHex(`02800001${'00'.repeat(20)}`)).ok, false)
  })

  const wrong: readonly (readonly [string, string])[] = [
    ['a request', toHex(encodePcpRequest(mapRequest))],
    ['a mapping cut short', toHex(encodePcpResponse(mapResponse).subarray(0, 56))],
    ['a length that is no multiple of four', `${toHex(encodePcpResponse(mapResponse))}00`],
    ['more than 1100 bytes', toHex(encodePcpResponse(mapResponse)) + '00'.repeat(1044)],
    ['an unknown opcode', `0282${'00'.repeat(58)}`],
    ['a mapping of TCP', toHex(encodePcpResponse(mapResponse)).replace(`${nonce}11`, `${nonce}06`)],
    ['NAT-PMP', '008000000000000ac6336407'],
  ]
  for (const [what, hex] of wrong) {
    it(`refuses ${what}`, () => {
      assert.equal(decodePcpResponse(fromHex(hex)).ok, false)
    })
  }
})

describe('PCP packets', () => {
  it('come back as they went', () => {
    const announcement = { kind: 'announce', result: 8, epochSeconds: 2 ** 32 - 1 } as const

    for (const response of [mapResponse, announcement]) {
      assert.deepEqual(decodePcpResponse(encodePcpResponse(response)), {
        ok: true,
        value: response,
      })
    }
    for (const request of [mapRequest, { kind: 'announce', client: '2001:db8::5' } as const]) {
      assert.deepEqual(decodePcpRequest(encodePcpRequest(request)), { ok: true, value: request })
    }
  })

  it('never throw, whatever the bytes are', () => {
    const samples = [encodePcpRequest(mapRequest), encodePcpResponse(mapResponse)]
    for (const bytes of mutations(samples, 5000)) {
      decodePcpRequest(bytes)
      decodePcpResponse(bytes)
    }
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 80 }), (bytes) => {
        decodePcpRequest(bytes)
        decodePcpResponse(bytes)
      }),
    )
  })
})
