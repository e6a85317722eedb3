import assert from 'node:assert/strict'
import type { MappingRecord } from '../../../src/traversal/port-mapping/mapping-client.ts'
import {
  PORT_MAPPING_SOCKET,
  PortMapper,
  type PortMapperOptions,
} from '../../../src/traversal/port-mapping/port-mapper.ts'
import type { PortMapperEvent } from '../../../src/traversal/port-mapping/port-mapper-event.ts'
import type { MapRequest } from '../../../src/traversal/port-mapping/make-client.ts'
import { SeededRandom } from '../../sim/seeded-random.ts'
import { ipv4, ipv6 } from '../../stun/endpoints.ts'
import { mutations } from '../../stun/mutations.ts'
import { Bench, GATEWAY, LOCAL, type Surroundings } from './bench.ts'
import { SimGateway } from './sim-gateway.ts'
import { SimIgd } from './sim-igd.ts'

const MINUTE = 60_000
const request: MapRequest = { gateway: GATEWAY, ...LOCAL, protocol: 'udp' }

type Mapper = Bench<PortMapperEvent> & { readonly mapper: PortMapper }

function benchOf(surroundings: Surroundings, options: Partial<PortMapperOptions> = {}): Mapper {
  const mapper = new PortMapper({ random: new SeededRandom(1), ...options })
  return Object.assign(new Bench<PortMapperEvent>(mapper, surroundings), { mapper })
}

/** A router that may speak all three. */
function router(gateway: SimGateway, igd: SimIgd, delayMs = 1): Surroundings {
  return {
    datagram: (now, transmit) => [
      ...gateway.datagram(now, transmit),
      ...igd.datagram(now, transmit),
    ],
    http: igd.http,
    delayMs,
  }
}

function silentIgd(): SimIgd {
  const igd = new SimIgd()
  igd.isSilent = true
  return igd
}

function story(events: readonly PortMapperEvent[]): readonly string[] {
  return events.map((event) => {
    const by = 'by' in event ? ` ${event.by}` : ''
    return `${event.kind}${by}${'why' in event ? ` ${event.why}` : ''}`
  })
}

