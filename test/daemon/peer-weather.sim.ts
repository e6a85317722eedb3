/** What happens to networks, servers and relays in the middle of a conversation; and what nobody may learn meanwhile. */
import assert from 'node:assert/strict'
import { datagramKind } from '../../src/core/datagram-kind.ts'
import { formatEndpoint } from '../../src/core/endpoint.ts'
import { natKinds } from '../sim/nat-kinds.ts'
import { patienceMs, seeds, simulate } from '../sim/simulate.ts'
import type { World } from '../sim/world.ts'
import { Conversation } from './peer-conversation.ts'
import { outage } from './peer-outage.ts'
import { offeredBy, PeerScene, type SideOptions } from './peer-scene.ts'

const home: SideOptions = { nat: natKinds.linux }
const RUNS = 3
const PATIENCE_MS = 60_000 + patienceMs(RUNS)
const SERVER = '203.0.113.1'

/** One message of a transfer. */
const LONG = 'x'.repeat(8_000)

/** How long until data flows directly, both ways, and both believe in it. Both trust a dead path for a moment yet. */
function untilDirect(scene: PeerScene, world: World): number {
  const began = world.now
  const heardBy = new Set<string>()
  world.tap((stage, { from, bytes }, where) => {
    const isUnderWay = world.now < began + 50
    const isDirect = stage === 'received' && from.address !== SERVER && !isUnderWay
    if (isDirect && datagramKind(bytes) === 'connection') heardBy.add(where)
  })
  assert.ok(
    scene.runUntil(() => heardBy.size === 2 && scene.areDirect, 30_000),
    'not direct again',
  )
  return world.now - began
}

/** How long until both are direct again, of every seed, sorted. */
function timesToDirect(
  happen: (scene: PeerScene, world: World) => void,
  sides: readonly [SideOptions, SideOptions] = [home, home],
): readonly number[] {
  const times: number[] = []
  for (const seed of seeds(RUNS)) {
    simulate(seed, (world) => {
      const scene = new PeerScene(world, ...sides).meet()
      assert.ok(
        scene.runUntil(() => scene.areDirect, 5_000),
        'never direct',
      )
      const conversation = new Conversation(scene)
      world.runFor(2_000 + 500 * (seed % 7))
      happen(scene, world)
      times.push(untilDirect(scene, world))
      conversation.finish()
    })
  }
  return times.sort((a, b) => a - b)
}

function p95(times: readonly number[]): number {
  return times[Math.ceil(times.length * 0.95) - 1] ?? Infinity
}

