import assert from 'node:assert/strict'
import type { Endpoint } from '../../src/core/endpoint.ts'
import { classifyFiltering, classifyMapping, TwoAddressServer } from './binding-experiment.ts'
import type { Host, SimSocket } from './host.ts'
import type { NatBehaviour } from './nat.ts'
import { allNats, natKinds, natName } from './nat-kinds.ts'
import type { PortAllocation } from './port-allocator.ts'
import { simulate } from './simulate.ts'
import type { World } from './world.ts'

const allocations: readonly PortAllocation[] = [
  { kind: 'preserve' },
  { kind: 'sequential' },
  { kind: 'random' },
  { kind: 'parity' },
  { kind: 'block', size: 512 },
]

interface Scene {
  readonly world: World
  readonly server: TwoAddressServer
  readonly host: Host
}

function behind(
  nat: NatBehaviour,
  body: (scene: Scene) => void,
  addresses = ['198.51.100.1'],
): void {
  simulate(1, (world) => {
    const server = new TwoAddressServer(world)
    const router = world.router('nat', { addresses, nat })
    const host = world.host('host', { behind: router, addresses: ['192.168.1.5'] })
    body({ world, server, host })
  })
}

/** Where the server sees a packet of `socket` come from. */
function mapped({ world, server }: Scene, socket: SimSocket, index = 0): Endpoint {
  socket.send(server.endpoint(index), Uint8Array.of(0))
  world.runFor(100)
  return server.lastSeen(index)
}

/** Sockets on ports 5000, 5002, …: what public ports do they get? */
function portsOf(scene: Scene, count: number): number[] {
  return Array.from({ length: count }, (_, index) => {
    const socket = scene.world.open(scene.host, { port: 5000 + 2 * index }, () => undefined)
    return mapped(scene, socket).port
  })
}

describe('Nat: mapping and filtering', () => {
  for (const ports of allocations) {
    for (const nat of allNats(ports)) {
      it(`${natName(nat)} with ${ports.kind} ports shows itself as that`, () => {
        behind(nat, ({ world, server, host }) => {
          assert.equal(classifyMapping(world, server, host), nat.mapping)
          assert.equal(classifyFiltering(world, server, host), nat.filtering)
        })
      })
    }
  }
})

describe('Nat: port allocation', () => {
  it('keeps the inside port where it can', () => {
    behind({ ...natKinds.portRestricted, ports: { kind: 'preserve' } }, (scene) => {
      assert.deepEqual(portsOf(scene, 3), [5000, 5002, 5004])
    })
  })

  it('gives two hosts with the same inside port different ones', () => {
    behind({ ...natKinds.portRestricted, ports: { kind: 'preserve' } }, (scene) => {
      const { world, host } = scene
      const other = world.host('other', { addresses: ['192.168.1.6'], behind: routerOf(host) })

      const first = mapped(
        scene,
        world.open(host, { port: 5000 }, () => undefined),
      )
      const second = mapped(
        scene,
        world.open(other, { port: 5000 }, () => undefined),
      )

      assert.deepEqual([first.port, second.port], [5000, 5001])
    })
  })

  it('goes up in steps', () => {
    behind(
      { ...natKinds.portRestricted, ports: { kind: 'sequential', first: 20_000, step: 2 } },
      (scene) => assert.deepEqual(portsOf(scene, 3), [20_000, 20_002, 20_004]),
    )
  })

  it('draws from its range, its parity, its block', () => {
    const drawn = (ports: PortAllocation): number[] => {
      let result: number[] = []
      behind({ ...natKinds.portRestricted, ports }, (scene) => (result = portsOf(scene, 8)))
      return result
    }

    const random = drawn({ kind: 'random', low: 30_000, high: 30_100 })
    assert.ok(random.every((port) => port >= 30_000 && port <= 30_100))
    assert.equal(new Set(random).size, 8)
    assert.ok(drawn({ kind: 'parity' }).every((port) => port % 2 === 0))
    const block = drawn({ kind: 'block', size: 64 })
    assert.ok(Math.max(...block) - Math.min(...block) < 64)
  })
})

