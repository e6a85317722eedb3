import assert from 'node:assert/strict'
import { natKinds } from '../sim/nat-kinds.ts'
import { simulate } from '../sim/simulate.ts'
import { PeerScene, type PeerSide, type SideOptions } from './peer-scene.ts'

const BLOCKED = { latencyMs: 10, loss: 1 }
const OPEN = { latencyMs: 10 }

function setUdp(side: PeerSide, conditions: typeof BLOCKED | typeof OPEN): void {
  const outside = side.router?.outside
  assert.ok(outside !== undefined)
  outside.up.conditions = conditions
  outside.down.conditions = conditions
}

function relayOf(side: PeerSide): string | undefined {
  return side.change((now) => side.endpoint.pathReport(now, side.peer)?.relay)
}

const home: SideOptions = { nat: natKinds.linux }
const symmetric: SideOptions = { nat: natKinds.symmetricRandom, policy: 'relay' }

function scene(body: (scene: PeerScene) => void, bob: SideOptions = home): void {
  simulate(1, (world) => body(new PeerScene(world, home, bob)))
}

describe('A relay inside TLS', () => {
  it('carries where one side has no UDP, and the other side uses UDP', () => {
    scene((it) => {
      setUdp(it.alice, BLOCKED)
      it.world.runFor(0)
      it.alice.introduce()

      // 1.3 s of waiting for STUN, and then 0.7 s for the relay's answer
      assert.ok(it.runUntil(() => it.areConnected, 2_600))
      assert.deepEqual([relayOf(it.alice), relayOf(it.bob)], ['tls', 'udp'])
      assert.ok(it.alice.say('by TLS') && it.bob.say('by UDP'))
      it.world.runFor(500)

      assert.deepEqual([it.bob.received, it.alice.received], [['by TLS'], ['by UDP']])
    })
  })

  it('begins at once where UDP is known to be silent', () => {
    scene((it) => {
      setUdp(it.alice, BLOCKED)
      it.world.runFor(5_000)
      const began = it.world.now
      assert.equal(it.alice.endpoint.udp, 'silent')

      it.alice.introduce()

      assert.ok(it.runUntil(() => it.areConnected, 700))
      assert.ok(it.world.now - began < 700)
    })
  })

  it('is not used where UDP works', () => {
    scene((it) => {
      it.meet()
      it.world.runFor(30_000)

      assert.equal(it.streams, 0)
      assert.equal(it.alice.all('relay-stream-wanted').length, 0)
    })
  })

  it('carries for both sides, over one stream each, where neither has UDP', () => {
    scene((it) => {
      for (const side of it.sides) setUdp(side, BLOCKED)
      it.alice.introduce()
      assert.ok(it.runUntil(() => it.areConnected, 4_000))

      assert.deepEqual(it.sides.map(relayOf), ['tls', 'tls'])
      assert.equal(it.streams, 2)
      assert.ok(it.alice.say('hello'))
      it.world.runFor(500)
      assert.deepEqual(it.bob.received, ['hello'])
    })
  })

  it('takes over when UDP dies under a conversation, and gives way when UDP is back', () => {
    scene((it) => {
      it.meet()
      it.world.runFor(20_000)
      setUdp(it.alice, BLOCKED)
      const texts = Array.from({ length: 40 }, (_, index) => `text ${index}`)

      for (const text of texts) {
        assert.ok(it.alice.say(text))
        it.world.runFor(200)
      }
      assert.equal(relayOf(it.alice), 'tls')
      it.world.runFor(10_000)
      assert.deepEqual(it.bob.received, texts)
      setUdp(it.alice, OPEN)

      assert.ok(it.runUntil(() => it.areDirect, 60_000))
      it.world.runFor(60_000)
      assert.equal(it.streams, 0, 'nobody needs the stream any more')
    })
  })

  it('goes back from TLS to UDP where the relay is all there is', () => {
    scene((it) => {
      setUdp(it.alice, BLOCKED)
      it.alice.introduce()
      assert.ok(it.runUntil(() => it.areConnected, 4_000))
      assert.equal(relayOf(it.alice), 'tls')
      setUdp(it.alice, OPEN)

      assert.ok(it.runUntil(() => relayOf(it.alice) === 'udp', 60_000))
      assert.ok(it.alice.say('by UDP again'))
      it.world.runFor(60_000)

      assert.deepEqual(it.bob.received, ['by UDP again'])
      assert.equal(it.streams, 0)
    }, symmetric)
  })

  it('is opened again when it breaks, more and more slowly while it cannot be', () => {
    scene((it) => {
      setUdp(it.alice, BLOCKED)
      it.alice.introduce()
      assert.ok(it.runUntil(() => it.areConnected, 4_000))
      it.world.runFor(1_000)
      const [first] = it.alice.all('relay-stream-wanted')
      assert.ok(first !== undefined)
      it.alice.isTcpBlocked = true
      it.closeStream(it.alice, first.socket)

      it.world.runFor(5_000)
      const asked = it.alice.all('relay-stream-wanted').length
      assert.ok(asked >= 3 && asked < 20, `${asked} times`)
      it.alice.isTcpBlocked = false
      assert.ok(it.runUntil(() => relayOf(it.alice) === 'tls', 16_000))
      assert.ok(it.alice.say('again'))
      it.world.runFor(5_000)

      assert.deepEqual(it.bob.received, ['again'])
    }, symmetric)
  })

  it('is opened at once when the server says that it is there again', () => {
    scene((it) => {
      setUdp(it.alice, BLOCKED)
      it.alice.introduce()
      assert.ok(it.runUntil(() => it.areConnected, 4_000))
      it.world.runFor(1_000)
      const [first] = it.alice.all('relay-stream-wanted')
      assert.ok(first !== undefined)
      it.alice.isTcpBlocked = true
      it.closeStream(it.alice, first.socket)
      it.world.runFor(15_000)
      it.alice.isTcpBlocked = false

      it.alice.change((now) => it.alice.endpoint.setStunServers(now, it.stun)) // as at every welcome

      assert.ok(it.runUntil(() => relayOf(it.alice) === 'tls', 500))
    }, symmetric)
  })
})
