/** What a path's own questions do while nobody says anything: NATs that forget early, and NATs that are patient. */
import assert from 'node:assert/strict'
import { datagramKind } from '../../src/core/datagram-kind.ts'
import type { KnownSilences } from '../../src/traversal/idle-interval.ts'
import type { NatBehaviour } from '../sim/nat.ts'
import { natKinds } from '../sim/nat-kinds.ts'
import { patienceMs, seeds, simulate } from '../sim/simulate.ts'
import type { World } from '../sim/world.ts'
import { PeerScene } from './peer-scene.ts'

const RUNS = 2
const MINUTE_MS = 60_000
const SERVERS = '203.0.113.'

interface Home {
  readonly lifetimeMs: number
  /** What tests have told of it. */
  readonly known?: KnownSilences
}

function natOf({ lifetimeMs }: Home): NatBehaviour {
  return { ...natKinds.linux, lifetimeMs, unrepliedMs: Math.min(lifetimeMs, 30_000) }
}

function meet(world: World, a: Home, b: Home): PeerScene {
  const scene = new PeerScene(world, { nat: natOf(a) }, { nat: natOf(b) })
  for (const [side, { known = {} }] of [
    [scene.alice, a],
    [scene.bob, b],
  ] as const) {
    side.endpoint.setSilences(known)
  }
  scene.meet()
  assert.ok(scene.runUntil(() => scene.areDirect, 5_000))
  return scene
}

/** How often a direct path was left. */
function departures(scene: PeerScene): number {
  return scene.sides
    .flatMap((side) => side.all('path-changed'))
    .filter(({ report }) => report.kind === 'relay').length
}

/** How often something went directly from one to the other after a second of silence. */
function heartbeats(scene: PeerScene, forMs: number): number {
  const times: number[] = []
  const { world } = scene
  world.tap((stage, { from, bytes }) => {
    const kind = datagramKind(bytes)
    if (stage !== 'received' || from.address.startsWith(SERVERS)) return
    if (kind === 'probe' || kind === 'connection') times.push(world.now)
  })
  world.runFor(forMs)
  return times.filter((at, index) => at - (times[index - 1] ?? -Infinity) > 1_000).length
}

function assertAllThere(scene: PeerScene): void {
  assert.ok(scene.areDirect)
  for (const side of scene.sides) assert.ok(side.say('still there?'))
  scene.world.runFor(1_000)
  for (const side of scene.sides) {
    assert.deepEqual(side.received, ['still there?'])
    assert.equal(side.all('peer-closed').length, 0)
  }
}

describe('In silence', () => {
  it('a path is asked once in 15 s while nothing is known, by one side, and never lost', () => {
    for (const seed of seeds(RUNS)) {
      simulate(seed, (world) => {
        const scene = meet(world, { lifetimeMs: 30_000 }, { lifetimeMs: 30_000 })
        world.runFor(2 * MINUTE_MS)
        const before = departures(scene)

        const asked = heartbeats(scene, 40 * MINUTE_MS)

        assert.ok(asked >= 150 && asked <= 164, `${asked} in 40 minutes`)
        assert.equal(departures(scene), before)
        assertAllThere(scene)
      })
    }
  }).timeout(60_000 + patienceMs(RUNS))

  it('a path is asked once in 108 s where both sides’ NATs survived 180 s in two tests', () => {
    for (const seed of seeds(RUNS)) {
      simulate(seed, (world) => {
        const home = { lifetimeMs: 185_000, known: { survivedMs: 180_000, tests: 2 } }
        const scene = meet(world, home, home)
        world.runFor(5 * MINUTE_MS)
        const before = departures(scene)

        const asked = heartbeats(scene, 36 * MINUTE_MS)

        assert.ok(asked >= 19 && asked <= 22, `${asked} in 36 minutes`)
        assert.equal(departures(scene), before)
        assertAllThere(scene)
      })
    }
  }).timeout(60_000 + patienceMs(RUNS))

  it('whoever has the more hasty NAT asks, and neither path nor peer is lost', () => {
    for (const seed of seeds(RUNS)) {
      simulate(seed, (world) => {
        const patient = { lifetimeMs: 320_000, known: { survivedMs: 300_000, tests: 2 } }
        const hasty = { lifetimeMs: 32_000, known: { survivedMs: 30_000, tests: 2 } }
        const scene = seed % 2 === 0 ? meet(world, patient, hasty) : meet(world, hasty, patient)
        world.runFor(2 * MINUTE_MS)
        const before = departures(scene)

        const asked = heartbeats(scene, 36 * MINUTE_MS)

        assert.ok(asked >= 118 && asked <= 124, `${asked} in 36 minutes`) // once in 18 s
        assert.equal(departures(scene), before)
        assertAllThere(scene)
      })
    }
  }).timeout(60_000 + patienceMs(RUNS))

  it('NATs that forget after 15 s cost a path once, then it stays; what is said arrives, once', () => {
    for (const seed of seeds(RUNS)) {
      simulate(seed, (world) => {
        const scene = meet(world, { lifetimeMs: 15_000 }, { lifetimeMs: 15_000 })
        world.runFor(3 * MINUTE_MS)
        assert.ok(scene.areDirect, 'not direct again')
        const before = departures(scene)

        world.runFor(10 * MINUTE_MS)

        assert.equal(departures(scene), before, 'lost again')
        assertAllThere(scene)
      })
    }
  }).timeout(60_000 + patienceMs(RUNS))

  it('goes back where a NAT forgets sooner than it did in the tests, and tells what it learnt', () => {
    for (const seed of seeds(RUNS)) {
      simulate(seed, (world) => {
        const home = { lifetimeMs: 60_000, known: { survivedMs: 300_000, tests: 2 } }
        const scene = meet(world, home, home)
        world.runFor(15 * MINUTE_MS)
        const before = departures(scene)

        world.runFor(20 * MINUTE_MS)

        assert.equal(departures(scene), before, 'lost again')
        const learnt = scene.sides.flatMap((side) => side.all('silences-learnt'))
        const [first] = learnt
        assert.ok(first !== undefined && (first.known.diedMs ?? Infinity) < 130_000)
        assert.equal(first.known.survivedMs, 300_000)
        assertAllThere(scene)
      })
    }
  }).timeout(60_000 + patienceMs(RUNS))

  it('a word after a long silence arrives at once though the path is gone: it goes by the relay as well', () => {
    simulate(1, (world) => {
      const home = { lifetimeMs: 320_000, known: { survivedMs: 300_000, tests: 2 } }
      const scene = meet(world, home, home)
      world.runFor(20 * MINUTE_MS)
      world.block(scene.alice.host, scene.bob.host)
      world.runFor(100)

      assert.ok(scene.alice.say('hello'))
      world.runFor(150)

      assert.deepEqual(scene.bob.received, ['hello'])
    })
  })
})
