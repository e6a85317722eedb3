import assert from 'node:assert/strict'
import { integerBetween, type Random } from '../../src/core/random.ts'
import type { NatProbeResult } from '../../src/natprobe/nat-probe.ts'
import type { Mode } from '../../src/natprobe/timing.ts'
import type { NatBehaviour } from '../sim/nat.ts'
import { dependences, natName } from '../sim/nat-kinds.ts'
import type { PortAllocation } from '../sim/port-allocator.ts'
import { SeededRandom } from '../sim/seeded-random.ts'
import { patienceMs, simulate } from '../sim/simulate.ts'
import { runProbe, stunServer } from './probe-world.ts'

/** RFC 4787's nine combinations × these: 216 NATs, each of another make. */
const ALLOCATIONS: readonly PortAllocation[] = [
  { kind: 'preserve' },
  { kind: 'random' },
  { kind: 'sequential' },
  { kind: 'sequential', step: 2 },
]
const HAIRPINS = ['off', 'internal-source', 'external-source'] as const
const POOLS = [1, 3] as const
const LIFETIMES_MS = [30_000, 120_000, 300_000] as const

interface Member {
  readonly nat: NatBehaviour
  readonly addresses: readonly string[]
}

function population(): readonly Member[] {
  const members: Member[] = []
  for (const mapping of dependences) {
    for (const filtering of dependences) {
      for (const ports of ALLOCATIONS) {
        for (const hairpin of HAIRPINS) {
          for (const size of POOLS) {
            const lifetimeMs = LIFETIMES_MS[members.length % LIFETIMES_MS.length] ?? 30_000
            const pooling = size === 1 ? {} : ({ pooling: 'paired' } as const)
            members.push({
              nat: { mapping, filtering, ports, hairpin, lifetimeMs, ...pooling },
              addresses: Array.from({ length: size }, (_, index) => `198.51.100.${index + 1}`),
            })
          }
        }
      }
    }
  }
  return members
}

interface Conditions {
  readonly loss: number
  /** From host to server and back. */
  readonly rttMs: readonly [least: number, most: number]
  readonly mode: Mode
}

interface Tally {
  readonly verdicts: number
  readonly right: number
  readonly wrong: readonly string[]
  readonly unsure: number
}

/** The server's own line, there and back; the rest is the home's. */
const SERVER_RTT_MS = 4

function survey({ loss, rttMs, mode }: Conditions): Tally {
  const wrong: string[] = []
  let [verdicts, right, unsure] = [0, 0, 0]
  const dice: Random = new SeededRandom(4787)
  for (const [index, { nat, addresses }] of population().entries()) {
    const latencyMs = (integerBetween(dice, rttMs[0], rttMs[1]) - SERVER_RTT_MS) / 2
    simulate(index + 1, (world) => {
      const server = stunServer(world, { link: { latencyMs: SERVER_RTT_MS / 2 } })
      const link = { latencyMs, loss }
      const home = world.router('home', { addresses, nat, link })
      const host = world.host('alice', { behind: home, addresses: ['192.168.1.5'] })
      const { result } = runProbe(world, host, [server], { mode })
      assertMeasured(result, SERVER_RTT_MS + 2 * latencyMs)
      for (const { name, truth, found, confidence } of claims(nat, result)) {
        verdicts += 1
        if (found === truth) right += 1
        else if (found === 'unknown') {
          unsure += 1
          assert.ok(confidence <= 0.5, `unknown, and ${confidence} sure of it`)
        } else wrong.push(`${natName(nat)} ${name}: ${found}, seed ${index + 1}`)
      }
    })
  }
  return { verdicts, right, wrong, unsure }
}

/** That the simulated line is the one that the test's name promises: the first answer took a round trip, or several. */
function assertMeasured({ mapping }: NatProbeResult, rttMs: number): void {
  const [answer] = mapping.answered
  assert.ok(answer === undefined || answer.rttMs >= rttMs, `${answer?.rttMs} ms, not ${rttMs}`)
}

interface Claim {
  readonly name: string
  readonly truth: string
  readonly found: string
  readonly confidence: number
}

function claims(nat: NatBehaviour, { mapping, filtering }: NatProbeResult): readonly Claim[] {
  return [
    {
      name: 'mapping',
      truth: nat.mapping,
      found: mapping.mapping.value,
      confidence: mapping.mapping.confidence,
    },
    {
      name: 'filtering',
      truth: nat.filtering,
      found: filtering?.value ?? 'unknown',
      confidence: filtering?.confidence ?? 0,
    },
  ]
}

const surveys: readonly (Conditions & { readonly leastRight: number })[] = [
  { loss: 0, rttMs: [10, 150], mode: 'quick', leastRight: 0.99 },
  { loss: 0.05, rttMs: [10, 150], mode: 'quick', leastRight: 0.99 },
  { loss: 0.1, rttMs: [10, 150], mode: 'quick', leastRight: 0.99 },
  { loss: 0.25, rttMs: [10, 150], mode: 'quick', leastRight: 0.9 },
  { loss: 0.05, rttMs: [800, 800], mode: 'quick', leastRight: 0.99 },
]

describe('natprobe before 216 NATs', () => {
  it('has at least 200 of them, no two alike', () => {
    const all = new Set(population().map((member) => JSON.stringify(member)))
    assert.ok(all.size >= 200, `${all.size}`)
  })

  for (const { leastRight, ...conditions } of surveys) {
    const { loss, rttMs, mode } = conditions
    const name = `${mode}, ${loss * 100} % loss each way, ${rttMs.join(' to ')} ms`
    it(`${name}: never wrong, and right nearly always`, function () {
      const { verdicts, right, wrong, unsure } = survey(conditions)

      if (this.test !== undefined) {
        const share = ((100 * right) / verdicts).toFixed(2)
        this.test.title = `${name}: ${right} of ${verdicts} right (${share} %), ${unsure} unknown, ${wrong.length} wrong`
      }
      assert.deepEqual(wrong, [])
      assert.ok(right >= leastRight * verdicts, `${right} of ${verdicts}`)
    }).timeout(patienceMs(300))
  }
})
