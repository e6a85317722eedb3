import assert from 'node:assert/strict'
import type { NatProbeResult } from '../../src/natprobe/nat-probe.ts'
import type { Mode } from '../../src/natprobe/timing.ts'
import type { Host } from '../sim/host.ts'
import type { NatBehaviour } from '../sim/nat.ts'
import { allNats, natKinds, natName } from '../sim/nat-kinds.ts'
import { seeds, simulate } from '../sim/simulate.ts'
import type { World } from '../sim/world.ts'
import { type ProbeRun, runProbe, stunServer } from './probe-world.ts'

interface HomeOptions {
  readonly loss?: number
  readonly latencyMs?: number
  readonly addresses?: readonly string[]
}

function hostBehind(world: World, nat: NatBehaviour, options: HomeOptions = {}): Host {
  const { loss = 0, latencyMs = 10, addresses = ['198.51.100.1'] } = options
  const home = world.router('home', { addresses, nat, link: { latencyMs, loss } })
  return world.host('alice', { behind: home, addresses: ['192.168.1.5'] })
}

/** Runs natprobe behind a NAT, against our own server with two addresses. */
function probe(
  world: World,
  nat: NatBehaviour,
  options: HomeOptions & { mode?: Mode } = {},
): ProbeRun {
  const server = stunServer(world)
  const { mode = 'quick' } = options
  return runProbe(world, hostBehind(world, nat, options), [server], { mode })
}

function found({ mapping, filtering }: NatProbeResult): readonly [string, string] {
  return [mapping.mapping.value, filtering?.value ?? 'untested']
}

