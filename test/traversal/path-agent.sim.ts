/** Two peers in small worlds: routers that misbehave, networks that change, policies. */
import assert from 'node:assert/strict'
import { patienceMs, seeds, simulate } from '../sim/simulate.ts'
import { natKinds } from '../sim/nat-kinds.ts'
import type { World } from '../sim/world.ts'
import { Scene, type Side } from './scene.ts'

const natA = natKinds.linux
const natB = { ...natKinds.portRestricted, ports: { kind: 'random' } } as const

describe('PathAgent: a poisonable router', () => {
  // Alice starts 30 ms after Bob, whose first probe at +20 ms takes 20 ms: it knocks before her own first probe.
  const meet = (world: World, openerTtl: number | undefined): Scene => {
    const opener = openerTtl === undefined ? {} : { openerTtl }
    return new Scene(
      world,
      { nat: natKinds.linuxPoisonable, serverDelayMs: 50, ...opener },
      { nat: natKinds.linux, serverDelayMs: 20, ...opener },
    ).meet()
  }

  it('keeps two endpoint-independent NATs apart for ever without openers', () => {
    simulate(1, (world) => {
      const scene = meet(world, 0)

      assert.equal(scene.punch(60_000), false)
      assert.equal(scene.alice.report.reason, 'nothing-heard')
    })
  })

  it('lets them meet when low-TTL openers went first', () => {
    simulate(1, (world) => assert.ok(meet(world, undefined).punch(200)))
  })

  it('lets them meet though one side begins 100 ms after the other: its opener left before T0', () => {
    for (const late of ['alice', 'bob'] as const) {
      simulate(1, (world) => {
        const side = (name: string): ConstructorParameters<typeof Scene>[1] => ({
          nat: natKinds.linuxPoisonable,
          serverDelayMs: name === late ? 120 : 20,
        })
        const scene = new Scene(world, side('alice'), side('bob'), { startInMs: 150 }).meet()

        assert.ok(scene.punch(200), `${late} is late`)
        assert.ok(!scene.alice.report.candidates.some(({ kind }) => kind === 'peer-reflexive'))
      })
    }
  })
})

