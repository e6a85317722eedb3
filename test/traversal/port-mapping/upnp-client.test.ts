import assert from 'node:assert/strict'
import fc from 'fast-check'
import type { HttpOutcome } from '../../../src/traversal/port-mapping/http-exchange.ts'
import type {
  ClientEvent,
  MappingRecord,
} from '../../../src/traversal/port-mapping/mapping-client.ts'
import { UpnpClient } from '../../../src/traversal/port-mapping/upnp-client.ts'
import { SeededRandom } from '../../sim/seeded-random.ts'
import { ipv4 } from '../../stun/endpoints.ts'
import { mutations } from '../../stun/mutations.ts'
import { Bench, GATEWAY, LOCAL, type Surroundings } from './bench.ts'
import { SimIgd } from './sim-igd.ts'

const MINUTE = 60_000
const HOUR = 60 * MINUTE

type Client = Bench<ClientEvent> & { readonly client: UpnpClient }

interface Setting {
  readonly isGatewayKnown?: boolean
  readonly leftovers?: readonly MappingRecord[]
}

function benchOf(
  surroundings: Surroundings,
  { isGatewayKnown = true, leftovers = [] }: Setting = {},
): Client {
  let ids = 0
  const client = new UpnpClient({
    wanted: { gateway: isGatewayKnown ? GATEWAY : undefined, ...LOCAL },
    random: new SeededRandom(1),
    nextHttpId: () => (ids += 1),
    leftovers,
  })
  return Object.assign(new Bench<ClientEvent>(client, surroundings), { client })
}

function discovered(igd: SimIgd, setting?: Setting): Client {
  const bench = benchOf(igd, setting)
  bench.change((now) => bench.client.discover(now)).run(100)
  return bench
}

function mapped(igd: SimIgd): Client {
  const bench = discovered(igd)
  bench.change((now) => bench.client.map(now)).run(200)
  assert.deepEqual(
    bench.take().map(({ kind }) => kind),
    ['found', 'mapped'],
  )
  igd.actions.splice(0)
  return bench
}

function names(igd: SimIgd): readonly string[] {
  return igd.actions.map(({ name }) => name)
}

