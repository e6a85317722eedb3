import assert from 'node:assert/strict'
import { describeFailure, fuzz } from '../../scripts/fuzz/fuzz.ts'
import { mutated } from '../../scripts/fuzz/mutation.ts'
import { targets } from '../../scripts/fuzz/targets.ts'
import { MAX_FRAME_BEFORE_LOGIN_BYTES } from '../../src/tcp/frame.ts'
import { register } from '../server/support/real-client.ts'
import { SeededRandom } from '../sim/seeded-random.ts'
import { Intruder } from './support/intruder.ts'
import { PASSWORD, Siege } from './support/siege.ts'

/** For the decoders that the server's TCP port feeds, together. CI runs 200,000. */
const FUZZED_FRAMES = Number(process.env['FUZZED_FRAMES'] ?? 20_000)

/** …and at a living server, before and after the login. CI sends 10,000. */
const LIVE_FRAMES = Number(process.env['LIVE_FRAMES'] ?? 600)

/** Whoever has logged in and writes what makes no sense to it loses the session: so many are said in one breath. */
const FRAMES_OF_ONE_VISIT = 5

const MOST_GROWTH_KIB = 96 * 1024

const clientWords = targets.filter(({ name }) =>
  ['server/messages-from-clients', 'server/frames', 'server/scram'].includes(name),
)

describe('fuzzed frames', function () {
  this.timeout(300_000)
  const seed = Number(process.env['FUZZ_SEED'] ?? Math.floor(Date.now() / 1000))

  for (const target of clientWords) {
    it(`break no promise of ${target.name} (seed ${seed})`, () => {
      const runs = Math.ceil(FUZZED_FRAMES / clientWords.length)

      const { failure, understood, runs: done } = fuzz(target, { seed, runs })

      assert.equal(failure, undefined, failure && describeFailure(target, failure))
      assert.equal(done, runs)
      assert.ok(understood > 0, 'the fuzzer never gets past the first gate')
    })
  }

  describe('at a living server', () => {
    let siege: Siege

    before(async () => {
      siege = await Siege.begin()
      await register(siege.server.link, 'mallory', PASSWORD)
    })

    after(() => siege.end())

    /** Frames that begin as messages of clients do, the same ones for the same seed. */
    function* frames(count: number, mostBytes: number): Generator<readonly Uint8Array[]> {
      const [messages] = clientWords
      assert.ok(messages !== undefined)
      const random = new SeededRandom(seed)
      const inputs = messages.inputs(random)
      const fitting = inputs.filter(({ length }) => length <= mostBytes)
      for (let sent = 0; sent < count; sent += FRAMES_OF_ONE_VISIT) {
        yield Array.from({ length: FRAMES_OF_ONE_VISIT }, () =>
          mutated(random, fitting, messages.format).subarray(0, mostBytes),
        )
      }
    }

    async function besiege(mostBytes: number, arrive: () => Promise<Intruder>): Promise<void> {
      await siege.stillServes()
      const before = await siege.consumption()

      for (const some of frames(LIVE_FRAMES, mostBytes)) {
        const intruder = await arrive()
        for (const frame of some) intruder.sayDocument(frame)
        intruder.stream.close() // what was said is read before the end
        await intruder.hungUpOn(`five frames (seed ${seed})`)
      }

      await siege.stillServes()
      const grownKib = (await siege.consumption()).residentKib - before.residentKib
      assert.ok(grownKib < MOST_GROWTH_KIB, `${grownKib} KiB more`)
    }

    it(`before the login harm nobody: ${LIVE_FRAMES} of them`, async () => {
      await besiege(MAX_FRAME_BEFORE_LOGIN_BYTES, () => Intruder.connect(siege.server.link))
    })

    it(`after the login harm nobody: ${LIVE_FRAMES} of them`, async () => {
      const mallory = { user: 'mallory', password: PASSWORD }
      await besiege(8_192, () => Intruder.logIn(siege.server.link, mallory))
    })
  })
})
