import assert from 'node:assert/strict'
import type { Lifetime } from '../../src/natprobe/lifetime-judgement.ts'
import type { LifetimeMode } from '../../src/natprobe/lifetime-probe.ts'
import type { NatProbeResult } from '../../src/natprobe/nat-probe.ts'
import type { NatBehaviour } from '../sim/nat.ts'
import { allNats, natKinds, natName } from '../sim/nat-kinds.ts'
import { patienceMs, seeds, simulate } from '../sim/simulate.ts'
import type { World } from '../sim/world.ts'
import { type ProbeRun, runProbe, stunServer, type StunServerOptions } from './probe-world.ts'

interface Options extends StunServerOptions {
  readonly loss?: number
  readonly seed?: number
  readonly lifetime?: LifetimeMode
  readonly publicAddresses?: readonly string[]
  /** The server's answers to another port are lost: it might as well not know RESPONSE-PORT. */
  readonly knowsNoResponsePort?: boolean
  readonly hearsLastForLater?: boolean
}

function probe(nat: NatBehaviour, options: Options = {}): ProbeRun {
  const { loss = 0, seed = 1, lifetime = 'quick', publicAddresses = ['198.51.100.1'] } = options
  const runs: ProbeRun[] = []
  simulate(seed, (world) => {
    const server = stunServer(world, options)
    if (options.knowsNoResponsePort === true) loseAnswersToOtherPorts(world)
    if (options.hearsLastForLater === true) loseAllButLastForLater(world)
    const home = world.router('home', {
      addresses: publicAddresses,
      nat,
      link: { latencyMs: 10, loss },
    })
    const host = world.host('alice', { behind: home, addresses: ['192.168.1.5'] })
    runs.push(runProbe(world, host, [server], { mode: 'full', lifetime }))
  })
  const [run] = runs
  assert.ok(run !== undefined)
  return run
}

function lifetimeOf({ result }: { readonly result: NatProbeResult }): Lifetime {
  assert.ok(result.lifetime !== undefined)
  return result.lifetime.value
}

/** Nothing from the server reaches a socket that has not asked it last. */
function loseAnswersToOtherPorts(world: World): void {
  world.tap((stage, packet) => {
    const isCall = packet.origin === 'alice' && packet.bytes[21] === RESPONSE_PORT
    if (stage === 'sent' && isCall) packet.bytes.fill(0)
  })
}

/** The lower byte of the first attribute's type. */
const RESPONSE_PORT = 0x27
const DELAY = 0x10

/** Of each question for a late answer, nothing arrives but what is sent after a second. */
function loseAllButLastForLater(world: World): void {
  const sent = new Map<string, number>()
  world.tap((stage, packet) => {
    if (stage !== 'sent' || packet.origin !== 'alice' || packet.bytes[21] !== DELAY) return
    const transaction = Buffer.from(packet.bytes.subarray(8, 20)).toString('hex')
    const count = (sent.get(transaction) ?? 0) + 1
    sent.set(transaction, count)
    if (count < 4) packet.bytes.fill(0)
  })
}

const random = { kind: 'random' } as const