describe('UpnpClient, in its search', () => {
  it('asks the gateway and the group at 0, 250 and 1000 ms, for 3 s', () => {
    const bench = benchOf({})
    bench.change((now) => bench.client.discover(now)).run(2999)

    assert.deepEqual([...new Set(bench.sentAt)], [0, 250, 1000])
    assert.deepEqual(
      bench.sent.slice(0, 4).map(({ transmit }) => transmit.to),
      [
        ipv4('192.168.1.1', 1900),
        ipv4('192.168.1.1', 1900),
        ipv4('239.255.255.250', 1900),
        ipv4('239.255.255.250', 1900),
      ],
    )
    assert.deepEqual(bench.take(), [])

    bench.run(3000)
    assert.deepEqual(bench.take(), [{ kind: 'unavailable', why: 'silent' }])
    assert.equal(bench.client.pollTimeout(), undefined)
  })

  it('asks no more once somebody has answered', () => {
    const bench = discovered(new SimIgd())
    bench.run(3000)

    assert.deepEqual(bench.take(), [{ kind: 'found' }])
    assert.deepEqual([...new Set(bench.sentAt)], [0])
  })

  it('fetches each description once, however often it is named', () => {
    const bench = discovered(new SimIgd({ version: 2 }))

    assert.deepEqual(
      bench.requests.map(({ request }) => request.url),
      ['http://192.168.1.1:5000/rootDesc.xml', 'http://192.168.1.1:5000/ctl/0'],
    )
  })

  it('prefers the service that is connected, and an address that is not private', () => {
    const ip = 'urn:schemas-upnp-org:service:WANIPConnection:1'
    const ppp = 'urn:schemas-upnp-org:service:WANPPPConnection:1'
    const cases = [
      { externalAddresses: ['0.0.0.0', '198.51.100.8'], used: '/ctl/1' },
      { externalAddresses: ['100.64.0.7', '198.51.100.8'], used: '/ctl/1' },
      { externalAddresses: ['198.51.100.7', '198.51.100.8'], used: '/ctl/0' },
      { externalAddresses: ['10.0.0.7', ''], used: '/ctl/0' },
    ]
    for (const { externalAddresses, used } of cases) {
      const igd = new SimIgd({ services: [ip, ppp], externalAddresses })
      const bench = discovered(igd)
      bench.change((now) => bench.client.map(now)).run(200)

      const last = bench.requests.at(-1)?.request.url
      assert.equal(last, `${igd.url}${used}`)
    }
  })

  it('has nothing to offer where no service is connected', () => {
    const bench = discovered(new SimIgd({ externalAddresses: ['0.0.0.0'] }))
    bench.run(4000)

    assert.deepEqual(bench.take(), [{ kind: 'unavailable', why: 'no-external-address' }])
  })

  const locations: readonly (readonly [string, string])[] = [
    ['another host of the LAN', 'http://192.168.1.66:5000/rootDesc.xml'],
    ['a host of the internet', 'http://198.51.100.1/x'],
    ['ourselves', 'http://127.0.0.1:631/'],
    ['a name', 'http://router.example/x'],
    ['another protocol', 'https://192.168.1.1/x'],
    ['a file', 'file:///etc/passwd'],
    ['a name in front of the address', 'http://192.168.1.1:80@198.51.100.1/'],
    ['nonsense', 'x'],
    ['too long a path', `http://192.168.1.1/${'x'.repeat(600)}`],
  ]
  for (const [what, location] of locations) {
    it(`does not follow a location that leads to ${what}`, () => {
      const igd = new SimIgd()
      igd.location = location
      const bench = discovered(igd)
      bench.run(4000)

      assert.deepEqual(bench.requests, [])
      assert.equal(bench.take()[0]?.kind, 'unavailable')
    })
  }

  it('does not post where a description leads away', () => {
    const igd = new SimIgd()
    const type = 'urn:schemas-upnp-org:service:WANIPConnection:1'
    for (const base of ['', '<URLBase>http://198.51.100.1/</URLBase>']) {
      igd.description = `<root>${base}<service><serviceType>${type}</serviceType>
        <controlURL>http://198.51.100.1/ctl</controlURL></service></root>`
      const bench = discovered(igd)
      bench.run(4000)

      assert.equal(bench.requests.length, 1)
      assert.deepEqual(bench.take(), [{ kind: 'unavailable', why: 'bad-description' }])
    }
  })

  it('ignores everybody but the gateway, where that is known', () => {
    const bench = discovered(new SimIgd({ address: '192.168.1.66' }))

    assert.deepEqual(bench.requests, [])
  })

  it('takes private addresses alone, where no gateway is known', () => {
    const near = discovered(new SimIgd({ address: '192.168.1.66' }), { isGatewayKnown: false })
    const far = discovered(new SimIgd({ address: '198.51.100.66' }), { isGatewayKnown: false })

    assert.deepEqual(near.take(), [{ kind: 'found' }])
    assert.deepEqual(far.requests, [])
  })

  it('goes on with the next description, where the first is none', () => {
    const igd = new SimIgd()
    const bench = benchOf({ http: igd.http })
    const bad = new SimIgd()
    bad.location = `${igd.url}/ctl/x`
    bench.change((now) => bench.client.discover(now))
    bench.receive(ipv4(GATEWAY.address, 1900), bad.answer())
    bench.receive(ipv4(GATEWAY.address, 1900), igd.answer())
    igd.description = '<html>no</html>'
    bench.run(1)
    igd.description = undefined
    bench.run(4000)

    assert.deepEqual(bench.take(), [{ kind: 'found' }])
  })

  it('fetches four descriptions at most', () => {
    const igd = new SimIgd()
    igd.description = ''
    const bench = benchOf({ http: igd.http })
    bench.change((now) => bench.client.discover(now))
    for (let n = 0; n < 50; n++) {
      igd.location = `${igd.url}/${n}.xml`
      bench.receive(ipv4(GATEWAY.address, 1900), igd.answer())
    }
    bench.run(4000)

    assert.equal(bench.requests.length, 4)
  })

  it('takes no answer of more than 64 KiB', () => {
    const igd = new SimIgd()
    igd.description = ' '.repeat(65_537)
    const bench = discovered(igd)
    bench.run(4000)

    assert.deepEqual(bench.take(), [{ kind: 'unavailable', why: 'bad-description' }])
  })

  it('waits 3 s for an owner that never tells what became of a request', () => {
    const igd = new SimIgd()
    const bench = benchOf({ datagram: igd.datagram, http: () => undefined })
    bench.change((now) => bench.client.discover(now)).run(3001)
    assert.deepEqual(bench.take(), [])

    bench.run(3003)
    assert.deepEqual(bench.take(), [{ kind: 'unavailable', why: 'bad-description' }])
  })
})

