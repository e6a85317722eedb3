import assert from 'node:assert/strict'
import type { Endpoint } from '../../src/core/endpoint.ts'
import {
  askedOf,
  MAPPING_CHECK_SOCKET,
  MappingCheck,
  type MappingCheckEvent,
  quietEndpointOf,
} from '../../src/traversal/mapping-check.ts'
import { stunServer } from '../natprobe/probe-world.ts'
import type { NatBehaviour } from '../sim/nat.ts'
import { natKinds } from '../sim/nat-kinds.ts'
import { simulate } from '../sim/simulate.ts'
import { at } from './puppet.ts'

const SERVERS = [
  at('203.0.113.1', 3478),
  at('203.0.113.1', 3479),
  at('203.0.113.2', 3478),
  at('203.0.113.2', 3479),
]
const PORT = 5000
const PUBLIC = '198.51.100.1'

interface Scene {
  readonly nat?: NatBehaviour
  /** What the gateway says that it gave. */
  readonly external: Endpoint
  readonly servers?: readonly Endpoint[]
  readonly loss?: number
}

function check({
  nat,
  external,
  servers = SERVERS,
  loss = 0,
}: Scene): readonly MappingCheckEvent[] {
  const events: MappingCheckEvent[] = []
  simulate(1, (world) => {
    stunServer(world)
    const link = { latencyMs: 10, loss }
    const host =
      nat === undefined
        ? world.host('host', { addresses: [PUBLIC], link })
        : world.host('host', {
            behind: world.router('home', { addresses: [PUBLIC], nat, link }),
            addresses: ['192.168.1.5'],
          })
    const machine = new MappingCheck({ random: host.random })
    const running = world.attach(host, machine, {
      port: PORT,
      sockets: { [MAPPING_CHECK_SOCKET]: {} },
      onEvent: (event) => events.push(event),
    })
    running.change((now) => machine.start(now, external, servers))
    world.runUntil(() => events.length > 0, 10_000)
  })
  return events
}

describe('MappingCheck', () => {
  it('proves a port that leads to the primary socket', () => {
    const external = at(PUBLIC, PORT)

    assert.deepEqual(check({ external }), [{ kind: 'proven', endpoint: external }])
  })

  it('proves it over a bad line', () => {
    assert.equal(check({ external: at(PUBLIC, PORT), loss: 0.2 })[0]?.kind, 'proven')
  })

  it('says where the world reaches us, not what the gateway calls itself behind another NAT', () => {
    const external = at('192.168.178.2', PORT)

    assert.deepEqual(check({ external }), [{ kind: 'proven', endpoint: at(PUBLIC, PORT) }])
  })

  it('proves nothing where nothing is forwarded', () => {
    const closed = check({ nat: natKinds.portRestricted, external: at(PUBLIC, PORT) })
    const otherPort = check({ external: at(PUBLIC, PORT + 1) })

    assert.deepEqual([...closed, ...otherPort], [{ kind: 'unproven' }, { kind: 'unproven' }])
  })

  it('does with a server on one socket', () => {
    const external = at(PUBLIC, PORT)

    assert.equal(check({ external, servers: SERVERS.slice(0, 1) })[0]?.kind, 'proven')
  })
})

describe('quietEndpointOf()', () => {
  it('is the other port of the main address, where gathering has two addresses without it', () => {
    assert.deepEqual(quietEndpointOf(SERVERS), SERVERS[1])
    assert.deepEqual(askedOf(SERVERS), [SERVERS[0], SERVERS[2], SERVERS[3]])
    for (const few of [[], SERVERS.slice(0, 1), SERVERS.slice(0, 2)]) {
      assert.equal(quietEndpointOf(few), undefined)
      assert.deepEqual(askedOf(few), few)
    }
  })
})