describe('lifetimeScript()', () => {
  const servers = [
    { how: 'RESPONSE-PORT', mayDelay: () => false },
    { how: 'delayed answers', mayDelay: () => true },
  ]
  for (const [loss, { how, mayDelay }] of [0, 0.05].flatMap((one) =>
    servers.map((server) => [one, server] as const),
  )) {
    for (const nat of allNats(random)) {
      it(`finds how long ${natName(nat)} keeps mappings, by ${how}, with ${loss * 100} % loss`, () => {
        for (const seed of seeds(5)) {
          const behaviour = { ...nat, lifetimeMs: 40_000, unrepliedMs: 18_000 }
          const found = lifetimeOf(probe(behaviour, { loss, seed, mayDelay }))
          assert.deepEqual(found, {
            atLeastMs: 30_000,
            atMostMs: 51_000,
            unrepliedMs: 15_000,
            refreshedBy: 'both',
          })
        }
      }).timeout(patienceMs(5))
    }
  }

  it('tells when only packets from inside keep a mapping', () => {
    for (const { mayDelay } of servers) {
      for (const loss of [0, 0.05]) {
        for (const seed of seeds(5)) {
          const nat = { ...natKinds.portRestricted, ports: random, isRefreshedByInbound: false }
          const found = lifetimeOf(probe({ ...nat, lifetimeMs: 40_000 }, { loss, seed, mayDelay }))
          assert.deepEqual([found.atLeastMs, found.refreshedBy], [30_000, 'outbound'])
        }
      }
    }
  }).timeout(patienceMs(20))

  it('finds it behind several public addresses, where nobody could be called', () => {
    const nat = { ...natKinds.portRestricted, ports: random, pooling: 'arbitrary' } as const
    const behaviour = { ...nat, lifetimeMs: 40_000 }
    const addresses = ['198.51.100.1', '198.51.100.2', '198.51.100.3']

    for (const seed of seeds(3)) {
      const found = lifetimeOf(
        probe(behaviour, { seed, publicAddresses: addresses, mayDelay: () => true }),
      )
      assert.deepEqual([found.atLeastMs, found.atMostMs], [30_000, 51_000])
    }
  }).timeout(patienceMs(3))

  it('waits long enough for the late answer to a question of which the last repetition alone arrived', () => {
    const { result } = probe(
      { ...natKinds.linux, lifetimeMs: 120_000 },
      {
        mayDelay: () => true,
        hearsLastForLater: true,
      },
    )
    const heard = (result.lifetime?.evidence ?? []).filter(
      ({ test, asked, result: end }) =>
        test.startsWith('idle') && asked === 'delayed' && end === 'answered',
    )

    assert.deepEqual(
      heard.map(({ delaySeconds }) => delaySeconds),
      [16, 21, 31, 46, 61],
    )
  })

  it('knows no upper bound where every mapping outlives the test', () => {
    for (const ports of [random, { kind: 'preserve' }] as const) {
      for (const loss of [0, 0.05]) {
        const nat = { ...natKinds.portRestricted, ports, lifetimeMs: 65_000 }
        assert.deepEqual(lifetimeOf(probe(nat, { loss })), {
          atLeastMs: 60_000,
          atMostMs: null,
          unrepliedMs: 20_000,
          refreshedBy: 'unknown',
        })
      }
    }
  }).timeout(patienceMs(4))

  it('takes silence for the end where the NAT keeps ports only if two sockets agree', () => {
    const nat = { ...natKinds.linux, unrepliedMs: 10_000 }
    const at = (lifetimeMs: number): Lifetime => lifetimeOf(probe({ ...nat, lifetimeMs }))

    assert.deepEqual(at(40_000), {
      atLeastMs: 30_000,
      atMostMs: 51_000,
      unrepliedMs: 0,
      refreshedBy: 'both',
    })
    const { atLeastMs, atMostMs } = at(50_000)
    assert.deepEqual([atLeastMs, atMostMs], [45_000, null])
  })

  it('finds mappings that live shorter than any idle time tested', () => {
    const found = lifetimeOf(
      probe({ ...natKinds.portRestricted, ports: random, lifetimeMs: 12_000 }),
    )
    assert.deepEqual([found.atLeastMs, found.atMostMs], [0, 21_000])
  })

  it('tests up to 300 s in full', () => {
    const nat = { ...natKinds.portRestricted, ports: random, lifetimeMs: 150_000 }
    const run = probe(nat, { lifetime: 'full', loss: 0.05 })
    const { atLeastMs, atMostMs, refreshedBy } = lifetimeOf(run)

    assert.deepEqual([atLeastMs, atMostMs, refreshedBy], [120_000, 186_000, 'both'])
    assert.ok(run.tookMs < 330_000, `${run.tookMs} ms`)
  })

  it('makes do with the port where the server knows no RESPONSE-PORT', () => {
    for (const loss of [0, 0.05]) {
      const nat = { ...natKinds.portRestricted, ports: random, lifetimeMs: 40_000 }
      assert.deepEqual(lifetimeOf(probe(nat, { knowsNoResponsePort: true, loss })), {
        atLeastMs: 30_000,
        atMostMs: 51_000,
        unrepliedMs: null,
        refreshedBy: 'unknown',
      })
    }
  })

  it('knows nothing then where the NAT keeps ports', () => {
    const run = probe(natKinds.linux, { knowsNoResponsePort: true })

    assert.equal(lifetimeOf(run).atLeastMs, null)
    assert.match(run.result.lifetime?.notes?.join() ?? '', /keeps ports/)
  })

  it('is never wrong at 25 % loss', () => {
    let told = 0
    for (const seed of seeds(20)) {
      const nat = { ...natKinds.portRestricted, ports: random, lifetimeMs: 40_000 }
      const found = lifetimeOf(probe(nat, { loss: 0.25, seed }))
      assert.ok((found.atLeastMs ?? 0) <= 40_000, `${found.atLeastMs}`)
      assert.ok((found.atMostMs ?? Infinity) >= 40_000, `${found.atMostMs}`)
      assert.ok((found.unrepliedMs ?? 0) <= 30_000, `${found.unrepliedMs}`)
      if (found.atMostMs === 51_000) told += 1
    }
    assert.ok(told >= 10, `${told}`)
  }).timeout(patienceMs(20))

  it('tests idle times alone for a daemon: twelve sockets, and packets to the server only', () => {
    for (const { mayDelay } of servers) {
      simulate(1, (world) => {
        const server = stunServer(world, { mayDelay })
        const nat = { ...natKinds.portRestricted, ports: random, lifetimeMs: 150_000 }
        const home = world.router('home', { addresses: ['198.51.100.1'], nat })
        const host = world.host('alice', { behind: home, addresses: ['192.168.1.5'] })
        let packets = 0
        world.tap((stage, { origin, to }) => {
          if (stage !== 'sent' || origin !== 'alice') return
          packets += 1
          assert.ok(to.address.startsWith('203.0.113.'), to.address)
        })

        const run = runProbe(world, host, [server], { mode: 'lifetime', lifetime: 'full' })

        assert.equal(lifetimeOf(run).atLeastMs, 120_000)
        assert.equal(run.result.filtering, undefined)
        assert.equal(run.events.filter(({ kind }) => kind === 'socket-wanted').length, 12)
        assert.ok(packets <= 80, `${packets} packets`)
      })
    }
  })

  it('takes about 70 s, and is left out without a NAT', () => {
    assert.ok(probe({ ...natKinds.portRestricted, ports: random }).tookMs < 72_000)
    simulate(1, (world) => {
      const server = stunServer(world)
      const host = world.host('alice', { addresses: ['198.51.100.9'] })
      const { result, tookMs } = runProbe(world, host, [server], {
        mode: 'full',
        lifetime: 'quick',
      })
      assert.equal(result.lifetime, undefined)
      assert.ok(tookMs < 6000)
    })
  })
})