describe('PathAgent: topologies', () => {
  it('one side on the internet: direct to it whatever the other side has', () => {
    for (const nat of [natKinds.fullCone, natKinds.portRestricted, natKinds.symmetricRandom]) {
      simulate(1, (world) => assert.ok(new Scene(world, { nat }, {}).meet().punch(200)))
    }
  })

  it('the same LAN: over the LAN, within a round trip of it', () => {
    simulate(1, (world) => {
      const router = world.router('home', {
        addresses: ['198.51.100.1'],
        nat: natKinds.symmetricRandom,
      })
      const scene = new Scene(
        world,
        { behind: router, addresses: ['192.168.1.5'], link: { latencyMs: 1 } },
        { behind: router, addresses: ['192.168.1.6'], link: { latencyMs: 1 } },
      ).meet()

      assert.ok(scene.punch(100))
      assert.deepEqual([scene.alice.pathKind, scene.bob.pathKind], ['lan', 'lan'])
      assert.deepEqual(scene.alice.report.remote, { family: 4, address: '192.168.1.6', port: 5000 })
    })
  })

  for (const hairpin of ['off', 'external-source'] as const) {
    it(`two homes behind one carrier NAT, hairpin ${hairpin}`, () => {
      simulate(1, (world) => {
        const carrier = world.router('carrier', {
          addresses: ['198.51.100.1'],
          nat: { ...natKinds.portRestricted, ports: { kind: 'random' }, hairpin },
        })
        const home = (name: string, address: string): ReturnType<World['router']> =>
          world.router(name, { behind: carrier, addresses: [address], nat: natKinds.linux })
        const scene = new Scene(
          world,
          { behind: home('home a', '100.64.0.7'), addresses: ['192.168.1.5'] },
          { behind: home('home b', '100.64.0.8'), addresses: ['192.168.2.6'] },
        ).meet()

        assert.equal(scene.punch(), hairpin !== 'off')
        assert.equal(scene.alice.pathKind, hairpin === 'off' ? 'relay' : 'direct')
      })
    })
  }

  it('a home NAT behind a carrier NAT on both sides', () => {
    simulate(1, (world) => {
      const home = (name: string, address: string): ReturnType<World['router']> => {
        const carrier = world.router(`carrier of ${name}`, {
          addresses: [address],
          nat: { ...natKinds.portRestricted, ports: { kind: 'random' } },
        })
        return world.router(name, {
          behind: carrier,
          addresses: ['100.64.0.7'],
          nat: natKinds.linux,
        })
      }
      const scene = new Scene(
        world,
        { behind: home('a', '198.51.100.1'), addresses: ['192.168.1.5'] },
        { behind: home('b', '192.0.2.1'), addresses: ['192.168.1.5'] },
      ).meet()

      assert.ok(scene.punch(200))
    })
  })

  it('IPv6 behind stateful firewalls, where IPv4 cannot be punched', () => {
    simulate(1, (world) => {
      const home = (name: string, v4: string, v6: string): ReturnType<World['router']> =>
        world.router(name, { addresses: [v4, v6], nat: natKinds.symmetricRandom })
      const scene = new Scene(
        world,
        {
          behind: home('a', '198.51.100.1', '2001:db8:1::1'),
          addresses: ['192.168.1.5', '2001:db8:1::5'],
        },
        {
          behind: home('b', '192.0.2.1', '2001:db8:2::1'),
          addresses: ['10.0.0.9', '2001:db8:2::9'],
        },
      ).meet()

      assert.ok(scene.punch(200))
      assert.equal(scene.alice.report.remote?.family, 6)
    })
  })

  it('UDP blocked between the two: relay, because nothing is heard', () => {
    simulate(1, (world) => {
      const scene = new Scene(world, { nat: natA }, { nat: natB })
      world.block(scene.alice.host, scene.bob.host)

      assert.equal(scene.meet().punch(), false)
      assert.deepEqual(
        [scene.alice.pathKind, scene.alice.report.reason],
        ['relay', 'nothing-heard'],
      )
      assert.match(scene.alice.report.remedy, /PCP or UPnP/)
    })
  })

  it('one direction blocked: relay, because ours do not arrive', () => {
    simulate(1, (world) => {
      const scene = new Scene(world, { nat: natA }, { nat: natB })
      world.block(scene.alice.host, scene.bob.host, false)

      assert.equal(scene.meet().punch(), false)
      assert.equal(scene.alice.report.reason, 'heard-but-unanswered')
    })
  })

  it('a peer who hears of the introduction ten seconds late is met all the same', () => {
    simulate(1, (world) => {
      const scene = new Scene(
        world,
        { nat: natA },
        { nat: natB, serverDelayMs: 10_000 },
        { startInMs: 150 },
      )

      assert.ok(scene.meet().punch(200))
    })
  })
})

describe('PathAgent: policies', () => {
  it('relay: not one packet to a candidate, and no answer to anybody', () => {
    simulate(1, (world) => {
      const allowed = new Set(['203.0.113.1', '203.0.113.2'])
      world.tap((stage, packet) => {
        if (stage !== 'sent' || packet.origin !== 'alice') return
        assert.ok(allowed.has(packet.to.address), `sent to ${packet.to.address}`)
      })
      const scene = new Scene(world, { policy: 'relay' }, { nat: natB }).meet()

      assert.equal(scene.punch(), false)
      assert.equal(scene.alice.report.reason, 'policy-relay')
      assert.equal(scene.bob.report.reason, 'no-candidates')
      assert.deepEqual([scene.alice.pathKind, scene.bob.pathKind], ['relay', 'relay'])
    })
  })

  it('lan: direct in the same network, nothing outside it otherwise', () => {
    simulate(1, (world) => {
      const router = world.router('home', { addresses: ['198.51.100.1'], nat: natKinds.fullCone })
      const side = (address: string): ConstructorParameters<typeof Scene>[1] => ({
        behind: router,
        addresses: [address],
        policy: 'lan',
      })
      const scene = new Scene(world, side('192.168.1.5'), side('192.168.1.6')).meet()

      assert.ok(scene.punch(100))
      assert.equal(scene.alice.pathKind, 'lan')
    })
    simulate(1, (world) => {
      const scene = new Scene(
        world,
        { nat: natKinds.fullCone, policy: 'lan' },
        { nat: natB },
      ).meet()
      world.tap((stage, packet) => {
        if (stage !== 'sent' || packet.origin !== 'alice') return
        assert.ok(!packet.to.address.startsWith('192.0.2.'), `sent to ${packet.to.address}`)
      })

      assert.equal(scene.punch(), false)
      assert.equal(scene.alice.report.reason, 'policy-lan')
    })
  })
})