describe('NatProbe', () => {
  for (const loss of [0, 0.05]) {
    for (const nat of allNats({ kind: 'random' })) {
      it(`finds ${natName(nat)} with ${loss * 100} % loss each way`, () => {
        for (const seed of seeds(10)) {
          simulate(seed, (world) => {
            const { result } = probe(world, nat, { loss })
            assert.deepEqual(found(result), [nat.mapping, nat.filtering])
          })
        }
      })
    }
  }

  it('is right or says unknown at 25 % loss each way, and is never wrong about filtering', () => {
    let [right, all] = [0, 0]
    for (const nat of allNats({ kind: 'sequential' })) {
      for (const seed of seeds(10)) {
        simulate(seed, (world) => {
          const [mapping, filtering] = found(probe(world, nat, { loss: 0.25 }).result)
          assert.ok([nat.mapping, 'unknown'].includes(mapping), mapping)
          assert.ok([nat.filtering, 'unknown', 'untested'].includes(filtering), filtering)
          all += 2
          right += Number(mapping === nat.mapping) + Number(filtering === nat.filtering)
        })
      }
    }
    assert.ok(right >= 0.9 * all, `${right} of ${all}`)
  })

  it('is right at a round trip of 800 ms', () => {
    for (const nat of allNats({ kind: 'preserve' })) {
      simulate(1, (world) => {
        const { result, tookMs } = probe(world, nat, { latencyMs: 390, loss: 0.05, mode: 'full' })
        assert.deepEqual(found(result), [nat.mapping, nat.filtering])
        assert.ok(tookMs < 12_000, `${tookMs} ms`)
      })
    }
  })

  it('needs at most 1.5 s quick and 6 s in full on a good network', () => {
    for (const nat of allNats({ kind: 'random' })) {
      simulate(1, (world) => assert.ok(probe(world, nat).tookMs <= 1500))
      simulate(1, (world) => assert.ok(probe(world, nat, { mode: 'full' }).tookMs <= 6000))
    }
  })

  it('starts at most ten transactions in any second', () => {
    simulate(1, (world) => {
      const startedAt = new Map<string, number>()
      world.tap((stage, packet) => {
        const id = Buffer.from(packet.bytes).toString('hex', 8, 20)
        const isAsked = stage === 'sent' && packet.origin === 'alice'
        if (isAsked && !startedAt.has(id)) startedAt.set(id, world.now)
      })

      probe(world, natKinds.symmetricRandom, { mode: 'full' })

      const starts = [...startedAt.values()]
      // Nothing is lost: mapping 4, filtering 8, allocation 16, latency 20 with those 16, egress 3, sizes 5.
      assert.equal(starts.length, 4 + 8 + 16 + (20 - 16) + 3 + 5)
      for (const [index, start] of starts.entries()) {
        assert.ok(start - (starts[index - 10] ?? -Infinity) >= 1000, `start ${index}`)
      }
    })
  })

  it('finds hairpinning, whichever source the NAT shows, and its absence', () => {
    const hairpin = (
      mode: 'off' | 'internal-source' | 'external-source',
      seed: number,
    ): unknown => {
      let value: unknown
      simulate(seed, (world) => {
        const nat = {
          ...natKinds.portRestricted,
          hairpin: mode,
          ports: { kind: 'random' },
        } as const
        value = probe(world, nat, { mode: 'full', loss: 0.05 }).result.hairpin?.value
      })
      return value
    }
    for (const seed of seeds(5)) {
      assert.equal(hairpin('external-source', seed), true)
      assert.equal(hairpin('internal-source', seed), true)
      assert.equal(hairpin('off', seed), false)
    }
  })

  it('finds how ports are allocated, and several public addresses', () => {
    simulate(1, (world) => {
      const nat = { ...natKinds.fullCone, ports: { kind: 'sequential', step: 2 } } as const
      const { result } = probe(world, nat, { mode: 'full', loss: 0.05 })
      assert.deepEqual(result.allocation?.allocation.value, { kind: 'step', step: 2 })
    })
    simulate(1, (world) => {
      const nat = { ...natKinds.symmetricRandom, pooling: 'arbitrary' } as const
      const addresses = ['198.51.100.1', '198.51.100.2', '198.51.100.3']
      const { result } = probe(world, nat, { mode: 'full', addresses })
      const seen = new Set(result.allocation?.mapped.map(({ address }) => address))
      assert.equal(result.mapping.mapping.value, 'address-and-port-dependent')
      assert.equal(seen.size, 3)
    })
  })

  it('measures round trip and loss', () => {
    simulate(3, (world) => {
      const { result } = probe(world, natKinds.fullCone, { mode: 'full', loss: 0.1 })
      const [measured] = result.latency
      assert.deepEqual(measured?.latency.rttMs, { p50: 40, p99: 40 })
      assert.ok(measured.latency.lossRatio > 0.05 && measured.latency.lossRatio < 0.5)
    })
  })

  it('finds no NAT and an open or a closed firewall', () => {
    simulate(1, (world) => {
      const server = stunServer(world)
      const host = world.host('alice', { addresses: ['198.51.100.9'] })
      const { result } = runProbe(world, host, [server], { mode: 'full' })
      assert.deepEqual(found(result), ['none', 'endpoint-independent'])
      assert.deepEqual([result.hairpin, result.allocation], [undefined, undefined])
    })
    for (const [inbound, filtering] of [
      ['address-dependent', 'address-dependent'],
      ['stateful', 'address-and-port-dependent'],
    ] as const) {
      simulate(1, (world) => {
        const server = stunServer(world, { addresses: ['2001:db8:9::1', '2001:db8:9::2'] })
        const firewall = { inbound }
        const home = world.router('home', { addresses: ['2001:db8:1::1'], firewall })
        const host = world.host('alice', { behind: home, addresses: ['2001:db8:1::5'] })
        assert.deepEqual(found(runProbe(world, host, [server]).result), ['none', filtering])
      })
    }
  })

  it('says that nobody answered where UDP is blocked', () => {
    simulate(1, (world) => {
      const server = stunServer(world)
      const home = world.router('home', { addresses: ['198.51.100.1'], nat: natKinds.fullCone })
      home.isBlockingUdp = true
      const host = world.host('alice', { behind: home, addresses: ['192.168.1.5'] })
      const { mapping } = runProbe(world, host, [server]).result
      assert.deepEqual([mapping.isNatted, mapping.public, mapping.answered], [undefined, [], []])
      assert.deepEqual(mapping.silent, [server])
    })
  })

  it('leaves out the tests whose sockets cannot be had, and ends without the first one', () => {
    simulate(1, (world) => {
      const server = stunServer(world)
      const host = hostBehind(world, natKinds.fullCone)
      const without = (name: string): NatProbeResult =>
        runProbe(world, host, [server], { mode: 'full', refuses: (id) => id.includes(name) }).result
      assert.deepEqual(found(without('filtering:2')), ['endpoint-independent', 'untested'])
      assert.equal(without('hairpin:1').hairpin, undefined)
      assert.deepEqual(without('latency').latency, [])
      assert.deepEqual(found(without('mapping')), ['unknown', 'untested'])
    })
  })

  it('tells which tests run', () => {
    simulate(1, (world) => {
      const { events } = probe(world, natKinds.fullCone)
      const told = events.flatMap((event) =>
        'test' in event ? [`${event.kind} ${event.test}`] : [],
      )
      assert.deepEqual(told, [
        'test-started mapping',
        'test-finished mapping',
        'test-started filtering',
        'test-finished filtering',
      ])
    })
  })
})
