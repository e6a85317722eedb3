/** A NAT's profile that becomes known while two daemons are being introduced, or talk over the relay for lack of it. */
import assert from 'node:assert/strict'
import { describe, it } from 'mocha'
import { natKinds, profileOf } from '../sim/nat-kinds.ts'
import { seeds, simulate } from '../sim/simulate.ts'
import { PeerScene } from './peer-scene.ts'

const nat = natKinds.symmetricSequential
const profile = profileOf(nat)

/** The server passes on no more, and notes and probes take a few round trips. */
const SOON_MS = 3000

describe('a NAT profile that becomes known late', () => {
  // An introduction takes 80 ms: the first moments are in the middle of it.
  for (const [aliceMs, bobMs] of [
    [0, 0],
    [30, 30],
    [70, 70],
    [30, 70],
    [70, 500],
    [0, 4000],
    [4000, 4000],
    [4000, 4030],
  ] as const) {
    it(`leads to a direct path, ${aliceMs} and ${bobMs} ms after the first introduction`, () => {
      for (const seed of seeds(2)) {
        simulate(seed, (world) => {
          const scene = new PeerScene(world, { nat }, { nat })
          world.runFor(500) // what STUN says is known
          world.after(aliceMs, () => {
            scene.alice.change((now) => scene.alice.endpoint.setNatProfile(now, profile))
          })
          world.after(bobMs, () => {
            scene.bob.change((now) => scene.bob.endpoint.setNatProfile(now, profile))
          })
          scene.meet()
          world.runFor(Math.max(aliceMs, bobMs))

          assert.ok(scene.runUntil(() => scene.areDirect, SOON_MS))
        })
      }
    })
  }
})