describe('PathAgent: what happens during a conversation', () => {
  /** Both sides send a datagram every 100 ms from now on. */
  function converse({ world, sides }: Scene, forMs: number): void {
    for (let time = 0; time < forMs; time += 100) {
      world.after(time, () => {
        for (const side of sides) side.running.change((now) => side.peer.send(now, time / 100))
      })
    }
  }

  function directAgainAfter(scene: Scene, happenedAt: number): number {
    const isSince = ({ at }: { at: number }): boolean => at > happenedAt
    const lastDirect = (side: Side): number =>
      side.path.filter(isSince).findLast(({ event }) => {
        return event.kind === 'path-selected' && event.pathKind !== 'relay'
      })?.at ?? Infinity
    return Math.max(...scene.sides.map(lastDirect)) - happenedAt
  }

  for (const [name, addresses] of [
    ['keeps its address', undefined],
    ['comes back with another address', ['198.51.100.99']],
  ] as const) {
    it(`a router that reboots and ${name}: the relay within 5 s, direct again soon after`, () => {
      for (const seed of seeds(10)) {
        simulate(seed, (world) => {
          const nat = { ...natKinds.portRestricted, ports: { kind: 'random' } } as const
          const scene = new Scene(world, { nat }, { nat: natKinds.linux }).meet()
          assert.ok(scene.punch(200))
          converse(scene, 60_000)
          world.runFor(10_000)
          const rebootedAt = world.now

          scene.alice.router?.reboot(addresses)
          assert.ok(world.runUntil(() => scene.alice.pathKind === 'relay', 5100))
          assert.ok(world.runUntil(() => scene.areDirect, 10_000))
          world.runFor(20_000)

          assert.ok(scene.areDirect, 'and it stays so')
          assert.ok(directAgainAfter(scene, rebootedAt) < 10_000)
        })
      }
    }).timeout(4 * patienceMs(10))
  }

  it('where a carrier ends every mapping after 90 s, another socket takes over before', () => {
    for (const seed of seeds(1)) {
      simulate(seed, (world) => {
        const ports = { kind: 'random' } as const
        const carrier = { ...natKinds.portRestricted, ports, absoluteLifetimeMs: 90_000 }
        const scene = new Scene(
          world,
          { nat: carrier },
          { nat: { ...natKinds.portRestricted, ports } },
        ).meet()
        assert.ok(scene.punch(200))
        converse(scene, 900_000)
        world.runFor(400_000) // the first deaths teach
        const learnedAt = world.now

        world.runFor(500_000)

        const lost = scene.sides.flatMap(({ path }) =>
          path.filter(({ at, event }) => at > learnedAt && event.kind === 'path-lost'),
        )
        assert.deepEqual(lost, [])
        assert.ok(scene.areDirect)
        assert.ok(scene.sides.every(({ running }) => running.socketCount <= 4))
        const relayed = scene.bob.received.filter(
          ({ at, isRelayed }) => at > learnedAt && isRelayed,
        )
        assert.deepEqual(relayed, [])
      })
    }
  }).timeout(4 * patienceMs(10))

  it('stalled data sends a side to the relay in the same moment, and the path is found again', () => {
    simulate(1, (world) => {
      const scene = new Scene(world, { nat: natA }, { nat: natB }).meet()
      scene.punch(200)

      scene.alice.running.change((now) => scene.alice.peer.agent?.pathStalled(now))

      assert.equal(scene.alice.pathKind, 'relay')
      assert.ok(world.runUntil(() => scene.areDirect, 1000))
    })
  })

  it('a host that moves to another network is reached through the relay, then directly', () => {
    simulate(1, (world) => {
      const scene = new Scene(world, { nat: natA }, { nat: natB }).meet()
      scene.punch(200)
      converse(scene, 30_000)
      world.runFor(5000)
      const cafe = world.router('cafe', { addresses: ['198.51.100.200'], nat: natKinds.linux })

      world.move(scene.alice.host, { behind: cafe, addresses: ['172.20.1.3'] })
      scene.alice.running.change((now) => {
        scene.alice.peer.networkChanged(now, ['172.20.1.3'], 5000)
      })
      scene.introduceSoon()
      const movedAt = world.now

      assert.ok(world.runUntil(() => scene.alice.pathKind === 'relay', 200))
      assert.ok(world.runUntil(() => scene.areDirect, 3000))
      world.runFor(10_000)
      assert.ok(scene.areDirect)
      assert.ok(
        scene.bob.received.filter(({ at }) => at > movedAt + 3000).every((d) => !d.isRelayed),
      )
    })
  })

  it('a host that slept for an hour is direct again', () => {
    simulate(1, (world) => {
      const scene = new Scene(world, { nat: natA }, { nat: natB }).meet()
      scene.punch(200)

      world.suspend(scene.alice.host)
      world.runFor(3_600_000)
      world.resume(scene.alice.host)
      scene.alice.running.change((now) => {
        scene.alice.peer.networkChanged(now, scene.alice.host.addresses, 5000)
      })
      scene.introduceSoon()

      assert.ok(world.runUntil(() => scene.areDirect, 3000))
    })
  })

  it('an idle conversation costs a heartbeat in 15 s and keeps its mappings for an hour', () => {
    simulate(1, (world) => {
      const scene = new Scene(world, { nat: natA }, { nat: natB }).meet()
      scene.punch(200)
      world.runFor(60_000)
      const probesBefore = scene.alice.report.packets.probesSent
      const pathsBefore = scene.alice.path.length

      world.runFor(3_600_000)

      assert.ok(scene.areDirect)
      assert.equal(scene.alice.path.length, pathsBefore)
      const anHour = scene.alice.report.packets.probesSent - probesBefore
      // Our questions and our answers, on the direct path and through the relay: four in 15 s.
      assert.ok(anHour <= (4 * 3600) / 15 + 4, `${anHour} probes`)
    })
  })
})

