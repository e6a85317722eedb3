import assert from 'node:assert/strict'
import { testDevice } from '../server/support/test-device.ts'
import { Intruder } from './support/intruder.ts'
import { PASSWORD, Siege } from './support/siege.ts'

/** Beyond any burst of the limits that `docs/operations.md` lists. */
const GUESSES = 40

/** `login-throttle.ts`: wrong passwords that are judged for one name. */
const JUDGED = 10

describe('guessing a password', function () {
  this.timeout(120_000)
  let siege: Siege

  before(async () => {
    siege = await Siege.begin()
  })

  after(() => siege.end())

  it(`is judged ${JUDGED} times, and keeps the owner out at none`, async () => {
    let judged = 0
    let turnedAway = 0
    for (let count = 0; count < GUESSES; count++) {
      const mallory = await Intruder.connect(siege.server.link)
      const { last } = await mallory.guess('alice', testDevice('mallory'))
      if (last.kind === 'error' && last.code === 'auth-failed') judged += 1
      if (last.kind === 'error' && last.code === 'rate-limited') turnedAway += 1
      mallory.leave()
    }
    assert.deepEqual([judged, turnedAway], [JUDGED, GUESSES - JUDGED])

    // Her device is known to the server, and its key is not for the taking.
    const stranger = await Intruder.connect(siege.server.link)
    const asStranger = { user: 'alice', password: PASSWORD, device: testDevice('mallory') }
    const refused = await stranger.logIn(asStranger)
    assert.equal(refused.kind === 'error' && refused.code, 'rate-limited')
    await siege.stillServes()
    const owner = await Intruder.connect(siege.server.link)
    const welcome = await owner.logIn({ user: 'alice', password: PASSWORD })
    assert.equal(welcome.kind, 'welcome')
    owner.leave()
  })

  it('under the account’s number goes on no better than under its handle', async () => {
    const alicesNumber = '10001'
    const kinds = new Set<string>()
    for (let count = 0; count < GUESSES; count++) {
      const mallory = await Intruder.connect(siege.server.link)
      const { last } = await mallory.guess(alicesNumber, testDevice('mallory'))
      kinds.add(last.kind === 'error' ? last.code : last.kind)
      mallory.leave()
    }

    assert.ok(kinds.has('rate-limited'))
    assert.ok(!kinds.has('welcome'))
  })
})
