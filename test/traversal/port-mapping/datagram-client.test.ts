import assert from 'node:assert/strict'
import type { Transmit } from '../../../src/core/machine.ts'
import { DatagramClient } from '../../../src/traversal/port-mapping/datagram-client.ts'
import type { Dialect } from '../../../src/traversal/port-mapping/dialect.ts'
import type {
  ClientEvent,
  MappingRecord,
} from '../../../src/traversal/port-mapping/mapping-client.ts'
import { NatPmpDialect } from '../../../src/traversal/port-mapping/nat-pmp-dialect.ts'
import {
  decodeNatPmpRequest,
  encodeNatPmpResponse,
} from '../../../src/traversal/port-mapping/nat-pmp.ts'
import { PcpDialect } from '../../../src/traversal/port-mapping/pcp-dialect.ts'
import { decodePcpRequest, encodePcpResponse } from '../../../src/traversal/port-mapping/pcp.ts'
import { SeededRandom } from '../../sim/seeded-random.ts'
import { ipv4 } from '../../stun/endpoints.ts'
import { mutations } from '../../stun/mutations.ts'
import { Bench, GATEWAY, LOCAL, type Surroundings } from './bench.ts'
import { SimGateway } from './sim-gateway.ts'

const nonce = '000102030405060708090a0b'
const MINUTE = 60_000
const HOUR = 60 * MINUTE

type Client = Bench<ClientEvent> & { readonly client: DatagramClient }

function benchOf(
  by: 'pcp' | 'nat-pmp',
  surroundings: Surroundings = {},
  leftovers: readonly MappingRecord[] = [],
): Client {
  const random = new SeededRandom(1)
  const dialect: Dialect =
    by === 'pcp' ? new PcpDialect({ ...LOCAL, nonce, random }) : new NatPmpDialect(LOCAL)
  const client = new DatagramClient({ gateway: GATEWAY, dialect, leftovers })
  return Object.assign(new Bench<ClientEvent>(client, surroundings), { client })
}

/** With a mapping, made in the first 4 ms. */
function mapped(by: 'pcp' | 'nat-pmp', gateway: SimGateway): Client {
  const bench = benchOf(by, gateway)
  bench.change((now) => bench.client.discover(now)).run(2)
  bench.change((now) => bench.client.map(now)).run(10)
  assert.deepEqual(
    bench.take().map(({ kind }) => kind),
    ['found', 'mapped'],
  )
  bench.sent.splice(0)
  return bench
}

function kinds(sent: readonly { readonly transmit: Transmit }[]): readonly string[] {
  return sent.map(({ transmit: { bytes } }) => {
    const pcp = decodePcpRequest(bytes)
    const natPmp = decodeNatPmpRequest(bytes)
    const request = pcp.ok ? pcp.value : natPmp.ok ? natPmp.value : { kind: 'nonsense' as const }
    return request.kind === 'map' && request.lifetimeSeconds === 0 ? 'delete' : request.kind
  })
}

