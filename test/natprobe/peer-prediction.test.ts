import assert from 'node:assert/strict'
import { predictPath } from '../../src/natprobe/command/peer-prediction.ts'

type Report = Readonly<Record<string, unknown>>

function report(mapping: string, filtering: string, allocator?: object): Report {
  const ipv4 = {
    mapping: { value: mapping },
    filtering: { value: filtering },
    ...(allocator === undefined ? {} : { allocator: { value: allocator } }),
  }
  return { schema: 1, families: { ipv4 } }
}

const EIM = 'endpoint-independent'
const APD = 'address-and-port-dependent'
const cone = report(EIM, APD)
const range = { low: 1024, high: 65_535 }

describe('predictPath()', () => {
  it('punches where both map by nothing', () => {
    assert.deepEqual(predictPath(cone, cone), {
      strategy: 'punch',
      chance: 0.99,
      expectedSeconds: 0.5,
    })
  })

  it('guesses the ports of a NAT that counts them', () => {
    const counting = report(APD, APD, { kind: 'step', step: 1 })

    assert.equal(predictPath(cone, counting).strategy, 'predict')
    assert.equal(predictPath(counting, counting).strategy, 'predict-both')
  })

  it('knows the rule of ports by the name that a daemon gives it', () => {
    const profiled = report(APD, APD, { kind: 'sequential', step: 2 })

    assert.equal(predictPath(cone, profiled).strategy, 'predict')
  })

  it('reckons a birthday from the range that was seen', () => {
    const random = report(APD, APD, { kind: 'random', ...range })
    const { strategy, chance, expectedSeconds } = predictPath(cone, random)

    assert.equal(strategy, 'birthday')
    assert.ok(chance > 0.97 && chance < 1, `${chance}`)
    assert.ok(expectedSeconds !== null && expectedSeconds > 1 && expectedSeconds < 2)
  })

  it('expects the relay of two NATs at random, and where there is no family in common', () => {
    const random = report(APD, APD, { kind: 'random', ...range })

    assert.equal(predictPath(random, random).strategy, 'relay')
    assert.deepEqual(predictPath(cone, { schema: 1, families: {} }).why, 'no family in common')
    assert.equal(predictPath(cone, { schema: 1, families: 7 }).strategy, 'relay')
  })
})
