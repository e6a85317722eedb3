/** The daemon's whole way from a NAT to what an introduction says of it: the tests of natprobe, and their translation. */
import assert from 'node:assert/strict'
import { natProfileOf } from '../../src/daemon/nat-profile-of.ts'
import { natSideOf } from '../../src/traversal/nat-side.ts'
import { chooseStrategy } from '../../src/traversal/strategy.ts'
import { runProbe, stunServer } from '../natprobe/probe-world.ts'
import type { NatBehaviour } from '../sim/nat.ts'
import { natKinds, profileOf } from '../sim/nat-kinds.ts'
import type { PortAllocation } from '../sim/port-allocator.ts'
import { simulate } from '../sim/simulate.ts'
import type { NatProfile } from '../../src/protocol/server/nat-profile.ts'

function measured(nat: NatBehaviour, seed = 1): NatProfile {
  let profile: NatProfile | undefined
  simulate(seed, (world) => {
    const server = stunServer(world)
    const router = world.router('router', { addresses: ['198.51.100.1'], nat })
    const host = world.host('host', { behind: router, addresses: ['192.168.1.5'] })
    profile = natProfileOf(runProbe(world, host, [server], { mode: 'full' }).result)
  })
  assert.ok(profile !== undefined)
  return profile
}

function strict(ports: PortAllocation): NatBehaviour {
  return { ...natKinds.symmetricRandom, ports }
}

describe('natProfileOf()', () => {
  const nats: readonly (readonly [string, NatBehaviour])[] = [
    ['Linux masquerade', natKinds.linux],
    ['full cone', { ...natKinds.fullCone, ports: { kind: 'random' } }],
    ['restricted cone', { ...natKinds.restrictedCone, ports: { kind: 'preserve' } }],
    ['sequential', strict({ kind: 'sequential' })],
    ['sequential by -2', strict({ kind: 'sequential', step: -2 })],
    ['random', strict({ kind: 'random' })],
    ['upper quarter', strict({ kind: 'random', low: 49_152, high: 65_535 })],
    ['block of 512', strict({ kind: 'block', size: 512, low: 20_480, high: 20_991 })],
    ['mapping by address', { ...natKinds.symmetricSequential, mapping: 'address-dependent' }],
  ]
  for (const [name, nat] of nats) {
    it(`${name}: leads to the same choice as the truth, against every other`, () => {
      const [found, truth] = [measured(nat), profileOf(nat)]

      assert.deepEqual([found.mapping, found.filtering], [truth.mapping, truth.filtering])
      for (const [, other] of nats) {
        const peer = natSideOf(profileOf(other), [])
        assert.deepEqual(
          chooseStrategy(natSideOf(found, []), peer),
          chooseStrategy(natSideOf(truth, []), peer),
        )
      }
    })
  }

  it('finds a block whole, from sixteen of its ports', () => {
    for (const seed of [1, 2, 3, 4, 5]) {
      const { ports } = measured(
        strict({ kind: 'block', size: 512, low: 20_480, high: 20_991 }),
        seed,
      )
      assert.ok(ports.kind === 'block' && ports.low <= 20_480 && ports.high >= 20_991)
      assert.ok(ports.high - ports.low < 1024)
    }
  })

  it('tells a host without a NAT, and nothing where nobody answered', () => {
    simulate(1, (world) => {
      const server = stunServer(world)
      const host = world.host('host', { addresses: ['192.0.2.10'] })
      const found = natProfileOf(runProbe(world, host, [server], { mode: 'full' }).result)
      assert.equal(found?.mapping, 'none')
      assert.equal(found.filtering, 'endpoint-independent')
    })
    simulate(1, (world) => {
      const nobody = { family: 4, address: '203.0.113.9', port: 3478 } as const
      const host = world.host('host', { addresses: ['192.0.2.10'] })
      assert.equal(natProfileOf(runProbe(world, host, [nobody]).result), undefined)
    })
  })
})