describe('PortMapper, in its choice', () => {
  it('makes one mapping, by PCP, with a gateway that speaks all three', () => {
    const gateway = new SimGateway()
    const igd = new SimIgd()
    const bench = benchOf(router(gateway, igd))
    bench.change((now) => bench.mapper.map(now, request)).run(5000)

    assert.deepEqual(story(bench.take()).toSorted(), [
      'available nat-pmp',
      'available pcp',
      'available upnp',
      'mapped pcp',
    ])
    assert.deepEqual(bench.mapper.external, ipv4('198.51.100.7', 50_000))
    assert.equal(gateway.mappings.size + igd.mappings.size, 1)
  })

  it('takes all its datagrams to a socket of its own', () => {
    const bench = benchOf(router(new SimGateway(), new SimIgd()))
    bench.change((now) => bench.mapper.map(now, request)).run(5000)

    assert.ok(bench.sent.every(({ transmit }) => transmit.via === PORT_MAPPING_SOCKET))
  })

  it('falls back to NAT-PMP at once, when the gateway refuses PCP’s version', () => {
    const bench = benchOf(router(new SimGateway({ versions: [0] }), silentIgd()))
    bench.change((now) => bench.mapper.map(now, request)).run(10)

    assert.deepEqual(story(bench.take()), [
      'unavailable pcp unsupported-version',
      'available nat-pmp',
      'mapped nat-pmp',
    ])
  })

  it('waits 100 ms for a better protocol, and no longer', () => {
    const gateway = new SimGateway({ versions: [0], isSilentToOthers: true })
    const bench = benchOf(router(gateway, silentIgd()))
    bench.change((now) => bench.mapper.map(now, request)).run(99)
    assert.deepEqual(story(bench.take()), ['available nat-pmp'])

    bench.run(105)
    assert.deepEqual(story(bench.take()), ['mapped nat-pmp'])
  })

  it('has a mapping within 250 ms, whatever the gateway speaks, at 10 ms each way', () => {
    const silent = new SimGateway()
    silent.isSilent = true
    const gateways = [new SimGateway(), new SimGateway({ versions: [0] }), silent]
    for (const gateway of gateways) {
      const bench = benchOf(router(gateway, new SimIgd(), 10))
      bench.change((now) => bench.mapper.map(now, request)).run(250)

      assert.ok(story(bench.take()).some((line) => line.startsWith('mapped')))
    }
  })

  it('goes on with the next one, when one refuses', () => {
    const gateway = new SimGateway({ mapResult: 2 })
    const igd = new SimIgd()
    const bench = benchOf(router(gateway, igd))
    bench.change((now) => bench.mapper.map(now, request)).run(1000)

    const told = story(bench.take()).filter((line) => !line.startsWith('available'))
    assert.deepEqual(told, [
      'unavailable pcp not-authorized',
      'unavailable nat-pmp not-authorized',
      'mapped upnp',
    ])
  })

  it('tells when there is nothing, and asks again after ten minutes', () => {
    const gateway = new SimGateway()
    const igd = silentIgd()
    gateway.isSilent = true
    const bench = benchOf(router(gateway, igd))
    bench.change((now) => bench.mapper.map(now, request)).run(10 * MINUTE)
    assert.deepEqual(story(bench.take()).toSorted(), [
      'unavailable nat-pmp silent',
      'unavailable pcp silent',
      'unavailable upnp silent',
    ])

    gateway.isSilent = false
    bench.run(11 * MINUTE)
    assert.ok(story(bench.take()).includes('mapped pcp'))
  })

  it('check() asks again at once, where there was nothing', () => {
    const gateway = new SimGateway()
    gateway.isSilent = true
    const bench = benchOf(router(gateway, silentIgd()))
    bench.change((now) => bench.mapper.map(now, request)).run(MINUTE)
    bench.take()
    gateway.isSilent = false
    bench.change((now) => bench.mapper.check(now)).run(MINUTE + 100)

    assert.ok(story(bench.take()).includes('mapped pcp'))
  })

  it('without a gateway’s address there is UPnP alone', () => {
    const igd = new SimIgd()
    const bench = benchOf(igd)
    bench.change((now) => bench.mapper.map(now, { ...request, gateway: undefined })).run(1000)

    assert.deepEqual(story(bench.take()), [
      'unavailable pcp no-gateway',
      'unavailable nat-pmp no-gateway',
      'available upnp',
      'mapped upnp',
    ])
  })

  it('with IPv6 there is PCP alone', () => {
    const gateway = ipv6('2001:db8::1', 5351)
    const bench = benchOf({})
    const local = { localAddress: '2001:db8::5', localPort: 40_000, protocol: 'udp' } as const
    bench.change((now) => bench.mapper.map(now, { gateway, ...local })).run(100)

    assert.deepEqual(story(bench.take()), [
      'unavailable nat-pmp wrong-family',
      'unavailable upnp wrong-family',
    ])
    assert.deepEqual(bench.sent[0]?.transmit.to, gateway)
  })

  it('leaves out what it is told to leave out', () => {
    const bench = benchOf(router(new SimGateway(), new SimIgd()), { mechanisms: ['upnp'] })
    bench.change((now) => bench.mapper.map(now, request)).run(1000)

    assert.deepEqual(story(bench.take()), ['available upnp', 'mapped upnp'])
  })
})

