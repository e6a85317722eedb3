import assert from 'node:assert/strict'
import type { NatProbeResult } from '../../src/natprobe/nat-probe.ts'
import type { NatBehaviour } from '../sim/nat.ts'
import { allNats, natKinds } from '../sim/nat-kinds.ts'
import { patienceMs, seeds, simulate } from '../sim/simulate.ts'
import { runProbe, stunServer } from './probe-world.ts'

/** From the host outwards; each has the loss on its outer link. */
function behind(nats: readonly NatBehaviour[], loss: number, seed: number): NatProbeResult {
  const results: NatProbeResult[] = []
  simulate(seed, (world) => {
    const server = stunServer(world)
    const outermost = world.router('outermost', {
      addresses: ['198.51.100.1'],
      nat: nats.at(-1) ?? natKinds.linux,
      link: { latencyMs: 10, loss },
    })
    let inner = outermost
    for (const [index, nat] of nats.slice(0, -1).reverse().entries()) {
      const addresses = [`100.64.${index}.7`]
      inner = world.router(`router ${index}`, { addresses, nat, behind: inner, link: {} })
    }
    const host = world.host('alice', { behind: inner, addresses: ['192.168.1.5'] })
    results.push(runProbe(world, host, [server], { mode: 'full' }).result)
  })
  const [result] = results
  assert.ok(result !== undefined)
  return result
}

describe('poisonScript()', () => {
  for (const loss of [0, 0.05]) {
    it(`tells a router that early packets move from others, with ${loss * 100} % loss`, () => {
      for (const seed of seeds(10)) {
        const value = (nat: NatBehaviour): unknown => behind([nat], loss, seed).poisonable?.value
        assert.equal(value(natKinds.linuxPoisonable), true)
        assert.equal(value(natKinds.linux), false)
        assert.equal(value(natKinds.restrictedCone), false)
        assert.equal(value(natKinds.fullCone), false)
      }
    }).timeout(patienceMs(10))
  }

  it('is left out where each destination has a mapping of its own', () => {
    assert.equal(behind([natKinds.symmetricRandom], 0, 1).poisonable, undefined)
  })

  it('does not know where the router blocks the early sender', () => {
    const nat = { ...natKinds.portRestricted, blocksUnsolicitedMs: 60_000 }

    assert.equal(behind([nat], 0, 1).poisonable?.value, 'unknown')
  })
})

describe('depthScript()', () => {
  for (const loss of [0, 0.05]) {
    it(`counts the hops to the last NAT that filters, with ${loss * 100} % loss`, () => {
      for (const nat of allNats({ kind: 'random' })) {
        if (nat.mapping !== 'endpoint-independent') continue
        const depth = (...nats: readonly NatBehaviour[]): readonly unknown[] =>
          seeds(10).map((seed) => behind(nats, loss, seed).natDepth?.value)
        const isOpen = nat.filtering === 'endpoint-independent'
        assert.deepEqual(new Set(depth(nat)), new Set([isOpen ? undefined : 1]))
        assert.deepEqual(new Set(depth(natKinds.linux, nat)), new Set([isOpen ? 1 : 2]))
        assert.deepEqual(new Set(depth(nat, nat, natKinds.linux)), new Set([3]))
      }
    }).timeout(patienceMs(100))
  }

  it('is right or unknown at 25 % loss', () => {
    for (const seed of seeds(20)) {
      const value = behind([natKinds.linux, natKinds.portRestricted], 0.25, seed).natDepth?.value
      assert.ok([2, 'unknown', undefined].includes(value), `${value} with seed ${seed}`)
    }
  }).timeout(patienceMs(20))
})