describe('UpnpClient, in its making of a mapping', () => {
  it('adds it with everything in its place, for an hour', () => {
    const igd = new SimIgd()
    const bench = discovered(igd)
    bench.change((now) => bench.client.map(now)).run(200)

    const { request } = bench.requests.at(-1) ?? assert.fail()
    assert.equal(request.method, 'POST')
    assert.equal(
      request.headers['soapaction'],
      '"urn:schemas-upnp-org:service:WANIPConnection:1#AddPortMapping"',
    )
    assert.deepEqual(igd.actions.at(-1)?.parameters, {
      NewRemoteHost: '',
      NewExternalPort: '40000',
      NewProtocol: 'UDP',
      NewInternalPort: '40000',
      NewInternalClient: '192.168.1.5',
      NewEnabled: '1',
      NewPortMappingDescription: 'holler',
      NewLeaseDuration: '3600',
    })
    assert.deepEqual(bench.take()[1], {
      kind: 'mapped',
      external: ipv4('198.51.100.7', 40_000),
      lifetimeMs: HOUR,
      isPermanent: false,
      cause: 'made',
      record: { by: 'upnp', localPort: 40_000, externalPort: 40_000 },
    })
  })

  it('lets a gateway of version 2 choose the port', () => {
    const igd = new SimIgd({ version: 2 })
    igd.mappings.set(40_000, '192.168.1.66:1')
    const bench = discovered(igd)
    bench.change((now) => bench.client.map(now)).run(200)

    const event = bench.take()[1]
    assert.equal(event?.kind === 'mapped' && event.external.port, 40_001)
    assert.deepEqual(names(igd), ['GetExternalIPAddress', 'AddAnyPortMapping'])
  })

  it('takes WANPPPConnection where there is nothing else', () => {
    const igd = new SimIgd({ services: ['urn:schemas-upnp-org:service:WANPPPConnection:1'] })

    assert.equal(igd.mappings.size, 0)
    mapped(igd)
    assert.equal(igd.mappings.size, 1)
  })

  it('718 and 729: tries other ports', () => {
    const igd = new SimIgd()
    igd.faults = [718, 729]
    const bench = discovered(igd)
    bench.change((now) => bench.client.map(now)).run(200)

    const ports = igd.actions.slice(1).map(({ parameters }) => parameters['NewExternalPort'])
    assert.equal(new Set(ports).size, 3)
    const event = bench.take()[1]
    assert.equal(event?.kind === 'mapped' && String(event.external.port), ports[2])
  })

  it('725: takes a mapping for ever, and says so', () => {
    const igd = new SimIgd()
    igd.faults = [725]
    const bench = discovered(igd)
    bench.change((now) => bench.client.map(now)).run(200)

    assert.equal(igd.actions.at(-1)?.parameters['NewLeaseDuration'], '0')
    const event = bench.take()[1]
    assert.equal(event?.kind === 'mapped' && event.isPermanent, true)
  })

  it('401 and 602: does with AddPortMapping where AddAnyPortMapping is missing', () => {
    for (const code of [401, 602]) {
      const igd = new SimIgd({ version: 2 })
      igd.faults = [code]
      mapped(igd)
      assert.equal(igd.mappings.get(40_000), '192.168.1.5:40000')
    }
  })

  const ends: readonly (readonly [readonly number[], string])[] = [
    [[606], 'not-authorized'],
    [[728], 'out-of-resources'],
    [[718, 718, 718, 718, 718], 'conflict'],
    [[725, 501], 'refused'],
  ]
  for (const [faults, why] of ends) {
    it(`${faults.join(', ')}: ${why}`, () => {
      const igd = new SimIgd()
      igd.faults = [...faults]
      const bench = discovered(igd)
      bench.change((now) => bench.client.map(now)).run(1000)

      assert.deepEqual(bench.take(), [{ kind: 'found' }, { kind: 'unavailable', why }])
      assert.equal(bench.client.pollTimeout(), undefined)
    })
  }

  it('a gateway that is deaf by now is silent', () => {
    const igd = new SimIgd()
    const bench = discovered(igd)
    igd.isDeaf = true
    bench.change((now) => bench.client.map(now)).run(1000)

    assert.deepEqual(bench.take()[1], { kind: 'unavailable', why: 'silent' })
  })
})