describe('PortMapper, with a mapping', () => {
  function mapped(surroundings: Surroundings, options?: Partial<PortMapperOptions>): Mapper {
    const bench = benchOf(surroundings, options)
    bench.change((now) => bench.mapper.map(now, request)).run(1000)
    assert.ok(bench.mapper.external !== undefined)
    bench.take()
    bench.sent.splice(0)
    return bench
  }

  it('tells that it is gone, and makes another with whoever else there is', () => {
    const gateway = new SimGateway({ leaseSeconds: 120 })
    const igd = new SimIgd()
    const bench = mapped(router(gateway, igd))
    gateway.isSilent = true
    bench.run(3 * MINUTE)

    const told = story(bench.take())
    assert.deepEqual(told, ['unmapped pcp expired', 'unavailable nat-pmp silent', 'mapped upnp'])
  })

  it('release() deletes it, by the protocol that made it, and rests', () => {
    for (const by of ['pcp', 'nat-pmp', 'upnp'] as const) {
      const gateway = new SimGateway()
      const igd = new SimIgd()
      const bench = mapped(router(gateway, igd), { mechanisms: [by] })
      assert.equal(gateway.mappings.size + igd.mappings.size, 1)
      bench.change((now) => bench.mapper.release(now)).run(2000)

      assert.equal(gateway.mappings.size + igd.mappings.size, 0)
      assert.deepEqual(bench.take(), [{ kind: 'released', isConfirmed: true }])
      assert.equal(bench.mapper.external, undefined)
      assert.equal(bench.mapper.pollTimeout(), undefined)
    }
  })

  it('release() ends a search too', () => {
    const bench = benchOf({})
    bench.change((now) => bench.mapper.map(now, request)).run(100)
    bench.change((now) => bench.mapper.release(now))

    assert.deepEqual(bench.take(), [{ kind: 'released', isConfirmed: true }])
    assert.equal(bench.mapper.pollTimeout(), undefined)
  })

  it('map() of the same again only makes sure', () => {
    const gateway = new SimGateway()
    const bench = mapped(router(gateway, silentIgd()))
    bench.change((now) => bench.mapper.map(now, request)).run(1100)

    assert.equal(bench.sent.length, 1)
    assert.deepEqual(story(bench.take()), ['mapped pcp'])
  })

  it('map() of another port deletes the old mapping', () => {
    const gateway = new SimGateway()
    const bench = mapped(router(gateway, silentIgd()))
    bench.change((now) => bench.mapper.map(now, { ...request, localPort: 40_001 })).run(1500)

    assert.deepEqual([...gateway.mappings.keys()], [40_001])
    const told = story(bench.take())
    assert.deepEqual([told[0], told.at(-1)], ['unmapped pcp replaced', 'mapped pcp'])
  })

  it('map() in another network leaves the old mapping to its lease', () => {
    const gateway = new SimGateway()
    const bench = mapped(router(gateway, silentIgd()))
    const other = ipv4('10.0.0.1', 5351)
    bench.change((now) => {
      bench.mapper.map(now, { ...request, gateway: other, localAddress: '10.0.0.5' })
    })
    bench.run(1500)

    assert.deepEqual([...gateway.mappings.keys()], [40_000])
    const to = bench.sent.map(({ transmit }) => transmit.to.address)
    assert.equal(to.includes(GATEWAY.address), false)
  })

  it('map() while releasing begins anew', () => {
    const gateway = new SimGateway()
    const bench = mapped(router(gateway, silentIgd()))
    bench.change((now) => bench.mapper.release(now))
    bench.change((now) => bench.mapper.map(now, request)).run(1500)

    const told = story(bench.take())
    assert.equal(told[0], 'released')
    assert.equal(told.at(-1), 'mapped pcp')
    assert.equal(gateway.mappings.size, 1)
  })

  it('writes down what an heir needs, and an heir with the same nonce takes over', () => {
    const gateway = new SimGateway()
    const nonce = new SeededRandom(7).bytes(12)
    const first = benchOf(router(gateway, silentIgd()), { nonce })
    first.change((now) => first.mapper.map(now, request)).run(1000)
    const records = first.take().flatMap((event): readonly MappingRecord[] => {
      return event.kind === 'mapped' ? [event.record] : []
    })

    const heir = benchOf(router(gateway, silentIgd()), { nonce, random: new SeededRandom(2) })
    const leftovers = records
    heir.change((now) => heir.mapper.map(now, { ...request, localPort: 41_000, leftovers }))
    heir.run(1000)

    assert.deepEqual([...gateway.mappings.keys()], [41_000])
  })
})

describe('PortMapper', () => {
  it('never throws, whatever comes from wherever, and never asks faster than it should', () => {
    const samples = [
      new SimIgd().answer(),
      Buffer.from('0280000000000000000003e8000000000000000000000000', 'hex'),
      Buffer.from('00800000000003e8c6336407', 'hex'),
      Buffer.from('00810000000003e89c40c35000001c20', 'hex'),
    ]
    const from = [ipv4(GATEWAY.address, 1900), GATEWAY, ipv4('192.168.1.66', 5351)]
    const random = new SeededRandom(5)
    const igd = new SimIgd()
    const bench = benchOf({ http: igd.http })
    bench.change((now) => bench.mapper.map(now, request))
    let sent = 0
    for (const bytes of mutations(samples, 6000)) {
      const [who = 0, choice = 0] = random.bytes(2)
      if (choice < 3) bench.change((now) => bench.mapper.map(now, request))
      bench.receive(from[who % from.length] ?? GATEWAY, bytes).run(bench.now + choice)
      sent += bench.sent.splice(0).length
      bench.take()
    }

    assert.ok(sent < 12_000, `${sent} datagrams in ${bench.now} ms`)
  })

  it('answers no datagram by more than one of its own', () => {
    const bench = benchOf({})
    bench.change((now) => bench.mapper.map(now, request)).run(10)
    const before = bench.sent.length
    const refusal = Buffer.from('0080000100000005', 'hex')
    for (let n = 0; n < 100; n++) bench.receive(GATEWAY, refusal)

    assert.ok(bench.sent.length - before <= 100)
  })
})