describe('A conversation', () => {
  it('goes on when one side moves to another network, and is direct again within 3 s', () => {
    const times = timesToDirect((scene, world) => {
      const cafe = world.router('cafe', { addresses: ['198.51.100.200'], nat: natKinds.linux })
      world.move(scene.alice.host, { behind: cafe, addresses: ['172.16.0.44'] })
      world.runFor(100) // until it is noticed
      scene.alice.moved()
    })

    assert.ok(p95(times) <= 3_000, `${times.join(' ')} ms`)
  }).timeout(PATIENCE_MS)

  it('goes on when both move at the same moment, and is direct again within 3 s', () => {
    const times = timesToDirect((scene, world) => {
      for (const [index, side] of scene.sides.entries()) {
        const address = `198.51.100.${200 + index}`
        const cafe = world.router(`cafe ${index}`, { addresses: [address], nat: natKinds.linux })
        world.move(side.host, { behind: cafe, addresses: [`172.16.${index}.44`] })
      }
      world.runFor(100)
      for (const side of scene.sides) side.moved()
    })

    assert.ok(p95(times) <= 3_000, `${times.join(' ')} ms`)
  }).timeout(PATIENCE_MS)

  it('goes on when a NAT forgets everything, and is direct again within 5 s', () => {
    const times = timesToDirect((scene) => scene.bob.router?.reboot())

    assert.ok(p95(times) <= 5_000, `${times.join(' ')} ms`)
  }).timeout(PATIENCE_MS)

  it('goes on when a NAT comes back with another public address, and is direct again within 5 s', () => {
    const times = timesToDirect((scene) => scene.bob.router?.reboot(['192.0.2.77']))

    assert.ok(p95(times) <= 5_000, `${times.join(' ')} ms`)
  }).timeout(PATIENCE_MS)

  // The longest that a session outlives: it ends after 30 s of silence.
  it('loses nothing in an outage of 25 s, and is direct again within 3 s of its end', () => {
    const times = timesToDirect((scene) => outage(scene, scene.bob, 25_000))

    assert.ok(p95(times) <= 3_000, `${times.join(' ')} ms`)
  }).timeout(PATIENCE_MS)

  it('begins anew after an outage of 60 s, and is direct again within 3 s of its end', () => {
    const times: number[] = []
    for (const seed of seeds(RUNS)) {
      simulate(seed, (world) => {
        const scene = new PeerScene(world, home, home).meet()
        assert.ok(scene.runUntil(() => scene.areDirect, 5_000))
        const conversation = new Conversation(scene)
        world.runFor(2_000 + 500 * (seed % 7))

        outage(scene, scene.bob, 60_000)
        const ends = scene.sides.map((side) => side.all('peer-closed').map(({ reason }) => reason))
        times.push(untilDirect(scene, world))
        conversation.stop()

        assert.deepEqual(ends, [['idle'], ['idle']])
      })
    }
    times.sort((a, b) => a - b)
    assert.ok(p95(times) <= 3_000, `${times.join(' ')} ms`)
  }).timeout(PATIENCE_MS)

  // On the connection's one stream for messages, 320 kB a second: files have no stream of their own yet.
  it('carries a transfer through a NAT that forgets, another public address, an outage and a move: all of it, in order', () => {
    const count = (process.env['SIM_RUNS'] === undefined ? 4_000_000 : 20_000_000) / LONG.length
    simulate(1, (world) => {
      const scene = new PeerScene(world, home, home).meet()
      assert.ok(scene.runUntil(() => scene.areDirect, 5_000))
      let said = 0
      const push = (): void => {
        if (scene.alice.say(`${said} ${LONG}`)) said += 1
        if (said < count) world.after(25, push)
      }
      push()

      world.runFor(1_000)
      scene.bob.router?.reboot()
      world.runFor(3_500)
      scene.alice.router?.reboot(['198.51.100.99'])
      world.runFor(3_000)
      outage(scene, scene.bob, 25_000)
      world.runFor(1_500)
      const cafe = world.router('cafe', { addresses: ['198.51.100.200'], nat: natKinds.linux })
      world.move(scene.alice.host, { behind: cafe, addresses: ['172.16.0.44'] })
      world.runFor(100)
      scene.alice.moved()
      assert.ok(scene.bob.received.length < count, 'it was over before')

      assert.ok(
        scene.runUntil(() => scene.bob.received.length >= count, 300_000),
        'not all came',
      )
      world.runFor(3_000)
      assert.equal(scene.bob.received.length, count)
      for (const [n, text] of scene.bob.received.entries()) {
        assert.ok(text === `${n} ${LONG}`, `message ${n}`)
      }
      assert.ok(scene.areDirect)
      for (const side of scene.sides) assert.equal(side.all('peer-closed').length, 0)
    })
  }).timeout(PATIENCE_MS)

  it('loses nothing where the relay that carries it dies and comes back with no memory', () => {
    for (const seed of seeds(RUNS)) {
      simulate(seed, (world) => {
        const apart: SideOptions = { nat: natKinds.symmetricRandom }
        const scene = new PeerScene(world, apart, apart).meet()
        assert.ok(scene.runUntil(() => scene.areConnected, 5_000))
        const conversation = new Conversation(scene)
        world.runFor(3_000)

        scene.killRelay()
        world.runFor(5_000)
        const heard = scene.bob.received.length
        scene.startRelay()

        const isBack = (): boolean => scene.bob.received.length > heard
        assert.ok(scene.runUntil(isBack, 5_000), 'not carried again within 5 s')
        conversation.finish()
      })
    }
  }).timeout(PATIENCE_MS)

  it('does not notice that the server is gone for a minute', () => {
    simulate(1, (world) => {
      const scene = new PeerScene(world, home, home).meet()
      assert.ok(scene.runUntil(() => scene.areDirect, 5_000))
      const conversation = new Conversation(scene)
      scene.isServerAway = true

      for (let seconds = 0; seconds < 60; seconds++) {
        world.runFor(1_000)
        assert.ok(scene.areDirect, `${seconds} s`)
      }

      scene.isServerAway = false
      conversation.finish()
    })
  })

  it('is carried by the relay within 3 s of the death of the direct path, without a gap for what is said later', () => {
    simulate(1, (world) => {
      const scene = new PeerScene(world, home, home).meet()
      assert.ok(scene.runUntil(() => scene.areDirect, 5_000))
      const conversation = new Conversation(scene)
      world.runFor(3_000)

      world.block(scene.alice.host, scene.bob.host)
      const isRelayed = (): boolean => scene.sides.every((side) => side.pathKind === 'relay')
      assert.ok(scene.runUntil(isRelayed, 3_000))
      world.runFor(1_000)
      const heard = scene.bob.received.length
      world.runFor(1_000)

      assert.ok(scene.bob.received.length >= heard + 4, 'five lines a second arrive')
      world.unblock(scene.alice.host, scene.bob.host)
      conversation.finish()
    })
  })
})

describe('With the policy relay', () => {
  it('no address of that side is in anything that anybody but the server is sent or told', () => {
    for (const seed of seeds(3)) {
      simulate(seed, (world) => {
        const scene = new PeerScene(world, { ...home, policy: 'relay' }, home)
        const seen = new Set<string>()
        world.tap((stage, { from, to }) => {
          if (stage === 'received') seen.add(`${from.address} ${to.address}`)
        })
        const conversation = new Conversation(scene.meet())
        world.runFor(8_000)
        conversation.finish()

        const server = ['203.0.113.1', '203.0.113.2']
        for (const pair of seen) {
          assert.ok(
            pair.split(' ').some((address) => server.includes(address)),
            `a packet went ${pair}`,
          )
        }
        assert.deepEqual(offeredBy(scene.alice), [])
        const known = scene.bob.change((now) => scene.bob.endpoint.pathReport(now, scene.bob.peer))
        const told = JSON.stringify(known?.candidates.filter(({ side }) => side === 'remote'))
        assert.ok(!told.includes('198.51.100.1') && !told.includes('192.168.1.5'), told)
      })
    }
  }).timeout(PATIENCE_MS)

  it('no address travels in the clear inside what the relay carries', () => {
    simulate(1, (world) => {
      const scene = new PeerScene(world, { ...home, policy: 'relay' }, home)
      const needles = ['198.51.100.1', '192.168.1.5'].map((address) =>
        Buffer.from(address.split('.').map(Number)),
      )
      let looked = 0
      world.tap((stage, packet) => {
        if (stage !== 'received' || datagramKind(packet.bytes) !== 'relay') return
        looked += 1
        for (const needle of needles) {
          assert.ok(
            !Buffer.from(packet.bytes).includes(needle),
            `an address in a packet to ${formatEndpoint(packet.to)}`,
          )
        }
      })

      const conversation = new Conversation(scene.meet())
      world.runFor(5_000)
      conversation.finish()

      assert.ok(looked > 50)
    })
  })
})
