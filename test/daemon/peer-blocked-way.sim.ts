/**
 * Two homes that do not reach each other by UDP from the start, for longer than several rounds of punching, though both
 * reach the server; and then they do.
 */
import assert from 'node:assert/strict'
import { integerBetween } from '../../src/core/random.ts'
import { UNPROVED_TARGET_QUESTIONS } from '../../src/traversal/probe-budget.ts'
import type { NatBehaviour } from '../sim/nat.ts'
import { natKinds } from '../sim/nat-kinds.ts'
import { patienceMs, seeds, simulate } from '../sim/simulate.ts'
import type { World } from '../sim/world.ts'
import { Conversation } from './peer-conversation.ts'
import { PeerScene, type PeerSide } from './peer-scene.ts'

const RUNS = 3
const PATIENCE_MS = 20_000 + 4 * patienceMs(RUNS)

/** How long after one introduction the next one comes: twice as long each time, and 5 s more or less (`peer-renewal.ts`). */
const GAPS_MS = [15_000, 30_000, 60_000] as const
const NEXT_GAP_MS = 120_000
const SPREAD_MS = 5_000
/** The answer to an introduction is 80 ms on its way; from then on the gap counts. */
const ANSWERED_MS = 100

/** After the fourth round (90 … 120 s, and ten more until it is over), before the fifth (210 s at the earliest). */
const SHORTEST_MS = 131_000
const LONGEST_MS = 200_000

/** From what the daemon says to the server to a question that is answered, with T0 150 ms after the introduction. */
const PUNCHED_MS = 1_000

/** What had no answer may be asked again so long after the last question (`probe-budget.ts`). */
const REFILL_MS = 30_000

/** A failed strategy is not tried a fourth time between the same networks (`punch-budget.ts`). */
const MOST_ATTEMPTS = 3

/** Plain probes reach each other through any two of them. */
const kinds: readonly NatBehaviour[] = [
  natKinds.fullCone,
  natKinds.portRestricted,
  natKinds.linux,
  natKinds.linuxPoisonable,
]

/** The routers between the two homes lose what goes from one to the other. */
class BlockedWay {
  readonly scene: PeerScene

  constructor(scene: PeerScene) {
    this.scene = scene
    for (const [side, { router }] of this.#ways) {
      assert.ok(router !== undefined)
      scene.world.block(side.host, router, false)
    }
  }

  open(): void {
    for (const [side, { router }] of this.#ways) {
      assert.ok(router !== undefined)
      this.scene.world.unblock(side.host, router)
    }
  }

  get #ways(): readonly (readonly [PeerSide, PeerSide])[] {
    const { alice, bob } = this.scene
    return [
      [alice, bob],
      [bob, alice],
    ]
  }
}

/** What one side asks of the public address of the other. */
class Questions {
  /** From the socket that everything goes through: the times of plain probes, in bursts that a refill is between. */
  readonly bursts: number[][] = []
  /** The sockets of attempts, which have a budget of their own. */
  readonly otherPorts = new Set<number>()

  constructor(world: World, side: PeerSide, other: PeerSide) {
    world.tap((stage, { origin, from, to, bytes }) => {
      const isQuestion = bytes.length === 96 && (bytes[0] ?? 0) >> 6 === 3
      const isOurs = stage === 'sent' && origin === side.host.name
      if (!isQuestion || !isOurs || to.address !== other.router?.addresses[0]) return
      if (from.port === side.running.port) this.#note(world.now)
      else this.otherPorts.add(from.port)
    })
  }

  #note(at: number): void {
    const burst = this.bursts.at(-1)
    if (burst === undefined || at >= (burst.at(-1) ?? 0) + REFILL_MS) this.bursts.push([at])
    else burst.push(at)
  }
}

