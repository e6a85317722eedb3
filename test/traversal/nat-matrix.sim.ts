/**
 * Every pair of RFC 4787's nine NATs with three ways of giving ports: direct wherever anything can make it so, and the
 * relay with a true reason elsewhere.
 */
import assert from 'node:assert/strict'
import { integerBetween, uniform } from '../../src/core/random.ts'
import type { LinkConditions } from '../sim/link.ts'
import type { NatBehaviour } from '../sim/nat.ts'
import { allNats, natName } from '../sim/nat-kinds.ts'
import type { PortAllocation } from '../sim/port-allocator.ts'
import type { SeededRandom } from '../sim/seeded-random.ts'
import { patienceMs, seeds, simulate } from '../sim/simulate.ts'
import type { World } from '../sim/world.ts'
import { Scene, type Side, type SideOptions } from './scene.ts'

const allocations: readonly PortAllocation[] = [
  { kind: 'preserve' },
  { kind: 'sequential' },
  { kind: 'random' },
]

/**
 * Can a direct path be had at all? Written down once more, from what NATs do and not from what the code chooses:
 * - Both endpoint-independent: always; each knows where the other is.
 * - One of them: the other's port is let in whichever it is, or follows from the last one, or is hit among many sockets.
 * - None, both ports follow a rule: each aims at where the other will be.
 * - None, and one side lets in strangers, and the other at least whoever lives at an address that was asked.
 * - None, and of the side whose ports follow no rule the port stays the same for all ports of an address, so that the one
 *   that was hit answers; and either it lets in all ports of an address, or it can know the other's.
 */
function canMeet(a: NatBehaviour, b: NatBehaviour): boolean {
  if (isFixed(a) || isFixed(b)) return true
  if (hasRule(a) && hasRule(b)) return true
  if ((isOpen(a) && !isPortFiltering(b)) || (isOpen(b) && !isPortFiltering(a))) return true
  return canHit(a, b) || canHit(b, a)
}

/** Can `prober` hit one of many ports of `opener`, and hear the answer? */
function canHit(prober: NatBehaviour, opener: NatBehaviour): boolean {
  if (hasRule(opener)) return false
  if (hasRule(prober) && prober.mapping === 'address-dependent') return true
  if (isPortFiltering(opener)) return false
  return opener.mapping === 'address-dependent' || !isPortFiltering(prober)
}

function hasRule({ ports }: NatBehaviour): boolean {
  return ports?.kind !== 'random'
}

function isFixed({ mapping }: NatBehaviour): boolean {
  return mapping === 'endpoint-independent'
}

function isOpen({ filtering }: NatBehaviour): boolean {
  return filtering === 'endpoint-independent'
}

function isPortFiltering({ filtering }: NatBehaviour): boolean {
  return filtering === 'address-and-port-dependent'
}

/** Two birthday attempts, and what lies between them. */
const PATIENCE_MS = 25_000

function checkPair(world: World, a: SideOptions, b: SideOptions): void {
  const [natA, natB] = [a.nat, b.nat]
  assert.ok(natA !== undefined && natB !== undefined)
  const scene = new Scene(world, a, b).meet()

  const isExpected = canMeet(natA, natB)
  const isDirect = scene.punch(isExpected ? PATIENCE_MS : 3000)

  assert.equal(isDirect, isExpected, `${natName(natA)} x ${natName(natB)}`)
  for (const side of scene.sides) assert.notEqual(side.pathKind, 'none')
  for (const side of scene.sides) checkBudget(side)
  if (isDirect) return
  assert.deepEqual([scene.alice.pathKind, scene.bob.pathKind], ['relay', 'relay'])
  for (const side of scene.sides) assert.equal(side.report.reason, 'both-mappings-dependent')
}

function checkBudget({ report, mostSockets }: Side): void {
  for (const { probesSent } of report.attempts)
    assert.ok(probesSent <= 1024, `${probesSent} probes`)
  assert.ok(mostSockets <= 256, `${mostSockets} sockets`)
}

describe('PathAgent behind every pair of NATs', () => {
  for (const loss of [0, 0.05]) {
    for (const [row, a] of allNats({ kind: 'preserve' }).entries()) {
      it(`${natName(a)} against all nine, ${loss * 100} % loss on each link`, () => {
        for (const [column, b] of allNats({ kind: 'preserve' }).entries()) {
          // All nine pairs of allocators, spread over the table.
          const [first, second] = [allocations[(row + column) % 3], allocations[row % 3]]
          assert.ok(first !== undefined && second !== undefined)
          const link = { latencyMs: 12.5, loss }
          simulate(1 + row * 9 + column, (world) => {
            checkPair(
              world,
              { nat: { ...a, ports: first }, link },
              { nat: { ...b, ports: second }, link },
            )
          })
        }
      })
    }
  }

  it('in worlds drawn at random: latency, jitter, loss, duplicates, reordering, skewed starts', () => {
    for (const seed of seeds(60)) {
      simulate(seed, (world) => {
        checkPair(world, randomSide(world.random.fork('a')), randomSide(world.random.fork('b')))
      })
    }
  }).timeout(patienceMs(60))
})

describe('PathAgent: how soon a path is direct', () => {
  it('endpoint-independent, 50 ms round trip, 5 % loss: half within 2 round trips, 95 % within 600 ms', () => {
    const nat = { ...allNats({ kind: 'random' })[2] } as NatBehaviour
    const times = seeds(60).map((seed) => {
      let time = Infinity
      simulate(seed, (world) => {
        const link = { latencyMs: 12.5, loss: 0.05 }
        const scene = new Scene(world, { nat, link }, { nat, link }).meet()
        assert.ok(scene.punch())
        time = world.now - scene.startAt
      })
      return time
    })
    times.sort((x, y) => x - y)

    const quantile = (share: number): number => times[Math.floor(share * (times.length - 1))] ?? 0
    assert.ok(quantile(0.5) <= 100, `median ${quantile(0.5)} ms`)
    assert.ok(quantile(0.95) <= 600, `p95 ${quantile(0.95)} ms`)
  }).timeout(patienceMs(60))
})

function randomSide(random: SeededRandom): SideOptions {
  const nats = allNats({ kind: 'preserve' })
  const nat = nats[integerBetween(random, 0, nats.length - 1)]
  const ports = allocations[integerBetween(random, 0, 2)]
  assert.ok(nat !== undefined && ports !== undefined)
  return {
    nat: { ...nat, ports },
    link: randomLink(random),
    serverDelayMs: integerBetween(random, 2, 150),
  }
}

function randomLink(random: SeededRandom): LinkConditions {
  return {
    latencyMs: 1 + 80 * uniform(random),
    jitterMs: 20 * uniform(random),
    loss: 0.04 * uniform(random),
    duplicate: 0.05 * uniform(random),
    reorder: { chance: 0.05 * uniform(random), delayMs: 10 },
  }
}