describe('Nat: lifetimes', () => {
  const ports = { kind: 'sequential', first: 20_000 } as const
  const nat = { ...natKinds.portRestricted, ports, lifetimeMs: 60_000, unrepliedMs: 15_000 }

  it('forgets a mapping that nobody answered sooner than one that was', () => {
    behind(nat, (scene) => {
      const socket = scene.world.open(scene.host, {}, () => undefined)

      const first = mapped(scene, socket).port
      scene.world.runFor(14_000)
      const kept = mapped(scene, socket).port
      scene.world.runFor(16_000)
      const unreplied = mapped(scene, socket)
      scene.server.send(0, unreplied)
      scene.world.runFor(50_000)
      const replied = mapped(scene, socket).port
      scene.world.runFor(61_000)

      assert.deepEqual([first, kept], [20_000, 20_000])
      assert.deepEqual([unreplied.port, replied], [20_001, 20_001])
      assert.equal(mapped(scene, socket).port, 20_002)
    })
  })

  it('is kept alive from outside only where it says so', () => {
    for (const isRefreshedByInbound of [true, false]) {
      behind({ ...nat, isRefreshedByInbound }, (scene) => {
        const { world, server, host } = scene
        let heard = 0
        const socket = world.open(host, {}, () => (heard += 1))
        const outside = mapped(scene, socket)
        server.send(0, outside)
        world.runFor(100)

        for (let minute = 0; minute < 3; minute++) {
          world.runFor(50_000)
          server.send(0, outside)
        }
        world.runFor(100)

        assert.equal(heard, isRefreshedByInbound ? 4 : 2)
      })
    }
  })

  it('ends a mapping at its absolute age though it is used', () => {
    behind({ ...nat, absoluteLifetimeMs: 50_000 }, (scene) => {
      const socket = scene.world.open(scene.host, {}, () => undefined)
      const seen = Array.from({ length: 8 }, () => {
        scene.world.runFor(10_000)
        return mapped(scene, socket).port
      })

      assert.deepEqual([...new Set(seen)], [20_000, 20_001])
    })
  })

  it('loses everything at a reboot', () => {
    behind(nat, (scene) => {
      const { world, server, host } = scene
      let heard = 0
      const socket = world.open(host, {}, () => (heard += 1))
      const outside = mapped(scene, socket)

      routerOf(host).reboot(['198.51.100.77'])
      server.send(0, outside)
      world.runFor(100)

      assert.equal(heard, 0)
      assert.equal(mapped(scene, socket).address, '198.51.100.77')
    })
  })

  it('forgets one host: its packets are unsolicited again, other flows stay', () => {
    behind(nat, (scene) => {
      const { world, server, host } = scene
      const heard: string[] = []
      const socket = world.open(host, {}, (from) => heard.push(from.address))
      const outside = mapped(scene, socket, 0)
      assert.deepEqual(mapped(scene, socket, 2), outside)

      const gone = server.endpoint(0).address
      routerOf(host).nat?.forgetRemotes(new Set([gone]))
      server.send(0, outside)
      server.send(2, outside)
      world.runFor(100)

      assert.equal(heard.includes(gone), false)
      assert.ok(heard.includes(server.endpoint(2).address))
      assert.deepEqual(mapped(scene, socket, 0), outside)
    })
  })

  it('gives a flow another port when its only mapping was forgotten', () => {
    behind(natKinds.symmetricSequential, (scene) => {
      const { world, server, host } = scene
      const socket = world.open(host, {}, () => undefined)
      const outside = mapped(scene, socket)

      routerOf(host).nat?.forgetRemotes(new Set([server.endpoint(0).address]))

      assert.notDeepEqual(mapped(scene, socket), outside)
    })
  })
})

describe('Nat: hairpin', () => {
  for (const hairpin of ['off', 'external-source', 'internal-source'] as const) {
    it(hairpin, () => {
      behind({ ...natKinds.fullCone, ports: { kind: 'preserve' }, hairpin }, (scene) => {
        const { world, host } = scene
        const sources: string[] = []
        const other = world.host('other', { addresses: ['192.168.1.6'], behind: routerOf(host) })
        const target = world.open(host, { port: 5000 }, (from) => sources.push(from.address))

        world
          .open(other, { port: 6000 }, () => undefined)
          .send(mapped(scene, target), Uint8Array.of(1))
        world.runFor(100)

        const shown = {
          off: [],
          'external-source': ['198.51.100.1'],
          'internal-source': ['192.168.1.6'],
        }
        assert.deepEqual(sources, shown[hairpin])
      })
    })
  }
})