describe('PathAgent in worlds of every weather', () => {
  it('stays reachable, keeps the rules about strangers, and is quiet in the end', () => {
    for (const seed of seeds(20)) {
      simulate(seed, (world) => {
        const outages = { everyMs: 5000, lastMs: 200 }
        const link = { latencyMs: 30, jitterMs: 40, outages, loss: 0.01, duplicate: 0.02 }
        const scene = new Scene(world, { nat: natA, link }, { nat: natB, link })
        const unanswered = countUnanswered(world, 'alice')
        scene.meet()
        assert.ok(scene.punch(), 'direct in the end')
        world.runFor(10_000)
        scene.bob.router?.reboot(['192.0.2.99'])
        world.runFor(20_000)
        scene.alice.router?.reboot()
        world.runFor(90_000)

        assert.ok(scene.sides.every((side) => side.pathKind !== 'none'))
        for (const [target, count] of unanswered()) assert.ok(count <= 5, `${count} to ${target}`)
      })
    }
  }).timeout(patienceMs(20))
})

/** How many probes a host sent within half a minute, at most, to addresses that it never heard from. */
function countUnanswered(world: World, origin: string): () => Map<string, number> {
  const sent = new Map<string, number[]>()
  const heard = new Set<string>()
  world.tap((stage, packet, where) => {
    if ((packet.bytes[0] ?? 0) >> 6 !== 3) return
    if (stage === 'received' && where === origin)
      heard.add(`${packet.from.address}:${packet.from.port}`)
    if (stage !== 'sent' || packet.origin !== origin) return
    const key = `${packet.to.address}:${packet.to.port}`
    sent.set(key, [...(sent.get(key) ?? []), world.now])
  })
  const most = (times: readonly number[]): number =>
    Math.max(...times.map((first) => times.filter((t) => t >= first && t < first + 30_000).length))
  const unheard = (): [string, number[]][] => [...sent].filter(([key]) => !heard.has(key))
  return () => new Map(unheard().map(([key, times]) => [key, most(times)]))
}
