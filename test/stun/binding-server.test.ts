import assert from 'node:assert/strict'
import { fromHex, toHex } from '../../src/core/bytes.ts'
import { type Endpoint, formatEndpoint } from '../../src/core/endpoint.ts'
import { instant } from '../../src/core/instant.ts'
import type { Transmit } from '../../src/core/machine.ts'
import { BindingServer, type BindingServerOptions } from '../../src/stun/binding-server.ts'
import { bindingSocketId } from '../../src/stun/binding-sockets.ts'
import { decodeStun, encodeStun } from '../../src/stun/codec.ts'
import {
  attributeOf,
  BINDING,
  endpointOf,
  type StunMessage,
  transactionIdOf,
  type WritableAttribute,
} from '../../src/stun/message.ts'
import { ipv4, ipv6 } from './endpoints.ts'
import { mutations } from './mutations.ts'
import { sampleRequest } from './rfc5769.ts'

const client = ipv4('198.51.100.7', 61234)
const INDEXES = [1, 2] as const

const fourSockets = INDEXES.flatMap((address) =>
  INDEXES.map((port) => ({
    id: bindingSocketId(address, port),
    endpoint: ipv4(`203.0.113.${address}`, 3477 + port),
  })),
)

function server(options: Partial<BindingServerOptions> = {}): BindingServer {
  return new BindingServer({ sockets: fourSockets, courtesy: 'none', ...options })
}

function request(attributes: readonly WritableAttribute[] = []): Uint8Array {
  return encodeStun({
    messageClass: 'request',
    method: BINDING,
    transactionId: transactionIdOf(fromHex('00112233445566778899aabb')),
    attributes,
  })
}

function change(changeAddress: boolean, changePort: boolean): WritableAttribute {
  return { kind: 'change-request', changeAddress, changePort }
}

/** Makes a request long enough for every attribute of the answer. */
const room: WritableAttribute = { kind: 'software', text: 'x'.repeat(100) }

function ask(
  subject: BindingServer,
  bytes: Uint8Array,
  { from = client, at = bindingSocketId(1, 1) } = {},
): Transmit | undefined {
  subject.handleDatagram(instant(0), from, bytes, at)
  const answer = subject.pollTransmit()
  assert.equal(subject.pollTransmit(), undefined, 'at most one answer')
  return answer
}

function read(answer: Transmit | undefined): StunMessage {
  assert.ok(answer !== undefined, 'answered')
  const message = decodeStun(answer.bytes)
  assert.ok(message.ok)
  return message.value
}

function told(message: StunMessage): Record<string, string> {
  const kinds = [
    'xor-mapped-address',
    'mapped-address',
    'response-origin',
    'other-address',
  ] as const
  const found = kinds.map((kind) => [kind, endpointOf(message, kind)] as const)
  return Object.fromEntries(
    found.flatMap(([kind, value]) => (value === undefined ? [] : [[kind, formatEndpoint(value)]])),
  )
}

