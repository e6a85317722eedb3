import assert from 'node:assert/strict'
import { natProfileOf } from '../../src/daemon/nat-profile-of.ts'
import { NatProbe } from '../../src/natprobe/nat-probe.ts'
import type { NatProfile } from '../../src/protocol/server/nat-profile.ts'
import type { NatBehaviour } from '../sim/nat.ts'
import { allNats, natKinds, natName } from '../sim/nat-kinds.ts'
import { patienceMs, seeds, simulate } from '../sim/simulate.ts'
import type { World } from '../sim/world.ts'
import { literal, stunServer } from './probe-world.ts'

/** docs/protocol/traversal.md: what a way of punching is chosen by is known by then. */
const KNOWN_MS = 3000
/** Where the mapping is endpoint-independent: no ports need be guessed. */
const FIXED_KNOWN_MS = 1300

interface Learned {
  /** When nothing but slow tests ran any more. */
  readonly settled: NatProfile | undefined
  readonly settledMs: number
  readonly finished: NatProfile | undefined
  readonly questions: number
}

/** The daemon's tests behind a NAT. */
function learn(
  world: World,
  nat: NatBehaviour,
  { rttMs, loss = 0 }: { readonly rttMs: number; readonly loss?: number },
): Learned {
  const server = stunServer(world, { link: { latencyMs: 0 } })
  const link = { latencyMs: rttMs / 2, loss }
  const home = world.router('home', { addresses: ['198.51.100.1'], nat, link })
  const host = world.host('alice', { behind: home, addresses: ['192.168.1.5'] })
  const asked = new Set<string>()
  world.tap((stage, { bytes, origin }) => {
    if (stage === 'sent' && origin === 'alice') asked.add(Buffer.from(bytes).toString('hex', 8, 20))
  })
  const random = world.random.fork('natprobe')
  const ownAddresses = host.addresses
  const probe = new NatProbe({ servers: [server], mode: 'profile', ownAddresses, random })
  const startedAt = world.now
  let settled: NatProfile | undefined
  let finished: NatProfile | undefined
  let settledMs = Infinity
  let isFinished = false
  const running = world.attach(host, probe, {
    onEvent(event) {
      switch (event.kind) {
        case 'socket-wanted': {
          const socket = running.addSocket(event.id, {})
          const local = literal('192.168.1.5', socket.port)
          running.change((now) => probe.socketOpened(now, event.id, local))
          return
        }
        case 'settled':
          settledMs = world.now - startedAt
          settled = natProfileOf(event.result)
          return
        case 'finished':
          finished = natProfileOf(event.result)
          isFinished = true
          return
        case 'test-started':
        case 'test-finished':
          return
      }
    },
  })
  running.change(() => probe.start())
  assert.ok(world.runUntil(() => isFinished, 60_000))
  running.stop()
  return { settled, settledMs, finished, questions: asked.size }
}

describe('NatProbe, for a profile', () => {
  for (const ports of [
    { kind: 'preserve' },
    { kind: 'sequential', step: 2 },
    { kind: 'random' },
  ] as const) {
    const name = `knows what a strategy needs within 3 s where ports are ${ports.kind}`
    it(name, function () {
      const longestMs = { fixed: 0, dependent: 0 }
      for (const rttMs of [10, 50, 150]) {
        for (const nat of allNats(ports)) {
          simulate(rttMs, (world) => {
            const { settled, settledMs, questions } = learn(world, nat, { rttMs })
            const which = `${natName(nat)}, ${rttMs} ms`
            const isFixed = nat.mapping === 'endpoint-independent'

            assert.deepEqual([settled?.mapping, settled?.filtering], [nat.mapping, nat.filtering])
            assert.equal(settled?.ports.kind, isFixed ? 'unknown' : ports.kind, which)
            const most = isFixed ? FIXED_KNOWN_MS + 3 * rttMs : KNOWN_MS
            assert.ok(settledMs <= most, `${which}: ${settledMs} ms`)
            assert.ok(questions <= 30, `${which}: ${questions} questions`)
            const kind = isFixed ? 'fixed' : 'dependent'
            longestMs[kind] = Math.max(longestMs[kind], settledMs)
          })
        }
      }
      const { fixed, dependent } = longestMs
      if (this.test !== undefined) {
        this.test.title = `${name}: ${fixed} ms, where the mapping depends on the destination ${dependent} ms`
      }
    }).timeout(patienceMs(60))
  }

  it('is right at 5 % loss each way, though it may take longer', () => {
    const times: number[] = []
    for (const seed of seeds(3)) {
      for (const nat of allNats({ kind: 'sequential' })) {
        simulate(seed, (world) => {
          const { settled, settledMs } = learn(world, nat, { rttMs: 50, loss: 0.05 })
          times.push(settledMs)
          assert.deepEqual([settled?.mapping, settled?.filtering], [nat.mapping, nat.filtering])
          const isFixed = nat.mapping === 'endpoint-independent'
          assert.equal(settled?.ports.kind, isFixed ? 'unknown' : 'sequential')
        })
      }
    }
    const inTime = times.filter((ms) => ms <= KNOWN_MS).length
    assert.ok(inTime >= 0.7 * times.length, `${inTime} of ${times.length} within 3 s`)
  }).timeout(patienceMs(60))

  it('looks for the depth when the rest is known, and says it at the end', () => {
    simulate(1, (world) => {
      const { settled, finished } = learn(world, natKinds.portRestricted, { rttMs: 50 })

      assert.ok(settled !== undefined)
      assert.equal(settled.depth, undefined)
      assert.deepEqual(finished, { ...settled, depth: 1 })
    })
  })
})
