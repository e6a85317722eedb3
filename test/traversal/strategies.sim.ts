/** Punching attempts: what each strategy reaches behind the NATs it is for, what it costs, and what is left open. */
import assert from 'node:assert/strict'
import type { Endpoint } from '../../src/core/endpoint.ts'
import type { NatBehaviour } from '../sim/nat.ts'
import { natKinds } from '../sim/nat-kinds.ts'
import type { PortAllocation } from '../sim/port-allocator.ts'
import { patienceMs, seeds, simulate } from '../sim/simulate.ts'
import type { World } from '../sim/world.ts'
import { PunchBudget } from '../../src/traversal/punch-budget.ts'
import { Scene, type Side, type SideOptions } from './scene.ts'

const link = { latencyMs: 12.5 }
const strict = { filtering: 'address-and-port-dependent' } as const
const fixed: NatBehaviour = natKinds.portRestricted

function perPort(ports: PortAllocation): NatBehaviour {
  return { mapping: 'address-and-port-dependent', ...strict, ports }
}

function perAddress(ports: PortAllocation): NatBehaviour {
  return { mapping: 'address-dependent', ...strict, ports }
}

const random = { kind: 'random' } as const
const sequential = { kind: 'sequential' } as const

function block(low: number, size: number): PortAllocation {
  return { kind: 'block', size, low, high: low + size - 1 }
}

function meet(world: World, a: NatBehaviour, b: NatBehaviour): Scene {
  return new Scene(world, { nat: a, link }, { nat: b, link }).meet()
}

function strategyOf(side: Side): string {
  return side.report.attempts.map(({ strategy, verdict }) => `${strategy} ${verdict}`).join()
}

describe('an attempt at each strategy', () => {
  const cases: readonly (readonly [string, NatBehaviour, NatBehaviour, number])[] = [
    ['predict', fixed, perPort(sequential), 60],
    ['predict', fixed, perPort({ kind: 'sequential', step: -4 }), 60],
    ['predict', perAddress({ kind: 'preserve' }), fixed, 60],
    ['predict-both', perPort(sequential), perPort({ kind: 'sequential', step: 2 }), 125],
    ['predict-both', perPort({ kind: 'preserve' }), perAddress(sequential), 125],
    ['predict-both', perPort({ kind: 'preserve' }), perPort({ kind: 'preserve' }), 125],
    ['birthday', fixed, perPort(random), 1024],
    ['birthday', fixed, perAddress(random), 1024],
    ['birthday', perPort(random), fixed, 1024],
    ['birthday', fixed, perPort({ kind: 'parity' }), 1024],
    ['birthday', fixed, perPort(block(20_480, 512)), 512],
    ['birthday', perAddress(sequential), perPort(random), 1024],
  ]
  for (const [strategy, a, b, mostProbes] of cases) {
    it(`${strategy}: ${a.mapping} ${a.ports?.kind ?? ''} x ${b.mapping} ${b.ports?.kind ?? ''}`, () => {
      for (const seed of seeds(3)) {
        simulate(seed, (world) => {
          const scene = meet(world, a, b)

          assert.ok(scene.punch(12_000))

          for (const side of scene.sides) {
            assert.match(strategyOf(side), new RegExp(`${strategy} direct$`))
            for (const { probesSent } of side.report.attempts) assert.ok(probesSent <= mostProbes)
            assert.ok(side.mostSockets <= 256)
          }
        })
      }
    }).timeout(patienceMs(3))
  }
})

describe('after an attempt', () => {
  it('the socket that was hit carries the data, and the others are closed', () => {
    simulate(2, (world) => {
      const scene = meet(world, fixed, perPort(random))
      assert.ok(scene.punch(12_000))
      world.runFor(5000)

      assert.equal(scene.alice.running.socketCount, 0)
      assert.ok(scene.bob.running.socketCount >= 1 && scene.bob.running.socketCount <= 3)
      assert.ok(scene.bob.peer.path?.via !== undefined)

      scene.bob.running.change((now) => scene.bob.peer.send(now, 1))
      scene.alice.running.change((now) => scene.alice.peer.send(now, 2))
      world.runFor(1000)

      assert.deepEqual(
        scene.sides.map(({ received }) =>
          received.map(({ number, isRelayed }) => [number, isRelayed]),
        ),
        [[[1, false]], [[2, false]]],
      )
    })
  })

  it('that failed, all sockets are closed and the relay has a reason', () => {
    simulate(1, (world) => {
      const scene = meet(world, fixed, perPort(sequential))
      world.block(scene.alice.host, scene.bob.host)

      assert.equal(scene.punch(30_000), false)
      world.runFor(20_000)

      assert.deepEqual(
        scene.sides.map(({ running }) => running.socketCount),
        [0, 0],
      )
      const verdicts = scene.alice.report.attempts.map(({ verdict }) => verdict)
      assert.deepEqual(verdicts, ['failed', 'failed', 'failed', 'given-up'])
      assert.equal(scene.alice.report.reason, 'attempt-failed')
      assert.equal(scene.alice.pathKind, 'relay')
    })
  })

  it('that lost its path the socket is closed, and another attempt begins', () => {
    simulate(1, (world) => {
      const scene = meet(world, fixed, perPort(sequential))
      assert.ok(scene.punch(5000))
      const before = scene.bob.peer.path?.via
      scene.bob.router?.reboot()

      world.runFor(60_000)
      assert.ok(scene.punch(5000))
      world.runFor(5000)

      assert.notEqual(scene.bob.peer.path?.via, before)
      assert.equal(scene.bob.running.socketCount, 1)
    })
  })
})