describe('BindingServer', () => {
  it('tells a bare request its address, and nothing that would make the answer longer', () => {
    const bytes = request()
    const answer = ask(server(), bytes)

    assert.deepEqual(told(read(answer)), { 'xor-mapped-address': '198.51.100.7:61234' })
    assert.deepEqual(answer?.to, client)
    assert.equal(answer.via, 'stun:1:1')
    assert.equal(read(answer).transactionId, '00112233445566778899aabb')
    assert.deepEqual([bytes.length, answer.bytes.length], [20, 32])
  })

  it('tells everything of RFC 5780 §6.1 to a request that is long enough', () => {
    assert.deepEqual(told(read(ask(server(), request([room])))), {
      'xor-mapped-address': '198.51.100.7:61234',
      'mapped-address': '198.51.100.7:61234',
      'response-origin': '203.0.113.1:3478',
      'other-address': '203.0.113.2:3479',
    })
  })

  it('answers from the socket that CHANGE-REQUEST names, whichever was asked (RFC 5780 table 1)', () => {
    for (const address of INDEXES) {
      for (const port of INDEXES) {
        for (const [changeAddress, changePort] of [
          [false, false],
          [false, true],
          [true, false],
          [true, true],
        ] as const) {
          const bytes = request([change(changeAddress, changePort), room])
          const answer = ask(server(), bytes, { at: bindingSocketId(address, port) })

          const flipped = [
            changeAddress ? 3 - address : address,
            changePort ? 3 - port : port,
          ] as const
          assert.equal(answer?.via, `stun:${flipped[0]}:${flipped[1]}`)
          const origin = `203.0.113.${flipped[0]}:${3477 + flipped[1]}`
          assert.equal(told(read(answer))['response-origin'], origin)
          const other = `203.0.113.${3 - address}:${3477 + 3 - port}`
          assert.equal(told(read(answer))['other-address'], other)
        }
      }
    }
  })

  it('refuses with 420 a change that its sockets cannot serve', () => {
    const oneAddress = server({ sockets: fourSockets.slice(0, 2) })

    const refused = read(ask(oneAddress, request([change(true, false), room])))
    const served = ask(oneAddress, request([change(false, true), room]))

    assert.equal(refused.messageClass, 'error')
    assert.equal(attributeOf(refused, 'error-code')?.code, 420)
    assert.deepEqual(attributeOf(refused, 'unknown-attributes')?.types, [0x0003])
    assert.equal(served?.via, 'stun:1:2')
    assert.equal(told(read(served))['other-address'], undefined)
  })

  it('never tells an address that it does not know', () => {
    const anywhere = [{ endpoint: ipv4('0.0.0.0', 3478) }]
    const subject = server({ sockets: anywhere })

    subject.handleDatagram(instant(0), client, request([room]))
    const answer = subject.pollTransmit()

    assert.equal(answer !== undefined && 'via' in answer, false)
    assert.deepEqual(Object.keys(told(read(answer))), ['xor-mapped-address', 'mapped-address'])
  })

  it('answers to RESPONSE-PORT, but never together with PADDING (RFC 5780 §7.5)', () => {
    const port: WritableAttribute = { kind: 'response-port', port: 40000 }
    const padding: WritableAttribute = { kind: 'padding', lengthBytes: 64 }

    const answer = ask(server(), request([port]))
    const refused = ask(server(), request([port, padding]))

    assert.deepEqual(answer?.to, { ...client, port: 40000 })
    assert.equal(attributeOf(read(refused), 'error-code')?.code, 400)
    assert.deepEqual(refused?.to, client)
  })

  it('pads the answer to a padded request to the same length', () => {
    const bytes = request([change(true, true), { kind: 'padding', lengthBytes: 1400 }])
    const answer = ask(server(), bytes)

    assert.equal(answer?.bytes.length, bytes.length)
    assert.ok(attributeOf(read(answer), 'padding') !== undefined)
  })

  it('names the attributes that it had to understand and does not', () => {
    const strange = { kind: 'unknown', type: 0x0024, value: new Uint8Array(4) } as const
    const optional = { kind: 'unknown', type: 0x8abc, value: new Uint8Array(40) } as const

    const refused = read(ask(server(), request([strange, optional])))

    assert.equal(attributeOf(refused, 'error-code')?.code, 420)
    assert.deepEqual(attributeOf(refused, 'unknown-attributes')?.types, [0x0024])
    assert.equal(read(ask(server(), request([optional]))).messageClass, 'success')
  })

  it('refuses what RFC 8489 §9.2 logs in with, and passes over what may be', () => {
    const [algorithm, userhash, algorithms, domain] = [0x001d, 0x001e, 0x8002, 0x8003].map(
      (type) => ({ kind: 'unknown', type, value: new Uint8Array(32) }) as const,
    )
    assert.ok(algorithm && userhash && algorithms && domain)

    const refused = read(ask(server(), request([userhash, algorithm])))
    const served = read(ask(server(), request([algorithms, domain])))

    assert.deepEqual(attributeOf(refused, 'unknown-attributes')?.types, [0x001e, 0x001d])
    assert.equal(served.messageClass, 'success')
  })

  it('keeps silent rather than refuse at greater length than it was asked', () => {
    const strange = { kind: 'unknown', type: 0x0024, value: new Uint8Array() } as const
    const subject = server()

    assert.equal(ask(subject, request([strange])), undefined)
    assert.equal(subject.stats.dropped.size, 1)
  })

  it('serves IPv6 as well', () => {
    const sockets = fourSockets.map(({ id, endpoint }) => ({
      id,
      endpoint: ipv6(`2001:db8::${endpoint.address.at(-1) ?? ''}`, endpoint.port),
    }))
    const from = ipv6('2001:db8:1:2::3', 5)

    const bare = ask(server({ sockets }), request(), { from })
    const full = ask(server({ sockets }), request([room]), { from })

    assert.equal(bare?.bytes.length, 44)
    assert.deepEqual(told(read(full)), {
      'xor-mapped-address': '[2001:db8:1:2::3]:5',
      'mapped-address': '[2001:db8:1:2::3]:5',
      'response-origin': '[2001:db8::1]:3478',
      'other-address': '[2001:db8::2]:3479',
    })
  })

  it('ignores indications, responses, other methods, strangers to its sockets, and port 0', () => {
    const subject = server()
    const sample = {
      messageClass: 'request',
      method: BINDING,
      transactionId: transactionIdOf(fromHex('00112233445566778899aabb')),
      attributes: [],
    } as const

    for (const messageClass of ['indication', 'success', 'error'] as const) {
      assert.equal(ask(subject, encodeStun({ ...sample, messageClass })), undefined)
    }
    assert.equal(ask(subject, encodeStun({ ...sample, method: 3 })), undefined)
    assert.equal(
      ask(subject, request(), { at: bindingSocketId(1, 1), from: { ...client, port: 0 } }),
      undefined,
    )
    assert.equal(ask(subject, request(), { from: ipv6('2001:db8::9', 1) }), undefined)
    assert.equal(subject.stats.dropped.unwanted, 6)
  })

  it('never throws, and never says more than it may, on any bytes', () => {
    const subject = server({ rate: { perSecond: 1e9, burst: 1e9 } })
    const samples = [
      sampleRequest,
      request(),
      request([change(true, true)]),
      request([{ kind: 'response-port', port: 1 }, room]),
      fromHex('00010008010203040506070809101112131415160003000400000006'),
    ]

    for (const bytes of mutations(samples, 20_000)) {
      subject.handleDatagram(instant(0), client, bytes, bindingSocketId(1, 1))
      const answer = subject.pollTransmit()
      assert.equal(subject.pollTransmit(), undefined)
      if (answer !== undefined) assert.ok(answer.bytes.length <= Math.max(32, bytes.length))
    }
  })
})

