/** What a path's own questions do while nobody says anything: NATs that forget early, and NATs that are patient. */
import assert from 'node:assert/strict'
import { datagramKind } from '../../src/core/datagram-kind.ts'
import { patienceMs, seeds, simulate } from '../sim/simulate.ts'
import { natKinds } from '../sim/nat-kinds.ts'
import type { World } from '../sim/world.ts'
import { PeerScene } from './peer-scene.ts'

const RUNS = 2
const MINUTE_MS = 60_000
const SERVER = '203.0.113.1'

function withLifetime(world: World, lifetimeMs: number, run: (scene: PeerScene) => void): void {
  const nat = { ...natKinds.linux, lifetimeMs, unrepliedMs: Math.min(lifetimeMs, 30_000) }
  const scene = new PeerScene(world, { nat }, { nat }).meet()
  assert.ok(scene.runUntil(() => scene.areDirect, 5_000))
  run(scene)
}

/** How often a direct path was left. */
function departures(scene: PeerScene): number {
  return scene.sides
    .flatMap((side) => side.all('path-changed'))
    .filter(({ report }) => report.kind === 'relay').length
}

/** When something went directly from one to the other. */
function directTimes(scene: PeerScene, whileRunning: () => void): readonly number[] {
  const times: number[] = []
  const { world } = scene
  world.tap((stage, { from, bytes }) => {
    const kind = datagramKind(bytes)
    if (stage !== 'received' || from.address.startsWith(SERVER.slice(0, 9))) return
    if (kind === 'probe' || kind === 'connection') times.push(world.now)
  })
  whileRunning()
  return times
}

describe('In silence', () => {
  it('NATs that forget after 15 s cost a path once, then it stays; what is said arrives, once', () => {
    for (const seed of seeds(RUNS)) {
      simulate(seed, (world) => {
        withLifetime(world, 15_000, (scene) => {
          world.runFor(3 * MINUTE_MS)
          assert.ok(scene.areDirect, 'not direct again')
          const before = departures(scene)
          world.runFor(10 * MINUTE_MS)
          assert.equal(departures(scene), before, 'lost again')
          assert.ok(scene.areDirect)
          for (const side of scene.sides) assert.ok(side.say('still there?'))
          world.runFor(1_000)
          for (const side of scene.sides) {
            assert.deepEqual(side.received, ['still there?'])
            assert.equal(side.all('peer-closed').length, 0)
          }
        })
      })
    }
  }).timeout(60_000 + patienceMs(RUNS))

  it('a path through NATs that keep mappings for 180 s is asked once in 100 s in the end, and never lost', () => {
    for (const seed of seeds(RUNS)) {
      simulate(seed, (world) => {
        withLifetime(world, 180_000, (scene) => {
          const before = departures(scene)
          world.runFor(20 * MINUTE_MS)
          const times = directTimes(scene, () => world.runFor(40 * MINUTE_MS))
          const rounds = times.filter((at, n) => at - (times[n - 1] ?? -Infinity) > 1_000)
          assert.ok(rounds.length <= 24, `${rounds.length} heartbeats in 40 minutes`)
          assert.ok(rounds.length >= 18, `${rounds.length} heartbeats in 40 minutes`)
          assert.equal(departures(scene), before)

          for (const side of scene.sides) assert.ok(side.say('still there?'))
          world.runFor(1_000)
          for (const side of scene.sides) {
            assert.deepEqual(side.received, ['still there?'])
            assert.equal(side.all('peer-closed').length, 0)
          }
        })
      })
    }
  }).timeout(60_000 + patienceMs(RUNS))

  it('a word after NATs forgot the path arrives at once, by the relay as well', () => {
    simulate(1, (world) => {
      withLifetime(world, 180_000, (scene) => {
        world.runFor(20 * MINUTE_MS)
        world.block(scene.alice.host, scene.bob.host)
        world.runFor(100)
        assert.ok(scene.alice.say('hello'))
        world.runFor(150)
        assert.deepEqual(scene.bob.received, ['hello'])
      })
    })
  })

  it('what a network taught is told, so that it can be remembered', () => {
    simulate(1, (world) => {
      withLifetime(world, 180_000, (scene) => {
        world.runFor(30 * MINUTE_MS)
        for (const side of scene.sides) {
          assert.ok((side.all('silences-learnt').at(-1)?.known.survivedMs ?? 0) >= 90_000)
        }
      })
    })
  })
})