describe('DatagramClient speaking NAT-PMP', () => {
  it('repeats a question 250 ms after the first, doubling, five times: RFC 6886 §3.1', () => {
    const bench = benchOf('nat-pmp')
    bench.change((now) => bench.client.discover(now)).run(7749)

    assert.deepEqual(bench.sentAt, [0, 250, 750, 1750, 3750])
    assert.deepEqual(bench.take(), [])

    bench.run(7750)
    assert.deepEqual(bench.take(), [{ kind: 'unavailable', why: 'silent' }])
    assert.equal(bench.client.pollTimeout(), undefined)
  })

  it('asks for the external address, then for the mapping, and tells both together', () => {
    const gateway = new SimGateway({ versions: [0] })
    const bench = benchOf('nat-pmp', gateway)
    bench.change((now) => bench.client.discover(now)).run(100)
    bench.change((now) => bench.client.map(now)).run(200)

    assert.deepEqual(kinds(bench.sent), ['address', 'map'])
    assert.deepEqual(bench.take(), [
      { kind: 'found' },
      {
        kind: 'mapped',
        external: ipv4('198.51.100.7', 50_000),
        lifetimeMs: 2 * HOUR,
        isPermanent: false,
        cause: 'made',
        record: { by: 'nat-pmp', localPort: 40_000, externalPort: 50_000 },
      },
    ])
  })

  it('notices another external address, and has the mapping made there', () => {
    const gateway = new SimGateway({ versions: [0] })
    const bench = mapped('nat-pmp', gateway)

    gateway.externalAddress = '198.51.100.8'
    bench.run(MINUTE + 100)

    assert.deepEqual(kinds(bench.sent), ['address', 'map'])
    const [event] = bench.take()
    assert.equal(event?.kind === 'mapped' && event.cause, 'remade')
    assert.deepEqual(event?.kind === 'mapped' && event.external, ipv4('198.51.100.8', 50_000))
  })

  it('has nothing to offer while the gateway is not connected', () => {
    const gateway = new SimGateway({ versions: [0] })
    gateway.externalAddress = '0.0.0.0'
    const bench = benchOf('nat-pmp', gateway)
    bench.change((now) => bench.client.discover(now)).run(100)

    assert.deepEqual(bench.take(), [{ kind: 'unavailable', why: 'no-external-address' }])
  })

  it('gives way to a PCP server that does not know version 0', () => {
    const bench = benchOf('nat-pmp', new SimGateway({ versions: [2] }))
    bench.change((now) => bench.client.discover(now)).run(100)

    assert.deepEqual(bench.take(), [{ kind: 'unavailable', why: 'unsupported-version' }])
  })

  it('ignores the mapping of another port', () => {
    const bench = benchOf('nat-pmp', new SimGateway())
    bench.change((now) => bench.client.discover(now)).run(2)
    bench.change((now) => bench.client.map(now))
    const mapping = { internalPort: 40_001, externalPort: 50_001, lifetimeSeconds: 60 }
    bench.receive(
      GATEWAY,
      encodeNatPmpResponse({ kind: 'map', result: 0, epochSeconds: 1000, ...mapping }),
    )

    assert.deepEqual(bench.take(), [{ kind: 'found' }])
  })

  const refusals: readonly (readonly [number, string])[] = [
    [2, 'not-authorized'],
    [3, 'no-external-address'],
    [4, 'out-of-resources'],
    [5, 'unsupported'],
    [77, 'refused'],
  ]
  for (const [mapResult, why] of refusals) {
    it(`tells result ${mapResult} as ${why}`, () => {
      const bench = benchOf('nat-pmp', new SimGateway({ mapResult }))
      bench.change((now) => bench.client.discover(now)).run(2)
      bench.change((now) => bench.client.map(now)).run(100)

      assert.deepEqual(bench.take(), [{ kind: 'found' }, { kind: 'unavailable', why }])
    })
  }
})

