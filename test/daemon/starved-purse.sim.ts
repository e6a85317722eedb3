/** What a daemon may ask of an address is used up by sessions that heard nothing: the next one says so, and is direct later. */
import assert from 'node:assert/strict'
import { UNPROVED_ADDRESS_QUESTIONS } from '../../src/traversal/address-purses.ts'
import { natKinds } from '../sim/nat-kinds.ts'
import { seeds, simulate } from '../sim/simulate.ts'
import { PeerScene, type PeerSide } from './peer-scene.ts'

const home = { nat: natKinds.portRestricted } as const

/** A round of punching ends ten seconds after T0, and then its reason is known. */
const ROUND_MS = 12_000
const MINUTE_MS = 60_000

function part(scene: PeerScene): void {
  for (const side of scene.sides) side.change((now) => side.endpoint.disconnect(now, side.peer))
}

function reasonOf(side: PeerSide): string | undefined {
  return side.change((now) => side.endpoint.pathReport(now, side.peer)?.reason)
}

describe('an address that has been asked enough', () => {
  it('is left alone, which the path tells, and is tried again by itself when it may be asked', () => {
    for (const seed of seeds(3)) {
      simulate(seed, (world) => {
        const scene = new PeerScene(world, home, home).meet()
        world.block(scene.alice.host, scene.bob.host)
        let questions = 0
        world.tap((stage, { origin, from, to, bytes }) => {
          const isQuestion = bytes.length === 96 && (bytes[0] ?? 0) >> 6 === 3
          const isOurs = stage === 'sent' && origin === scene.alice.host.name
          // From other ports come the attempts: they have a budget of their own.
          if (isQuestion && isOurs && from.port === 5000 && to.address === '192.0.2.1')
            questions += 1
        })
        for (let session = 0; session < 3; session++) {
          part(scene)
          scene.alice.introduce()
          world.runFor(4_000)
        }
        part(scene)
        const asked = questions
        assert.ok(asked > 0 && asked <= UNPROVED_ADDRESS_QUESTIONS, `${asked} questions`)
        world.unblock(scene.alice.host, scene.bob.host)
        scene.alice.introduce()
        world.runFor(ROUND_MS)

        assert.equal(questions, asked)
        assert.deepEqual(scene.sides.map(reasonOf), ['probes-used-up', 'probes-used-up'])
        assert.ok(scene.runUntil(() => scene.areDirect, MINUTE_MS))
      })
    }
  })
})
