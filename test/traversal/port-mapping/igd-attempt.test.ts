import assert from 'node:assert/strict'
import {
  type Attempt,
  attemptAfter,
  firstAttempt,
} from '../../../src/traversal/port-mapping/igd-attempt.ts'
import { SeededRandom } from '../../sim/seeded-random.ts'

const localPort = 40000
const context = { localPort, random: new SeededRandom(1) }

function next(code: number, attempt: Attempt): Attempt {
  const result = attemptAfter(code, attempt, context)
  assert.equal(result.kind, 'try')
  return result.attempt
}

function end(code: number, attempt: Attempt): string {
  const result = attemptAfter(code, attempt, context)
  assert.equal(result.kind, 'fail')
  return result.why
}

describe('attemptAfter()', () => {
  const first = firstAttempt(localPort, false)

  it('begins with our own port for an hour, any port being as good where the gateway has version 2', () => {
    assert.deepEqual(first, {
      action: 'AddPortMapping',
      externalPort: localPort,
      leaseSeconds: 3600,
      portsLeft: 4,
    })
    assert.equal(firstAttempt(localPort, true).action, 'AddAnyPortMapping')
  })

  for (const code of [402, 501, 725]) {
    it(`${code}: once more without a lease, and no further`, () => {
      const second = next(code, first)

      assert.deepEqual(second, { ...first, leaseSeconds: 0 })
      assert.equal(end(code, second), 'refused')
    })
  }

  for (const code of [718, 729]) {
    it(`${code}: four other ports, then it is a conflict`, () => {
      const ports = new Set([first.externalPort])
      let attempt = first
      for (let other = 0; other < 4; other++) {
        attempt = next(code, attempt)
        assert.ok(attempt.externalPort >= 1024 && attempt.externalPort <= 65535)
        ports.add(attempt.externalPort)
      }

      assert.equal(ports.size, 5)
      assert.equal(end(code, attempt), 'conflict')
    })
  }

  it('724: our own port, whose conflict is the end', () => {
    const same = next(724, { ...first, externalPort: 50000 })

    assert.equal(same.externalPort, localPort)
    assert.equal(end(718, same), 'conflict')
    assert.equal(end(724, first), 'refused')
  })

  for (const code of [401, 602]) {
    it(`${code}: the action of version 1`, () => {
      const any = firstAttempt(localPort, true)

      assert.deepEqual(next(code, any), first)
      assert.equal(end(code, first), 'unsupported')
    })
  }

  const ends: readonly (readonly [number, string])[] = [
    [606, 'not-authorized'],
    [715, 'refused'],
    [716, 'refused'],
    [726, 'refused'],
    [727, 'refused'],
    [728, 'out-of-resources'],
    [899, 'refused'],
  ]
  for (const [code, why] of ends) {
    it(`${code}: the end, ${why}`, () => {
      assert.equal(end(code, first), why)
    })
  }

  it('comes to an end, whatever a gateway answers in whatever order', () => {
    const codes = [401, 402, 501, 602, 718, 724, 725, 729]
    const random = new SeededRandom(2)
    for (let run = 0; run < 500; run++) {
      let attempt = firstAttempt(localPort, true)
      let steps = 0
      for (;;) {
        const code = codes[(random.bytes(1)[0] ?? 0) % codes.length] ?? 0
        const result = attemptAfter(code, attempt, context)
        if (result.kind === 'fail') break
        attempt = result.attempt
        steps += 1
        assert.ok(steps < 20)
      }
    }
  })
})
