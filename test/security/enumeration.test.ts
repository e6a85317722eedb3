import assert from 'node:assert/strict'
import { register } from '../server/support/real-client.ts'
import { testDevice } from '../server/support/test-device.ts'
import { Intruder } from './support/intruder.ts'
import { PASSWORD, Siege } from './support/siege.ts'

/** Of each kind. CI takes 400. */
const ROUNDS = Number(process.env['ENUMERATION_ROUNDS'] ?? 25)

/** Two-sided, for one in ten thousand: a machine in other hands must not fail this, a look-up that is skipped does. */
const MOST_Z = 3.9

interface Attempt {
  readonly challengeMs: number
  readonly verdictMs: number
  readonly verdict: string
}

describe('who wants to know which accounts there are', function () {
  this.timeout(300_000)
  let siege: Siege

  before(async () => {
    siege = await Siege.begin()
  })

  after(() => siege.end())

  /** One guess, as an attacker would time it. */
  async function guess(user: string): Promise<Attempt> {
    const intruder = await Intruder.connect(siege.server.link)
    const { challengeMs, verdictMs } = await intruder.guess(user, testDevice('mallory'))
    const verdict = intruder.frames.at(-1)
    assert.ok(verdict !== undefined)
    intruder.leave()
    return { challengeMs, verdictMs, verdict: Buffer.from(verdict).toString() }
  }

  it('hears the same bytes of a wrong password and of nobody', async () => {
    const wrong = await guess('alice')
    const unknown = await guess('nobody')

    assert.equal(wrong.verdict, unknown.verdict)
  })

  it(`cannot tell by time, in ${ROUNDS} guesses of each`, async () => {
    const known: Attempt[] = []
    const unknown: Attempt[] = []
    for (let round = 0; round < ROUNDS; round++) {
      // Never in the same order, so that neither has the warmer caches.
      const isKnownFirst = round % 2 === 0
      // Another name each time: after ten guesses a name is not judged any more, and that is told to all alike.
      await register(siege.server.link, `real-${round}`, PASSWORD)
      for (const isKnown of [isKnownFirst, !isKnownFirst]) {
        const attempt = await guess(`${isKnown ? 'real' : 'fake'}-${round}`)
        if (isKnown) known.push(attempt)
        else unknown.push(attempt)
      }
    }

    for (const part of ['challengeMs', 'verdictMs'] as const) {
      const z = mannWhitneyZ(
        known.map((attempt) => attempt[part]),
        unknown.map((attempt) => attempt[part]),
      )
      assert.ok(Math.abs(z) < MOST_Z, `${part}: z = ${z.toFixed(2)}`)
    }
    const verdicts = new Set([...known, ...unknown].map(({ verdict }) => verdict))
    assert.equal(verdicts.size, 1)
  })
})

/**
 * Mann and Whitney's U as a standard normal variable: by ranks alone, so that no outlier of a busy machine counts more
 * than its place.
 */
function mannWhitneyZ(one: readonly number[], other: readonly number[]): number {
  const all = [
    ...one.map((value) => ({ value, isOne: true })),
    ...other.map((value) => ({ value, isOne: false })),
  ].sort((a, b) => a.value - b.value)
  const rankSum = all.reduce((sum, { isOne }, index) => (isOne ? sum + index + 1 : sum), 0)
  const n = one.length
  const m = other.length
  const u = rankSum - (n * (n + 1)) / 2
  return (u - (n * m) / 2) / Math.sqrt((n * m * (n + m + 1)) / 12)
}
