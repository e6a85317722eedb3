import assert from 'node:assert/strict'
import { silentLogger } from '../../src/core/logger.ts'
import type { Clock } from '../../src/core/clock.ts'
import type { DatagramSocket } from '../../src/core/datagram-socket.ts'
import { NatMemory } from '../../src/daemon/nat-memory.ts'
import { NatProfiler } from '../../src/daemon/nat-profiler.ts'
import { drive } from '../../src/io/drive.ts'
import { systemRandom } from '../../src/io/random.ts'
import { systemClock } from '../../src/io/system-clock.ts'
import { openUdpSocket } from '../../src/io/udp-socket.ts'
import type { NatProfile } from '../../src/protocol/server/nat-profile.ts'
import { BindingServer } from '../../src/stun/binding-server.ts'
import { bindingSocketId } from '../../src/stun/binding-sockets.ts'
import { memoryStore } from '../support/memory-store.ts'

const DAY_MS = 24 * 60 * 60 * 1000
const PUBLIC = { family: 4, address: '198.51.100.1', port: 5000 } as const

const profile: NatProfile = {
  mapping: 'address-and-port-dependent',
  filtering: 'unknown',
  ports: { kind: 'sequential', step: -2 },
  isPooled: false,
  depth: 2,
}

describe('NatMemory', () => {
  it('keeps what was measured over a restart, for a day and the same public address', async () => {
    const store = memoryStore()
    await (await NatMemory.open(store)).remember(1000, 'home', '198.51.100.1', profile)

    const memory = await NatMemory.open(store)

    const silences = {}
    const asItWas = { profile, silences, isFresh: true }
    assert.deepEqual(memory.recall(2000, 'home', '198.51.100.1'), asItWas)
    const elsewhere = { profile, silences, isFresh: false }
    assert.deepEqual(memory.recall(2000, 'home', '198.51.100.2'), elsewhere)
    assert.equal(memory.recall(1000 + DAY_MS, 'home', '198.51.100.1')?.isFresh, false)
    assert.equal(memory.recall(0, 'home', '198.51.100.1')?.isFresh, false) // the clock went back
    assert.equal(memory.recall(2000, 'work', '198.51.100.1'), undefined)
  })

  it('keeps what silences did in a network that is known, while the profile is fresh', async () => {
    const store = memoryStore()
    const before = await NatMemory.open(store)
    await before.remember(1000, 'home', '198.51.100.1', profile)
    await before.rememberSilences('home', { survivedMs: 60_000, tests: 2, diedMs: 90_000 })
    await before.rememberSilences('work', { survivedMs: 60_000 })

    const memory = await NatMemory.open(store)

    const known = memory.recall(2000, 'home', '198.51.100.1')?.silences
    assert.deepEqual(known, { survivedMs: 60_000, tests: 2, diedMs: 90_000 })
    assert.deepEqual(memory.recall(1000 + DAY_MS, 'home', '198.51.100.1')?.silences, {})
    assert.equal(memory.recall(2000, 'work', '198.51.100.1'), undefined)
  })

  it('forgets the network that was measured longest ago', async () => {
    const memory = await NatMemory.open(memoryStore())
    for (let index = 0; index <= 32; index++) {
      await memory.remember(index, String(index), '198.51.100.1', profile)
    }

    assert.equal(memory.recall(40, '0', '198.51.100.1'), undefined)
    assert.ok(memory.recall(40, '1', '198.51.100.1') !== undefined)
  })
})

describe('NatProfiler', () => {
  let socket: DatagramSocket
  let asked = 0

  beforeEach(async () => {
    asked = 0
    socket = await openUdpSocket({ address: '127.0.0.1', port: 0 })
    const id = bindingSocketId(1, 1)
    const rate = { perSecond: 1000, burst: 1000 }
    const server = new BindingServer({ sockets: [{ id, endpoint: socket.local }], rate })
    const handle = server.handleDatagram.bind(server)
    server.handleDatagram = (...call) => {
      asked += 1
      handle(...call)
    }
    drive(server, {
      clock: systemClock,
      sockets: { primary: [], named: new Map([[id, socket]]) },
      onEvent: () => undefined,
    })
  })

  afterEach(async () => {
    await socket.close()
  })

  /** Follows a public address until a profile is told; with `isKnown`, whatever is told first. */
  async function follow(memory: NatMemory, clock: Clock = systemClock): Promise<NatProfile> {
    let profiler: NatProfiler | undefined
    const told = await new Promise<NatProfile>((resolve) => {
      profiler = new NatProfiler({
        clock,
        random: systemRandom,
        logger: silentLogger,
        memory,
        address: '127.0.0.1',
        onSilences: () => undefined,
        onProfile: (known) => {
          if (known !== undefined) resolve(known)
        },
      })
      profiler.follow([PUBLIC], [socket.local], ['192.168.1.5', '127.0.0.1'])
    })
    await profiler?.close()
    return told
  }

  it('tests the NAT, tells what it found, and does not test again', async () => {
    const store = memoryStore()

    const found = await follow(await NatMemory.open(store))
    assert.equal(found.mapping, 'none') // there is none before 127.0.0.1
    const askedOnce = asked
    assert.ok(askedOnce > 0)

    const again = await follow(await NatMemory.open(store))
    assert.deepEqual(again, found)
    assert.equal(asked, askedOnce)
  })

  it('needs no test where the public address is the host’s own', () => {
    const told: (NatProfile | undefined)[] = []
    const silences: unknown[] = []
    return NatMemory.open(memoryStore()).then(async (memory) => {
      const profiler = new NatProfiler({
        clock: systemClock,
        random: systemRandom,
        logger: silentLogger,
        memory,
        address: '127.0.0.1',
        onSilences: (known) => void silences.push(known),
        onProfile: (known) => told.push(known),
      })

      profiler.follow([PUBLIC], [socket.local], [PUBLIC.address])
      profiler.follow([], [socket.local], [PUBLIC.address])
      await profiler.close()

      assert.deepEqual(
        told.map((known) => known?.mapping),
        ['none', undefined],
      )
      assert.deepEqual(silences, [{}, {}])
      assert.equal(asked, 0)
    })
  })
})