describe('UpnpClient, in its keeping of a mapping', () => {
  it('adds it again every 30 minutes, by the action that names the port', () => {
    for (const version of [1, 2] as const) {
      const igd = new SimIgd({ version })
      const bench = mapped(igd)
      bench.run(HOUR + MINUTE)

      const round = ['GetExternalIPAddress', 'AddPortMapping']
      assert.deepEqual(names(igd), [...round, ...round])
      for (const event of bench.take()) {
        assert.equal(event.kind === 'mapped' && event.cause, 'renewed')
      }
    }
  })

  it('goes on without a lease, where the gateway has none', () => {
    const igd = new SimIgd()
    igd.faults = [725]
    const bench = mapped(igd)
    bench.run(31 * MINUTE)

    assert.equal(igd.actions.at(-1)?.parameters['NewLeaseDuration'], '0')
  })

  it('tells another external address', () => {
    const igd = new SimIgd()
    const bench = mapped(igd)
    igd.externalAddresses = ['198.51.100.9']
    bench.run(31 * MINUTE)

    const [event] = bench.take()
    assert.equal(event?.kind === 'mapped' && event.cause, 'remade')
    assert.equal(event?.kind === 'mapped' && event.external.address, '198.51.100.9')
  })

  it('takes another port, when somebody else has ours by now', () => {
    const igd = new SimIgd()
    const bench = mapped(igd)
    igd.mappings.set(40_000, '192.168.1.66:1')
    bench.run(31 * MINUTE)

    const [event] = bench.take()
    assert.equal(event?.kind === 'mapped' && event.cause, 'remade')
    assert.equal(igd.mappings.get(40_000), '192.168.1.66:1')
    assert.equal(igd.mappings.size, 2)
  })

  it('finds a gateway that has restarted with other URLs', () => {
    const igd = new SimIgd()
    const bench = mapped(igd)
    igd.httpPort = 5001
    igd.mappings.clear()
    bench.change((now) => bench.client.check(now)).run(1000)

    assert.equal(igd.mappings.size, 1)
    const events = bench.take()
    assert.deepEqual(
      events.map(({ kind }) => kind),
      ['mapped'],
    )
  })

  it('believes in it until the lease ends, when the gateway is not there any more', () => {
    const igd = new SimIgd()
    const bench = mapped(igd)
    igd.isDeaf = true
    igd.isSilent = true
    bench.run(59 * MINUTE)
    assert.deepEqual(bench.take(), [])

    bench.run(61 * MINUTE)
    assert.deepEqual(bench.take(), [{ kind: 'unavailable', why: 'expired' }])
    assert.equal(bench.client.pollTimeout(), undefined)
  })

  it('renews after all, when the gateway is back within the lease', () => {
    const igd = new SimIgd()
    const bench = mapped(igd)
    igd.isDeaf = true
    igd.isSilent = true
    bench.run(40 * MINUTE)
    igd.isDeaf = false
    igd.isSilent = false
    bench.run(61 * MINUTE)

    assert.equal(bench.take()[0]?.kind, 'mapped')
  })
})

