import assert from 'node:assert/strict'
import { pathReasons, remedies } from '../../src/traversal/reasons.ts'
import { verdictOf } from '../../src/traversal/verdict.ts'
import { at } from './puppet.ts'

describe('remedies', () => {
  it('are sentences without a full stop, for every reason that can be remedied', () => {
    const withoutRemedy = pathReasons.filter((reason) => remedies[reason] === '')

    assert.deepEqual(withoutRemedy, ['direct', 'waiting-for-introduction'])
    for (const reason of pathReasons) assert.ok(!remedies[reason].endsWith('.'), reason)
  })
})

describe('verdictOf()', () => {
  const remote = [{ kind: 'host', endpoint: at('192.0.2.1') }] as const
  const evidence = {
    policy: 'auto',
    local: [],
    remote,
    targets: 1,
    hasLostDirect: false,
    hasHeard: false,
    hasStarved: false,
    hopeless: undefined,
    lastAttempt: undefined,
  } as const

  it('names the most telling cause', () => {
    assert.equal(verdictOf({ ...evidence, policy: 'relay' }), 'policy-relay')
    assert.equal(verdictOf({ ...evidence, remote: [] }), 'no-candidates')
    assert.equal(verdictOf({ ...evidence, policy: 'lan', targets: 0 }), 'policy-lan')
    assert.equal(verdictOf({ ...evidence, targets: 0 }), 'no-usable-candidates')
    assert.equal(verdictOf({ ...evidence, hasLostDirect: true }), 'direct-lost')
    assert.equal(verdictOf({ ...evidence, hasHeard: true }), 'heard-but-unanswered')
    assert.equal(verdictOf({ ...evidence, hasStarved: true }), 'probes-used-up')
    assert.equal(
      verdictOf({ ...evidence, hasStarved: true, hasHeard: true }),
      'heard-but-unanswered',
    )
    assert.equal(verdictOf(evidence), 'nothing-heard')
  })
})
