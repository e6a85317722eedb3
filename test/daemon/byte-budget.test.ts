import assert from 'node:assert/strict'
import { after, instant } from '../../src/core/instant.ts'
import { ByteBudget } from '../../src/daemon/byte-budget.ts'

const MIB = 1024 * 1024

describe('ByteBudget', () => {
  it('gives 32 MiB at once and 64 MiB an hour', () => {
    const start = instant(5_000)
    const budget = new ByteBudget(start)

    assert.equal(budget.take(start, 32 * MIB), true)
    assert.equal(budget.take(start, 1), false)
    assert.equal(budget.take(after(start, 900_000), 16 * MIB), true)
    assert.equal(budget.take(after(start, 900_000), 1), false)
    assert.equal(budget.take(after(start, 40_000_000), 32 * MIB), true)
    assert.equal(budget.take(after(start, 40_000_000), 1), false)
  })

  it('takes nothing of what it refuses', () => {
    const budget = new ByteBudget(instant(0))

    assert.equal(budget.take(instant(0), 33 * MIB), false)
    assert.equal(budget.take(instant(0), 32 * MIB), true)
  })
})