describe('UpnpClient, in its leaving', () => {
  it('deletes the mapping', () => {
    const igd = new SimIgd()
    const bench = mapped(igd)
    bench.change((now) => bench.client.release(now)).run(300)

    assert.deepEqual(igd.actions, [
      {
        name: 'DeletePortMapping',
        parameters: { NewRemoteHost: '', NewExternalPort: '40000', NewProtocol: 'UDP' },
      },
    ])
    assert.deepEqual(bench.take(), [{ kind: 'released', isConfirmed: true }])
    assert.equal(igd.mappings.size, 0)
  })

  it('is content when the gateway has forgotten it (714)', () => {
    const igd = new SimIgd()
    const bench = mapped(igd)
    igd.mappings.clear()
    bench.change((now) => bench.client.release(now)).run(300)

    assert.deepEqual(bench.take(), [{ kind: 'released', isConfirmed: true }])
  })

  it('does not wait for a gateway that does not answer', () => {
    const igd = new SimIgd()
    const bench = mapped(igd)
    igd.isDeaf = true
    bench.change((now) => bench.client.release(now)).run(300)

    assert.deepEqual(bench.take(), [{ kind: 'released', isConfirmed: false }])
  })

  it('waits for a mapping that is being made, and deletes it', () => {
    const igd = new SimIgd({ version: 2 })
    const bench = discovered(igd)
    bench.change((now) => bench.client.map(now))
    bench.change((now) => bench.client.release(now)).run(300)

    assert.deepEqual(bench.take(), [{ kind: 'found' }, { kind: 'released', isConfirmed: true }])
    assert.deepEqual(names(igd).slice(1), ['AddAnyPortMapping', 'DeletePortMapping'])
  })

  it('never deletes a port that it did not get', () => {
    const igd = new SimIgd()
    igd.mappings.set(40_000, '192.168.1.66:1')
    const bench = discovered(igd)
    bench.change((now) => bench.client.map(now))
    bench.change((now) => bench.client.release(now)).run(300)

    assert.equal(igd.mappings.size, 1)
    assert.equal(names(igd).includes('DeletePortMapping'), false)
    assert.deepEqual(bench.take()[1], { kind: 'released', isConfirmed: true })
  })

  it('abandon() asks for the deletion and is silent from then on', () => {
    const igd = new SimIgd()
    const bench = mapped(igd)
    bench.change((now) => bench.client.abandon(now)).run(2 * HOUR)

    assert.deepEqual(names(igd), ['DeletePortMapping'])
    assert.deepEqual(bench.take(), [])
  })

  it('cleans up after an earlier life, but for the port that it asks for anyway', () => {
    const igd = new SimIgd()
    const ports = [39_000, 40_000]
    for (const port of ports) igd.mappings.set(port, '192.168.1.5:39000')
    const leftovers = ports.map((externalPort) => {
      return { by: 'upnp', localPort: 39_000, externalPort } as const
    })
    discovered(igd, { leftovers: [...leftovers, { ...leftovers[0], by: 'pcp' } as MappingRecord] })

    assert.deepEqual([...igd.mappings.keys()], [40_000])
  })
})

describe('UpnpClient', () => {
  it('never throws and never leaves the gateway, whatever is sent and answered', () => {
    const igd = new SimIgd({ version: 2 })
    const pages = ['GetExternalIPAddress', 'AddAnyPortMapping'].map((name) => {
      const type = 'urn:schemas-upnp-org:service:WANIPConnection:2'
      const url = `${igd.url}/ctl/0`
      const headers = { soapaction: `"${type}#${name}"` }
      return bodyOf(igd.http({ method: 'POST', url, headers, body: new Uint8Array() }))
    })
    const description = bodyOf(
      igd.http({ method: 'GET', url: `${igd.url}/`, headers: {}, body: new Uint8Array() }),
    )
    const bodies = [...mutations([description, ...pages], 3000)]
    let next = 0
    const http = (): HttpOutcome => {
      return { kind: 'answered', status: 200, body: bodies[next++ % bodies.length] ?? description }
    }
    for (const bytes of mutations([igd.answer()], 1000)) {
      const bench = benchOf({ datagram: igd.datagram, http })
      bench.change((now) => bench.client.discover(now))
      bench.receive(ipv4(GATEWAY.address, 1900), bytes).run(200)
      bench.change((now) => bench.client.map(now)).run(400)
      bench.change((now) => bench.client.release(now)).run(5000)
      for (const { request } of bench.requests) {
        assert.equal(new URL(request.url).hostname, GATEWAY.address)
      }
    }
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        const bench = benchOf({})
        bench.change((now) => bench.client.discover(now))
        bench.receive(ipv4(GATEWAY.address, 1900), bytes)
      }),
    )
  })
})

function bodyOf(outcome: HttpOutcome | undefined): Uint8Array {
  return outcome?.kind === 'answered' ? outcome.body : new Uint8Array()
}
