import assert from 'node:assert/strict'
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { quantile } from '../../scripts/lab/quantile.ts'
import { isThorough } from './depth.ts'
import { assertNothingLost, pause, send } from './letters.ts'
import { acquaint, bothReach, knowsItsNat } from './meeting.ts'
import { record } from './results.ts'
import { type Resident, townOfSuite } from './town.ts'

/** Of twenty the 95th percentile is the second worst. */
const ROUNDS = isThorough ? 20 : 5

/**
 * No longer than over the relay, and 50 ms. Nothing is subtracted: a change of policy comes right before it, which ends the
 * session and which the server writes to its disk before it takes the message from the same session.
 */
const BEYOND_MS = 50

/** A machine whose timers are late by more than this has other things to do: its times say nothing of the programs. */
const LATE_MS = 20

describe('the first message', () => {
  const town = townOfSuite()
  let alice: Resident
  let bob: Resident

  before(async () => {
    const [a, b] = await town().settle([
      { name: 'alice', kind: 'port-restricted cone' },
      { name: 'bob', kind: 'symmetric random' },
    ])
    assert.ok(a && b)
    ;[alice, bob] = [a, b]
    await acquaint(alice, bob)
    await Promise.all([knowsItsNat(alice.person), knowsItsNat(bob.person)])
  })

  it('does not wait for hole punching', async function () {
    const [trips, firsts]: [number[], number[]] = [[], []]
    const lateness = monitorEventLoopDelay({ resolution: 5 })
    lateness.enable()
    for (let round = 0; round < ROUNDS; round++) {
      await policy('relay')
      await bothReach(alice.person, bob.person, ['relay'])
      await send(alice.person, bob.person)
      const relayTripMs = await send(alice.person, bob.person)
      await policy('auto') // ends the session: what is sent now is a first message
      const firstMessageMs = await send(alice.person, bob.person)
      trips.push(relayTripMs)
      firsts.push(firstMessageMs)
      record({ group: 'first', relayTripMs, firstMessageMs })
      await pause(500)
    }
    lateness.disable()
    await assertNothingLost(alice.person, bob.person)

    const lateMs = lateness.percentile(99) / 1e6
    if (lateMs > LATE_MS) this.skip() // nothing was lost; how long it took says nothing
    for (const share of isThorough ? [0.5, 0.95] : [0.5]) {
      const beyondMs = quantile(firsts, share) - quantile(trips, share)
      assert.ok(beyondMs <= BEYOND_MS, `${beyondMs} ms: ${firsts.join()} after ${trips.join()}`)
    }
  }).timeout(300_000)

  async function policy(path: 'auto' | 'relay'): Promise<void> {
    await alice.person.request('buddy.setPolicy', { buddy: 'bob', path })
  }
})
