import assert from 'node:assert/strict'
import type { Report } from '../../src/natprobe/report.ts'
import { checkedReport } from '../support/natprobe.ts'
import { type Finished, runProgram } from '../support/programs.ts'
import { acquaint, meet, type Meeting } from './meeting.ts'
import { type Resident, townOfSuite } from './town.ts'

/** Idle times to 60 s, and what comes before and after them. */
const RUN_MS = 110_000

/** natprobe beside a hollerd whose account is logged in: that is whom it asks, and who is answered late. */
describe('natprobe beside hollerd', () => {
  const town = townOfSuite()
  let alice: Resident
  let meeting: Meeting

  before(async () => {
    const settlers = [
      { name: 'alice', kind: 'symmetric sequential' },
      { name: 'bob', kind: 'port-restricted cone' },
    ] as const
    const [first, second] = await town().settle(settlers)
    assert.ok(first !== undefined && second !== undefined)
    alice = first
    await acquaint(first, second)
    meeting = await meet(first, second)
  })

  async function natprobe(...args: readonly string[]): Promise<Finished> {
    const env = { HOLLER_SOCKET: alice.person.socket }
    const { prefix } = alice.home.host.namespace
    return await runProgram(
      { ...{ name: 'natprobe', main: 'natprobe', prefix, env }, args: ['-4', ...args] },
      RUN_MS,
    )
  }

  async function report(...args: readonly string[]): Promise<Report> {
    const { code, stdout, stderr } = await natprobe('--json', ...args)
    assert.equal(code, 10, stderr)
    return checkedReport(stdout)
  }

  it('predicts a direct path to a buddy with whom there is one', async () => {
    const { peer, servers } = await report('--quick', '--peer', 'bob')

    assert.match(servers[0]?.server ?? '', /^203\.0\.113\.10:3478$/)
    // In the quick mode the own port allocation is not tested: what is guessed at then is the port.
    assert.ok(['predict', 'birthday'].includes(peer?.strategy ?? ''), peer?.strategy)
    const full = await report('--lifetime', 'off', '--peer', 'bob')
    assert.equal(full.peer?.strategy, 'predict')
    assert.equal(meeting.path, 'direct', JSON.stringify(meeting))
    for (const attempts of meeting.attempts) {
      const used = attempts.filter(({ verdict }) => verdict === 'direct')
      assert.deepEqual(
        used.map(({ strategy }) => strategy),
        [full.peer.strategy],
        JSON.stringify(meeting),
      )
    }
  })

  it('says what is missing of somebody who is no buddy', async () => {
    const { code, stderr } = await natprobe('--quick', '--peer', 'carol')

    assert.equal(code, 2)
    assert.match(stderr, /^natprobe: Cannot predict the path to "carol": .*\n?$/)
  })

  it('has the server answer its idle sockets late, since this host’s account is logged in', async () => {
    const { families } = await report('--lifetime', 'quick')

    const { lifetime } = families.ipv4 ?? {}
    const idle = (lifetime?.evidence ?? []).filter(
      ({ test, asked }) => test.startsWith('idle') && asked === 'delayed',
    )
    // Each is asked for a second after its idle time.
    assert.deepEqual(
      idle.map(({ delaySeconds, result }) => [delaySeconds, result]),
      [16, 21, 31, 46, 61].map((seconds) => [seconds, 'answered']),
    )
    assert.deepEqual([lifetime?.value.atLeastMs, lifetime?.value.atMostMs], [60_000, null])
  })
})