describe('DatagramClient speaking PCP', () => {
  it('repeats a question after 250 ms, then as RFC 6887 §8.1.1 has it', () => {
    for (let seed = 0; seed < 200; seed++) {
      const random = new SeededRandom(seed)
      const dialect = new PcpDialect({ ...LOCAL, nonce, random })
      const client = new DatagramClient({ gateway: GATEWAY, dialect, leftovers: [] })
      const bench = new Bench<ClientEvent>(client)
      bench.change((now) => client.discover(now)).run(20_000)

      const [first, early, third = 0, ...more] = bench.sentAt
      assert.deepEqual([first, early, more], [0, 250, []])
      assert.ok(third >= 2700 && third <= 3300, `${third} ms`)
      assert.deepEqual(bench.take(), [{ kind: 'unavailable', why: 'silent' }])
    }
  })

  it('greets by ANNOUNCE, then asks for the mapping', () => {
    const gateway = new SimGateway({ versions: [2] })
    const bench = benchOf('pcp', gateway)
    bench.change((now) => bench.client.discover(now)).run(100)
    bench.change((now) => bench.client.map(now)).run(200)

    assert.deepEqual(kinds(bench.sent), ['announce', 'map'])
    assert.deepEqual(bench.take()[1], {
      kind: 'mapped',
      external: ipv4('198.51.100.7', 50_000),
      lifetimeMs: 2 * HOUR,
      isPermanent: false,
      cause: 'made',
      record: { by: 'pcp', localPort: 40_000, externalPort: 50_000, nonce },
    })
  })

  it('is content with a server that does not know ANNOUNCE', () => {
    const bench = benchOf('pcp', new SimGateway({ greetingResult: 4 }))
    bench.change((now) => bench.client.discover(now)).run(100)

    assert.deepEqual(bench.take(), [{ kind: 'found' }])
  })

  it('gives way to a NAT-PMP server', () => {
    const bench = benchOf('pcp', new SimGateway({ versions: [0] }))
    bench.change((now) => bench.client.discover(now)).run(100)

    assert.deepEqual(bench.take(), [{ kind: 'unavailable', why: 'unsupported-version' }])
  })

  it('ignores a mapping with another nonce, of another port, or that nobody asked for', () => {
    const bench = benchOf('pcp', new SimGateway())
    const response = {
      kind: 'map',
      result: 0,
      lifetimeSeconds: 60,
      epochSeconds: 1000,
      nonce,
      internalPort: 40_000,
      external: ipv4('198.51.100.66', 1),
    } as const
    bench.receive(GATEWAY, encodePcpResponse(response))
    bench.change((now) => bench.client.discover(now)).run(2)
    bench.change((now) => bench.client.map(now))
    bench.receive(GATEWAY, encodePcpResponse({ ...response, nonce: nonce.replace('0b', '0c') }))
    bench.receive(GATEWAY, encodePcpResponse({ ...response, internalPort: 40_001 }))

    assert.deepEqual(bench.take(), [{ kind: 'found' }])
  })

  it('does not take an address that is none', () => {
    const gateway = new SimGateway()
    gateway.externalAddress = '0.0.0.0'
    const bench = benchOf('pcp', gateway)
    bench.change((now) => bench.client.discover(now)).run(2)
    bench.change((now) => bench.client.map(now)).run(100)

    assert.deepEqual(bench.take()[1], { kind: 'unavailable', why: 'no-external-address' })
  })

  it('cleans up after an earlier life, but for the mapping that it takes over', () => {
    const leftover = (localPort: number, by: 'pcp' | 'upnp', itsNonce = nonce): MappingRecord => {
      return { by, localPort, externalPort: 50_000, nonce: itsNonce }
    }
    const bench = benchOf('pcp', new SimGateway(), [
      leftover(40_000, 'pcp'),
      leftover(39_000, 'pcp'),
      leftover(40_000, 'pcp', nonce.replace('0b', '0c')),
      leftover(38_000, 'upnp'),
    ])
    bench.change((now) => bench.client.discover(now)).run(100)

    assert.deepEqual(kinds(bench.sent), ['announce', 'delete', 'delete'])
  })

  const refusals: readonly (readonly [number, string])[] = [
    [2, 'not-authorized'],
    [4, 'unsupported'],
    [7, 'no-external-address'],
    [8, 'out-of-resources'],
    [9, 'unsupported'],
    [10, 'out-of-resources'],
    [11, 'conflict'],
    [12, 'address-mismatch'],
    [13, 'refused'],
  ]
  for (const [mapResult, why] of refusals) {
    it(`tells result ${mapResult} as ${why}`, () => {
      const bench = benchOf('pcp', new SimGateway({ mapResult }))
      bench.change((now) => bench.client.discover(now)).run(2)
      bench.change((now) => bench.client.map(now)).run(100)

      assert.deepEqual(bench.take(), [{ kind: 'found' }, { kind: 'unavailable', why }])
    })
  }
})