describe('BindingServer, asked by tools of others', () => {
  const courtesy = {
    perPrefix: { perSecond: 1, burst: 2 },
    inAll: { perSecond: 1, burst: 3 },
  } as const

  it('tells OTHER-ADDRESS to the bare request of turnutils_natdiscovery', () => {
    const answer = ask(server({ courtesy }), request())

    assert.equal(told(read(answer))['other-address'], '203.0.113.2:3479')
    assert.equal(answer?.bytes.length, 44)
  })

  it('tells it at the primary address alone: natdiscovery would mistake what the other one says', () => {
    const answer = ask(server({ courtesy }), request(), { at: bindingSocketId(2, 1) })

    assert.deepEqual(Object.keys(told(read(answer))), ['xor-mapped-address'])
  })

  it('answers the RFC 3489 requests of `stun` with MAPPED-ADDRESS and CHANGED-ADDRESS', () => {
    const id = '01f0ce0161856d2864c91339a7078758'
    const answer = ask(server({ courtesy }), fromHex(`00010008${id}0003000400000000`))

    const address = (type: string, at: string): string => `${type}00080001${at}`
    const mapped = address('0001', 'ef32c6336407')
    const changed = address('0005', '0d97cb007102')
    assert.equal(toHex(answer?.bytes ?? new Uint8Array()), `01010018${id}${mapped}${changed}`)
  })

  it('serves CHANGE-REQUEST of RFC 3489', () => {
    const asked = (flags: string): Uint8Array =>
      fromHex(`0001000801${'ab'.repeat(15)}00030004${flags}`)

    assert.equal(ask(server(), asked('00000004'))?.via, 'stun:2:1')
    assert.equal(ask(server(), asked('00000002'))?.via, 'stun:1:2')
    assert.equal(ask(server(), asked('00000006'))?.via, 'stun:2:2')
  })

  it('does not send where RESPONSE-ADDRESS says', () => {
    const bytes = fromHex(`0001000c01${'ab'.repeat(15)}000200080001007bc0000201`)

    assert.equal(ask(server({ courtesy }), bytes), undefined)
  })

  it('is not generous for long: neither to one network nor to all of them', () => {
    const subject = server({ courtesy })
    const lengthFor = (address: string, now = 0): number | undefined => {
      subject.handleDatagram(instant(now), ipv4(address, 1), request(), bindingSocketId(1, 1))
      return subject.pollTransmit()?.bytes.length
    }

    assert.deepEqual([lengthFor('192.0.2.1'), lengthFor('192.0.2.2')], [44, 44])
    assert.deepEqual([lengthFor('192.0.2.3'), lengthFor('192.0.3.1')], [32, 44])
    assert.deepEqual([lengthFor('192.0.4.1'), lengthFor('192.0.2.1', 1000)], [32, 44])
  })
})

describe('BindingServer, flooded', () => {
  function answered(subject: BindingServer, from: Endpoint, now = 0): boolean {
    subject.handleDatagram(instant(now), from, request(), bindingSocketId(1, 1))
    return subject.pollTransmit() !== undefined
  }

  it('holds a network to its rate and leaves the others alone', () => {
    const subject = server({ rate: { perSecond: 10, burst: 3 } })

    const inOne = [1, 2, 3, 4].map((last) => answered(subject, ipv4(`192.0.2.${last}`, 9)))

    assert.deepEqual(inOne, [true, true, true, false])
    assert.equal(answered(subject, ipv4('192.0.3.1', 9)), true)
    assert.equal(answered(subject, ipv4('192.0.2.1', 9), 100), true)
    assert.equal(answered(subject, ipv4('192.0.2.1', 9), 100), false)
    assert.equal(subject.stats.dropped.rate, 2)
  })

  it('sends no more bytes than 1.6 times what it got', () => {
    const subject = server({ courtesy: 'none' })
    let [got, sent] = [0, 0]
    for (let source = 0; source < 5000; source++) {
      const from = ipv4(`10.${source % 256}.${source >> 8}.1`, 1000)
      got += 20
      subject.handleDatagram(instant(source), from, request(), bindingSocketId(1, 1))
      sent += subject.pollTransmit()?.bytes.length ?? 0
    }

    assert.ok(sent <= 1.6 * got)
  })
})