describe('Nat: pools and limits', () => {
  const pool = ['198.51.100.1', '198.51.100.2', '198.51.100.3', '198.51.100.4']

  it('keeps one address a host when paired, any when arbitrary', () => {
    const used = (pooling: 'paired' | 'arbitrary'): number => {
      const addresses = new Set<string>()
      behind(
        { ...natKinds.portRestricted, pooling },
        (scene) => {
          for (let i = 0; i < 16; i++) {
            addresses.add(
              mapped(
                scene,
                scene.world.open(scene.host, {}, () => undefined),
              ).address,
            )
          }
        },
        pool,
      )
      return addresses.size
    }

    assert.equal(used('paired'), 1)
    assert.ok(used('arbitrary') > 1)
  })

  it('refuses a new mapping when its table is full, or takes the oldest one’s place', () => {
    const survivors = (whenFull: 'drop' | 'evict-oldest'): number[] => {
      const heard: number[] = []
      behind({ ...natKinds.fullCone, maxMappings: 2, whenFull }, (scene) => {
        const { world, server, host } = scene
        for (let i = 0; i < 3; i++) {
          world.open(host, {}, () => heard.push(i)).send(server.endpoint(0), Uint8Array.of(0))
        }
        world.runFor(100)
        for (const from of server.seen[0] ?? []) server.send(0, from)
        world.runFor(100)
      })
      return heard
    }

    assert.deepEqual(survivors('drop'), [0, 1])
    assert.deepEqual(survivors('evict-oldest'), [1, 2])
  })
})

describe('Nat: misbehaviour', () => {
  const early = (scene: Scene, before: (socket: SimSocket) => void): Endpoint => {
    const { world, server, host } = scene
    const socket = world.open(host, { port: 5000 }, () => undefined)
    const outside = mapped(scene, socket) // by the server's first address
    before(socket)
    server.send(3, outside)
    world.runFor(100)
    return mapped(scene, socket, 3)
  }

  it('a poisonable router takes another port towards whoever knocked first', () => {
    behind(natKinds.linuxPoisonable, (scene) => {
      assert.notEqual(early(scene, () => undefined).port, 5000)
    })
  })

  it('keeps its port where a low-TTL opener was first, or its INPUT chain drops', () => {
    behind(natKinds.linuxPoisonable, (scene) => {
      const opened = early(scene, (socket) =>
        socket.send(scene.server.endpoint(3), Uint8Array.of(9), 4),
      )
      assert.equal(opened.port, 5000)
      assert.equal(scene.server.seen[3]?.length, 1, 'the opener died on the way')
    })
    behind(natKinds.linux, (scene) => {
      assert.equal(early(scene, () => undefined).port, 5000)
    })
  })

  it('stays poisoned while the stranger keeps knocking, and recovers when it stops', () => {
    behind(natKinds.linuxPoisonable, (scene) => {
      const { world, server, host } = scene
      const socket = world.open(host, { port: 5000 }, () => undefined)
      const outside = mapped(scene, socket)
      for (let second = 0; second < 40; second++) {
        server.send(3, outside)
        world.runFor(1000)
      }
      socket.send(server.endpoint(0), Uint8Array.of(0)) // the mapping itself is used all the time
      assert.notEqual(mapped(scene, socket, 3).port, 5000)

      world.runFor(31_000)

      assert.equal(mapped(scene, socket, 3).port, 5000)
    })
  })

  it('a suspicious router blocks whoever sent unasked', () => {
    behind({ ...natKinds.linux, blocksUnsolicitedMs: 60_000 }, (scene) => {
      const { world, server, host } = scene
      let heard = 0
      const socket = world.open(host, {}, () => (heard += 1))
      const outside = mapped(scene, socket)

      server.send(3, outside)
      world.runFor(100)
      mapped(scene, socket, 3)
      server.send(3, outside)
      server.send(0, outside)
      world.runFor(100)

      assert.equal(heard, 1, 'only the other address is heard')
    })
  })
})

function routerOf(host: Host): import('./router.ts').Router {
  const node = host.link.network.gateway?.node
  assert.ok(node !== undefined && 'nat' in node)
  return node as import('./router.ts').Router
}
