import assert from 'node:assert/strict'
import { register } from '../server/support/real-client.ts'
import { testDevice } from '../server/support/test-device.ts'
import { Intruder } from './support/intruder.ts'
import { PASSWORD, Siege } from './support/siege.ts'

/** Of each kind. CI takes 400. */
const ROUNDS = Number(process.env['ENUMERATION_ROUNDS'] ?? 25)

/**
 * Beyond this the two look different, and are asked again: a server that tells them apart does so each time, in the
 * same direction; chance does in 1 of 740 looks. Three looks that agree, at one of three times, in one of two directions,
 * are a false alarm in 1 run of 60 million. What a busy machine adds to two guesses that follow each other it adds to
 * both, which makes that rarer still.
 */
const MOST_Z = 3
const LOOKS = 3

const PARTS = ['challengeMs', 'verdictMs', 'refusalMs'] as const

interface Attempt {
  readonly challengeMs: number
  readonly verdictMs: number
  /** Of a code that is to replace the password. */
  readonly refusalMs: number
  /** What was said last to both. */
  readonly verdict: string
}

/** How far the times of known and unknown accounts are apart, each as a standard normal variable. */
type Look = Readonly<Record<(typeof PARTS)[number], number>>

describe('who wants to know which accounts there are', function () {
  this.timeout(300_000)
  let siege: Siege

  before(async () => {
    siege = await Siege.begin()
  })

  after(() => siege.end())

  /** One guess of the password and one of a code, as an attacker would time them. */
  async function guess(user: string): Promise<Attempt> {
    const intruder = await Intruder.connect(siege.server.link)
    const { refusalMs } = await intruder.guessCode(user)
    const { challengeMs, verdictMs } = await intruder.guess(user, testDevice('mallory'))
    intruder.leave()
    const verdicts = [intruder.frames[0], intruder.frames.at(-1)]
    const verdict = verdicts.map((bytes) => Buffer.from(bytes ?? []).toString()).join()
    return { challengeMs, verdictMs, refusalMs, verdict }
  }

  it('hears the same bytes of a wrong password or code and of nobody', async () => {
    const wrong = await guess('alice')
    const unknown = await guess('nobody')

    assert.equal(wrong.verdict, unknown.verdict)
  })

  it(`cannot tell by time, in ${ROUNDS} guesses of each`, async () => {
    const looks: Look[] = []
    do looks.push(await look(looks.length))
    while (looks.length < LOOKS && alarmsOf(looks).length > 0)

    assert.deepEqual(alarmsOf(looks), [], JSON.stringify(looks))
  })

  /** Guesses for accounts that there are and that there are not, in turns. */
  async function look(number: number): Promise<Look> {
    const known: Attempt[] = []
    const unknown: Attempt[] = []
    for (let round = 0; round < ROUNDS; round++) {
      // Never in the same order, so that neither has the warmer caches.
      const isKnownFirst = round % 2 === 0
      // Another name each time: after ten guesses a name is not judged any more, and that is told to all alike.
      const name = `${number}-${round}`
      await register(siege.server.link, `real-${name}`, PASSWORD)
      for (const isKnown of [isKnownFirst, !isKnownFirst]) {
        const attempt = await guess(`${isKnown ? 'real' : 'fake'}-${name}`)
        if (isKnown) known.push(attempt)
        else unknown.push(attempt)
      }
    }
    const verdicts = new Set([...known, ...unknown].map(({ verdict }) => verdict))
    assert.equal(verdicts.size, 1)
    const zOf = (part: keyof Look): number =>
      mannWhitneyZ(
        known.map((attempt) => attempt[part]),
        unknown.map((attempt) => attempt[part]),
      )
    return {
      challengeMs: zOf('challengeMs'),
      verdictMs: zOf('verdictMs'),
      refusalMs: zOf('refusalMs'),
    }
  }
})

/** By which of the times all looks agree that the two are different. */
function alarmsOf(looks: readonly Look[]): readonly string[] {
  return PARTS.filter(
    (part) => looks.every((z) => z[part] > MOST_Z) || looks.every((z) => z[part] < -MOST_Z),
  )
}

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