/** When the two were introduced, up to a moment of the world. */
function introductionsUntil(scene: PeerScene, end: number): readonly number[] {
  const times: number[] = []
  const isAnother = (): boolean => scene.introductions > times.length
  while (scene.runUntil(isAnother, end - scene.world.now)) times.push(scene.world.now)
  return times
}

function failedAttempts(side: PeerSide): number | undefined {
  const report = side.change((now) => side.endpoint.pathReport(now, side.peer))
  return report?.attempts.filter(({ verdict }) => verdict === 'failed').length
}

function draw(world: World): { readonly nat: NatBehaviour } {
  return { nat: kinds[integerBetween(world.random, 0, kinds.length - 1)] ?? natKinds.linux }
}

describe('Where no UDP comes through between two homes at first', () => {
  it('the relay carries what is said, and the first round of punching after UDP is back makes it direct', () => {
    for (const seed of seeds(RUNS)) {
      simulate(seed, (world) => {
        const scene = new PeerScene(world, draw(world), draw(world))
        const { alice, bob } = scene
        const way = new BlockedWay(scene)
        const asked = [new Questions(world, alice, bob), new Questions(world, bob, alice)]
        alice.introduce()
        const conversation = new Conversation(scene)

        const backAt = integerBetween(world.random, SHORTEST_MS, LONGEST_MS)
        const times = introductionsUntil(scene, backAt)

        assertDoubling(times)
        assertNobodyFlooded(asked)
        assert.deepEqual(
          scene.sides.map((side) => failedAttempts(side)),
          asked.map(({ otherPorts }) => otherPorts.size),
          'the story of the path tells of every attempt',
        )
        const [ofAlice, ofBob] = conversation.lines
        assert.ok(ofAlice > 500 && bob.received.length >= ofAlice - 1, 'Alice is not heard')
        assert.ok(ofBob > 500 && alice.received.length >= ofBob - 1, 'Bob is not heard')
        assert.deepEqual(
          scene.sides.map((side) => side.all('path-changed').map(({ report }) => report.kind)),
          [['relay'], ['relay']],
        )

        way.open()
        const nextAt = (times.at(-1) ?? 0) + ANSWERED_MS + NEXT_GAP_MS + SPREAD_MS
        const isIntroduced = (): boolean => scene.introductions > times.length
        assert.ok(scene.runUntil(isIntroduced, nextAt - world.now), 'not introduced again')
        assert.ok(
          scene.runUntil(() => scene.areDirect, PUNCHED_MS),
          'not direct',
        )
        conversation.finish()
        world.runFor(60_000)

        assert.deepEqual(
          scene.sides.map((side) => side.all('path-changed').map(({ report }) => report.kind)),
          [
            ['relay', 'direct'],
            ['relay', 'direct'],
          ],
        )
        assert.equal(scene.introductions, times.length + 1, 'no more is looked for')
      })
    }
  }).timeout(PATIENCE_MS)
})

function assertDoubling(times: readonly number[]): void {
  const gaps = times.slice(1).map((at, index) => at - (times[index] ?? 0))
  assert.equal(gaps.length, GAPS_MS.length, `introduced at ${times.join(' ')}`)
  for (const [index, gapMs] of GAPS_MS.entries()) {
    const offMs = (gaps[index] ?? 0) - ANSWERED_MS - gapMs
    assert.ok(Math.abs(offMs) <= SPREAD_MS + ANSWERED_MS, `introduced at ${times.join(' ')}`)
  }
}

/** The round after 15 s comes too soon to ask an address that has not answered; each later one asks. */
function assertNobodyFlooded(asked: readonly Questions[]): void {
  for (const { bursts, otherPorts } of asked) {
    assert.deepEqual(
      bursts.map((burst) => burst.length),
      [UNPROVED_TARGET_QUESTIONS, UNPROVED_TARGET_QUESTIONS, UNPROVED_TARGET_QUESTIONS],
    )
    assert.ok(otherPorts.size <= MOST_ATTEMPTS, `${otherPorts.size} attempts`)
  }
}
