/** A client vanishes without a word: its packets are dropped on both ways, so no FIN and no RST ever comes. */
import assert from 'node:assert/strict'
import { messageArrives, type Person, seesOnline } from '../support/household.ts'
import { Laboratory } from './support.ts'

const router = { nat: 'masquerade', input: 'drop' } as const

/** Nothing of the host gets out, nothing gets in; loopback stays. */
const VANISH = `table inet vanished {
  chain input { type filter hook input priority -10; iif != "lo" drop; }
  chain output { type filter hook output priority -10; oif != "lo" drop; }
}`

/** Two missed heartbeats of 30 s, 10 s of grace before buddies are told, and what a busy machine needs. */
const GONE_WITHIN_MS = 60_000 + 10_000 + 30_000

describe('a client that vanishes without a word', function () {
  this.timeout(300_000)
  let laboratory: Laboratory
  let alice: Person
  let bob: Person

  before(async () => {
    laboratory = await Laboratory.build(router, router)
    await laboratory.moveIn()
    ;({ alice, bob } = laboratory)
  })

  after(async () => {
    await laboratory.close()
  })

  it('is missed by the server, and is shown offline', async () => {
    laboratory.homes[1].host.nft(VANISH)
    const from = performance.now()

    await alice.eventually(
      'bob offline',
      async () => ((await alice.buddy('bob'))?.presence === 'offline' ? true : undefined),
      GONE_WITHIN_MS,
    )

    console.log(`      offline after ${Math.round((performance.now() - from) / 1000)} s`)
    assert.equal(laboratory.server.program.hasExited, false)
  })

  it('has its mail when it is back', async () => {
    await alice.json(['send', 'bob', 'while you were gone', '--wait', 'server', '--timeout', '60s'])

    laboratory.homes[1].host.nft('delete table inet vanished')

    await messageArrives(bob, 'while you were gone', GONE_WITHIN_MS)
    await seesOnline(alice, bob)
  })
})
