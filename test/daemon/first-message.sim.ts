/** Nobody who has something to say waits for a punch: behind all 45 pairs of NATs, while every strategy runs. */
import assert from 'node:assert/strict'
import { allNats, natKinds, natName, profileOf } from '../sim/nat-kinds.ts'
import { patienceMs, seeds, simulate } from '../sim/simulate.ts'
import type { NatBehaviour } from '../sim/nat.ts'
import { PeerScene, type SideOptions } from './peer-scene.ts'

/** docs/laboratory.md: what a first message may take beyond a relay trip. */
const BEYOND_MS = 50

/** 10 ms from a home to the exchange, as in the laboratory. */
const LINK = { latencyMs: 10 }
const RELAY_TRIP_MS = 40 // 10 ms more to the server, and the same from there

/** From the first message on: until the first attempts have succeeded or are well under way. */
const TALK_MS = 3_000
const EVERY_MS = 100

const PORTS = [{ kind: 'random' }, { kind: 'sequential' }] as const

const PAIRS = allNats({ kind: 'random' }).flatMap((a, row, all) =>
  all.slice(row).map((b) => [a, b] as const),
)

interface Talk {
  /** Of each message, from saying to hearing it. */
  readonly tookMs: readonly number[]
  readonly isDirect: boolean
}

/** One talks to the other from the moment in which they are connected. */
function talk(seed: number, a: NatBehaviour, b: NatBehaviour, policy: 'auto' | 'relay'): Talk {
  let talked: Talk | undefined
  simulate(seed, (world) => {
    const side = (nat: NatBehaviour): SideOptions => ({
      nat,
      link: LINK,
      profile: profileOf(nat),
      policy,
    })
    const scene = new PeerScene(world, side(a), side(b)).meet()
    assert.ok(scene.runUntil(() => scene.areConnected, 2_000))
    const saidAt: number[] = []
    const tookMs: number[] = []
    for (let number = 0; number * EVERY_MS < TALK_MS; number++) {
      world.after(number * EVERY_MS, () => {
        saidAt[number] = world.now
        assert.ok(scene.alice.say(String(number)))
      })
    }
    const hear = (): boolean => {
      for (let number = tookMs.length; number < scene.bob.received.length; number++) {
        assert.equal(scene.bob.received[number], String(number))
        tookMs.push(world.now - (saidAt[number] ?? NaN))
      }
      return tookMs.length * EVERY_MS >= TALK_MS
    }
    assert.ok(scene.runUntil(hear, TALK_MS + 1_000), `${tookMs.length} messages arrived`)
    talked = { tookMs, isDirect: scene.areDirect }
  })
  assert.ok(talked !== undefined)
  return talked
}

describe('a message', () => {
  it(`takes no longer than a relay trip and ${BEYOND_MS} ms behind all 45 pairs of NATs, whatever is tried meanwhile`, () => {
    const direct = new Set<string>()
    for (const seed of seeds(1)) {
      for (const [index, [a, b]] of PAIRS.entries()) {
        const ports = PORTS[(index + seed) % PORTS.length] ?? PORTS[0]
        const { tookMs, isDirect } = talk(seed, { ...a, ports }, { ...b, ports }, 'auto')

        const slowestMs = Math.max(...tookMs)
        const which = `${natName(a)} x ${natName(b)}, ports ${ports.kind}, seed ${seed}`
        assert.ok(slowestMs <= RELAY_TRIP_MS + BEYOND_MS, `${which}: ${slowestMs} ms`)
        if (isDirect) direct.add(natName(a))
      }
    }
    assert.ok(direct.size > 0)
  }).timeout(60_000 + 45 * patienceMs(1))

  it('takes a relay trip where the relay is all there is', () => {
    const { tookMs } = talk(1, natKinds.linux, natKinds.linux, 'relay')
    assert.deepEqual([Math.min(...tookMs), Math.max(...tookMs)], [RELAY_TRIP_MS, RELAY_TRIP_MS])
  })
})
