import assert from 'node:assert/strict'
import { utf8 } from '../../src/core/bytes.ts'
import type { Transmit } from '../../src/core/machine.ts'
import { sha256 } from '../../src/crypto/hash.ts'
import { decodeRelayFrame, encodeRelayFrame } from '../../src/protocol/relay/frames.ts'
import { Relay } from '../../src/server/relay.ts'
import { ServerTime } from '../../src/server/server-time.ts'
import { StunWitness } from '../../src/server/stun-witness.ts'
import { UdpService } from '../../src/server/udp-service.ts'
import { BindingServer } from '../../src/stun/binding-server.ts'
import { bindingSocketId } from '../../src/stun/binding-sockets.ts'
import { ManualTime } from './support/manual-time.ts'
import { at, countingRandom, RELAY_ID, UDP_ADDRESS } from './support/test-server.ts'

const VIA = bindingSocketId(1, 1)
const CLIENT = at('192.0.2.10:4000')
// RFC 8489 §5: Binding request, no attributes, the magic cookie, a transaction id.
const BINDING_REQUEST = Buffer.from('000100002112a442000102030405060708090a0b', 'hex')

interface Setup {
  readonly service: UdpService
  readonly witness: StunWitness
  readonly time: ManualTime
}

function setUp(): Setup {
  const time = new ManualTime()
  const witness = new StunWitness(new Uint8Array(32))
  const service = new UdpService({
    witness,
    stun: new BindingServer({ sockets: [{ id: VIA, endpoint: UDP_ADDRESS }] }),
    relay: new Relay({
      relayId: RELAY_ID,
      ticketKeys: [new Uint8Array(32)],
      cookieSecret: sha256(utf8('cookie secret')),
      random: countingRandom(),
      time: new ServerTime(time),
    }),
  })
  return { service, witness, time }
}

function drain(service: UdpService): Transmit[] {
  const sent: Transmit[] = []
  for (let next = service.pollTransmit(); next !== undefined; next = service.pollTransmit()) {
    sent.push(next)
  }
  return sent
}

describe('UdpService', () => {
  it('answers STUN and relay frames on one port', () => {
    const { service, time } = setUp()
    const bind = encodeRelayFrame({
      kind: 'bind',
      nonce: new Uint8Array(8),
      cookie: new Uint8Array(16),
      ticket: new Uint8Array(169),
      signature: new Uint8Array(64),
    })

    service.handleDatagram(time.now(), CLIENT, BINDING_REQUEST, VIA)
    const [stun] = drain(service)
    service.handleDatagram(time.now(), CLIENT, bind, VIA)
    const [relay] = drain(service)

    assert.deepEqual([stun?.to, stun?.via], [CLIENT, VIA])
    assert.equal(Buffer.from(stun?.bytes ?? []).readUInt16BE(0), 0x0101)
    const frame = decodeRelayFrame(relay?.bytes ?? new Uint8Array(0))
    assert.equal(frame.ok && frame.value.kind, 'cookie')
  })

  it('bears witness of the address that STUN answered, and of no other', () => {
    const { service, witness, time } = setUp()

    service.handleDatagram(time.now(), CLIENT, BINDING_REQUEST, VIA)
    service.handleDatagram(time.now(), at('192.0.2.10:4001'), utf8('\u0000\u0001nonsense'), VIA)

    assert.equal(witness.has(time.now(), CLIENT), true)
    assert.equal(witness.has(time.now(), at('192.0.2.10:4001')), false)
  })

  it('has no answer for the protocols of daemons, for nothing, and for port 0', () => {
    const { service, time } = setUp()

    for (const first of [0x40, 0x7f, 0xc0, 0xff]) {
      service.handleDatagram(time.now(), CLIENT, Uint8Array.of(first, 1, 2, 3), VIA)
    }
    service.handleDatagram(time.now(), CLIENT, new Uint8Array(0), VIA)
    service.handleDatagram(time.now(), { ...CLIENT, port: 0 }, BINDING_REQUEST, VIA)

    assert.deepEqual(drain(service), [])
    assert.equal(service.stats.unwanted, 6)
  })
})