for (const by of ['pcp', 'nat-pmp'] as const) {
  describe(`DatagramClient speaking ${by}, in its keeping of a mapping`, () => {
    it('renews at half of the lease, again and again', () => {
      const bench = mapped(by, new SimGateway({ leaseSeconds: 100 }))
      bench.run(151_000)

      const renewals = bench.sent.filter((_, at) => kinds(bench.sent)[at] === 'map')
      assert.deepEqual(
        renewals.map(({ at }) => Math.round(at / 1000)),
        [50, 100, 150],
      )
      for (const event of bench.take()) {
        assert.equal(event.kind === 'mapped' && event.cause, 'renewed')
      }
    })

    it('believes no lease longer than a day', () => {
      const bench = benchOf(by, new SimGateway({ leaseSeconds: 2 ** 32 - 1 }))
      bench.change((now) => bench.client.discover(now)).run(2)
      bench.change((now) => bench.client.map(now)).run(100)
      const event = bench.take()[1]

      assert.ok(event?.kind === 'mapped' && event.lifetimeMs <= 24 * HOUR)
    })

    it('asks until the lease ends, when nobody answers any more', () => {
      const gateway = new SimGateway({ leaseSeconds: 120 })
      const bench = mapped(by, gateway)
      gateway.isSilent = true
      bench.run(119_000)
      assert.deepEqual(bench.take(), [])

      bench.run(121_000)
      assert.deepEqual(bench.take(), [{ kind: 'unavailable', why: 'expired' }])
      assert.equal(bench.client.pollTimeout(), undefined)
    })

    it('renews after all, when the gateway answers again within the lease', () => {
      const gateway = new SimGateway({ leaseSeconds: 120 })
      const bench = mapped(by, gateway)
      gateway.isSilent = true
      bench.run(80_000)
      gateway.isSilent = false
      bench.run(110_000)

      const events = bench.take()
      assert.ok(events.length > 0 && events.every(({ kind }) => kind === 'mapped'))
    })

    it('makes the mapping again within a minute of the gateway’s restart', () => {
      const gateway = new SimGateway()
      const bench = mapped(by, gateway)
      bench.run(10_000)
      bench.change((now) => gateway.restart(now)).run(MINUTE + 100)

      assert.equal(gateway.mappings.has(40_000), true)
      const events = bench.take()
      assert.deepEqual(
        events.map((event) => event.kind === 'mapped' && event.cause),
        ['remade'],
      )
    })

    it('at once, when the gateway announces its restart', () => {
      const gateway = new SimGateway()
      const bench = mapped(by, gateway)
      bench.run(10_000).change((now) => gateway.restart(now))
      const announcement =
        by === 'pcp'
          ? encodePcpResponse({ kind: 'announce', result: 0, epochSeconds: 0 })
          : encodeNatPmpResponse({
              kind: 'address',
              result: 0,
              epochSeconds: 0,
              address: gateway.externalAddress,
            })
      bench.receive(GATEWAY, announcement).run(10_010)

      assert.equal(gateway.mappings.has(40_000), true)
    })

    it('asks nothing more than a greeting a minute in quiet times', () => {
      const bench = mapped(by, new SimGateway())
      bench.run(30 * MINUTE)

      const greeting = by === 'pcp' ? 'announce' : 'address'
      assert.deepEqual(kinds(bench.sent), new Array<string>(29).fill(greeting))
      assert.deepEqual(bench.take(), [])
    })

    it('keeps a lease through a trouble that passes, and gives up at one that does not', () => {
      const passing = new SimGateway({ leaseSeconds: 120 })
      const bench = mapped(by, passing)
      passing.mapResult = by === 'pcp' ? 8 : 4
      bench.run(80_000)
      assert.deepEqual(bench.take(), [])

      passing.mapResult = 2
      bench.run(119_000)
      assert.deepEqual(bench.take(), [{ kind: 'unavailable', why: 'not-authorized' }])
    })

    it('check() renews now', () => {
      const bench = mapped(by, new SimGateway())
      bench.change((now) => bench.client.check(now)).run(20)

      assert.deepEqual(kinds(bench.sent), ['map'])
      assert.equal(bench.take().length, 1)
    })

    it('release() deletes, with the opcode that made it, and waits for the answer', () => {
      const gateway = new SimGateway()
      const bench = mapped(by, gateway)
      bench.change((now) => bench.client.release(now)).run(20)

      assert.deepEqual(kinds(bench.sent), ['delete'])
      assert.equal(gateway.mappings.size, 0)
      assert.deepEqual(bench.take(), [{ kind: 'released', isConfirmed: true }])
      assert.equal(bench.client.pollTimeout(), undefined)
    })

    it('release() asks at 0, 250 and 500 ms, and gives up after a second', () => {
      const gateway = new SimGateway()
      const bench = mapped(by, gateway)
      gateway.isSilent = true
      bench.run(1000)
      bench.change((now) => bench.client.release(now)).run(3000)

      assert.deepEqual(bench.sentAt, [1000, 1250, 1500])
      assert.deepEqual(bench.take(), [{ kind: 'released', isConfirmed: false }])
    })

    it('release() has nothing to delete where nothing was mapped', () => {
      const bench = benchOf(by)
      bench.change((now) => bench.client.release(now))

      assert.deepEqual(bench.take(), [{ kind: 'released', isConfirmed: true }])
      assert.deepEqual(bench.sent, [])
    })

    it('abandon() asks once for the deletion and is silent from then on', () => {
      const bench = mapped(by, new SimGateway())
      bench.change(() => bench.client.abandon()).run(HOUR)

      assert.deepEqual(kinds(bench.sent), ['delete'])
      assert.deepEqual(bench.take(), [])
    })

    it('listens to nobody but the gateway’s very endpoint', () => {
      const gateway = new SimGateway()
      const impostors = [ipv4('192.168.1.66', 5351), ipv4('192.168.1.1', 5350)]
      for (const from of impostors) {
        const bench = benchOf(by, {
          datagram: (now, transmit) => {
            return gateway.datagram(now, transmit).map(({ bytes }) => ({ from, bytes }))
          },
        })
        bench.change((now) => bench.client.discover(now)).run(100)

        assert.deepEqual(bench.take(), [])
      }
    })

    it('never throws, whatever the gateway says and when', () => {
      const samples = [
        encodePcpResponse({ kind: 'announce', result: 0, epochSeconds: 1000 }),
        encodePcpResponse({
          kind: 'map',
          result: 0,
          lifetimeSeconds: 7200,
          epochSeconds: 1000,
          nonce,
          internalPort: 40_000,
          external: ipv4('198.51.100.7', 50_000),
        }),
        encodeNatPmpResponse({
          kind: 'address',
          result: 0,
          epochSeconds: 1000,
          address: '198.51.100.7',
        }),
        encodeNatPmpResponse({
          kind: 'map',
          result: 0,
          epochSeconds: 1000,
          internalPort: 40_000,
          externalPort: 50_000,
          lifetimeSeconds: 7200,
        }),
      ]
      const random = new SeededRandom(3)
      const bench = benchOf(by, new SimGateway())
      for (const bytes of mutations(samples, 5000)) {
        const [choice = 0] = random.bytes(1)
        if (choice < 20) bench.change((now) => bench.client.discover(now))
        else if (choice < 40) bench.change((now) => bench.client.map(now))
        else if (choice < 45) bench.change((now) => bench.client.release(now))
        bench.receive(GATEWAY, bytes).run(bench.now + choice * 100)
        bench.sent.splice(0)
        bench.take()
      }
    })
  })
}
