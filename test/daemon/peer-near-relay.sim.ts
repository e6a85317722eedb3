import assert from 'node:assert/strict'
import { natKinds } from '../sim/nat-kinds.ts'
import { simulate } from '../sim/simulate.ts'
import { PeerScene, type SideOptions } from './peer-scene.ts'

const home: SideOptions = { nat: natKinds.linux, policy: 'relay' }

/** Three round trips to each relay, and then some. */
const MEASURED_MS = 2_000

/** Pings that find the relay silent, 6 s without a channel, and an introduction. */
const REPLACED_WITHIN_MS = 45_000

function scene(body: (scene: PeerScene) => void): void {
  simulate(3, (world) => {
    const it = new PeerScene(world, home, home, { hasNearRelay: true })
    world.runFor(MEASURED_MS)
    body(it)
  })
}

describe('A relay nearer than the server', () => {
  it('is the one that both sides use', () => {
    scene((it) => {
      it.meet()

      assert.ok(it.alice.say('hello') && it.bob.say('hello, too'))
      it.world.runFor(500)

      assert.deepEqual([it.bob.received, it.alice.received], [['hello'], ['hello, too']])
      assert.ok((it.near?.relay.stats.forwarded ?? 0) > 0)
      assert.equal(it.relay.stats.forwarded, 0)
    })
  })

  it('is replaced by the server’s own when it dies, and nothing is lost', () => {
    scene((it) => {
      it.meet()
      assert.ok(it.near !== undefined)

      it.world.suspend(it.near.host)
      assert.ok(it.alice.say('are you there?') && it.bob.say('and you?'))

      const isBack = (): boolean => it.bob.received.length === 1 && it.alice.received.length === 1
      assert.ok(it.runUntil(isBack, REPLACED_WITHIN_MS))
      assert.deepEqual([it.bob.received, it.alice.received], [['are you there?'], ['and you?']])
      assert.ok(it.relay.stats.forwarded > 0)
    })
  })
})