describe('fresh sockets', () => {
  it('cure a router that was poisoned before: its memory is of the old port', () => {
    simulate(1, (world) => {
      const poisonable = { ...natKinds.linuxPoisonable, unrepliedMs: 60_000 }
      const scene = new Scene(world, { nat: poisonable, link }, { nat: natKinds.linux, link })
      const old: Endpoint = { family: 4, address: '198.51.100.1', port: 5000 }
      // An earlier run of Bob's daemon, from the same port, to where Alice is going to be.
      world.open(scene.bob.host, { port: 4999 }, () => undefined).send(old, new Uint8Array(9))
      const knock = { ...old, port: 5000 }
      scene.bob.router?.nat?.outbound(world.now, {
        from: { family: 4, address: '10.0.0.9', port: 5000 },
        to: knock,
        bytes: new Uint8Array(9),
        ttl: 64,
        origin: 'bob',
      })
      scene.alice.router?.nat?.inbound(world.now, {
        from: { family: 4, address: '192.0.2.1', port: 5000 },
        to: knock,
        bytes: new Uint8Array(9),
        ttl: 64,
        origin: 'bob',
      })

      assert.ok(scene.meet().punch(4000))

      assert.equal(strategyOf(scene.alice), 'fresh-sockets direct')
      assert.ok(world.now - scene.startAt > 1500)
    })
  })
})

describe('an attempt and routers that take offence', () => {
  const offended = { blocksUnsolicitedMs: 60_000 }
  const poisonable = { isPoisonable: true }
  it('poisonable ones on both sides: openers come first in every strategy', () => {
    for (const [a, b] of [
      [fixed, fixed],
      [fixed, perPort(sequential)],
      [perPort(sequential), perPort(sequential)],
      [fixed, perPort(random)],
    ] as const) {
      simulate(1, (world) => {
        const scene = meet(world, { ...a, ...poisonable }, { ...b, ...poisonable })

        assert.ok(scene.punch(12_000), `${a.mapping} x ${b.mapping}`)
      })
    }
  })

  it('ones that refuse an address from which something unasked-for came: nothing full comes to a closed door', () => {
    for (const [a, b] of [
      [
        { ...fixed, ...offended },
        { ...fixed, ...offended },
      ],
      [{ ...fixed, ...offended }, perPort(sequential)],
      [{ ...fixed, ...offended }, perPort(random)],
    ] as const) {
      simulate(1, (world) => assert.ok(meet(world, a, b).punch(12_000), b.mapping))
    }
  })
})

describe('an attempt at a router that takes offence, whose own ports are guessed', () => {
  const offended = { blocksUnsolicitedMs: 60_000 }

  // Each guess but one is a knock at a closed door. Nothing tells such a router beforehand, and guessing more slowly would
  // cost all the others: what is promised is the relay, and an end.
  it('stays with the relay, says why, and tries no more than the budget allows', () => {
    for (const ports of [sequential, random]) {
      simulate(1, (world) => {
        const scene = meet(world, fixed, { ...perPort(ports), ...offended })

        assert.equal(scene.punch(60_000), false)
        world.runFor(60_000)

        for (const { pathKind, report } of scene.sides) {
          assert.equal(pathKind, 'relay')
          assert.ok(['attempt-failed', 'direct-lost'].includes(report.reason), report.reason)
          assert.notEqual(report.remedy, '')
          const failed = report.attempts.filter(({ verdict }) => verdict === 'failed')
          assert.ok(failed.length <= 3, `${failed.length} attempts`)
          assert.ok(failed.every(({ probesSent }) => probesSent <= 1024))
        }
      })
    }
  })
})

describe('an attempt and a small router', () => {
  it('stops when the router loses new flows', () => {
    simulate(1, (world) => {
      const small = { ...perPort(random), maxMappings: 200 }
      const scene = meet(world, fixed, small)
      const bob = scene.bob.router?.nat
      let fullSince = Infinity
      world.tap((stage, _packet, _where, why) => {
        if (stage === 'dropped' && why === 'table-full') fullSince = Math.min(fullSince, world.now)
      })
      world.block(scene.alice.host, scene.bob.host) // nothing is hit

      assert.equal(scene.punch(4000), false)

      assert.ok((bob?.mappingCount ?? 0) >= 200)
      const [first] = scene.bob.report.attempts
      assert.equal(first?.verdict, 'table-full')
      assert.ok(world.now - fullSince > 1000)
      world.runFor(10_000)
      assert.equal(scene.bob.running.socketCount, 0)
    })
  })
})

describe('attempts and the user', () => {
  it('are not made where they are forbidden on either side', () => {
    for (const forbidding of [0, 1]) {
      simulate(1, (world) => {
        const side = (index: number, nat: NatBehaviour): SideOptions => ({
          nat,
          link,
          budget: new PunchBudget({ isForbidden: index === forbidding }),
        })
        const scene = new Scene(world, side(0, fixed), side(1, perPort(sequential))).meet()

        assert.equal(scene.punch(20_000), false)
        world.runFor(10_000)

        const reason = forbidding === 0 ? 'attempt-forbidden' : 'attempt-unanswered'
        assert.equal(scene.alice.report.reason, reason)
        assert.equal(scene.sides[forbidding]?.mostSockets, 0)
      })
    }
  })
})

describe('an attempt that runs', () => {
  it('is the last one where our addresses become unknown meanwhile', () => {
    simulate(1, (world) => {
      const scene = meet(world, fixed, perPort(sequential))
      world.block(scene.alice.host, scene.bob.host)
      const { alice } = scene
      assert.ok(world.runUntil(() => alice.report.attempts.length > 0, 2000))

      alice.running.change((now) => alice.peer.agent?.setLocal(now, []))
      world.runFor(20_000)

      assert.equal(alice.report.attempts.length, 1)
    })
  })
})
