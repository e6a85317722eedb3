import assert from 'node:assert/strict'
import { type Instant, instant } from '../../src/core/instant.ts'
import {
  AddressPurses,
  REFILL_MS,
  UNPROVED_ADDRESS_QUESTIONS,
} from '../../src/traversal/address-purses.ts'
import { QUESTION_BYTES } from '../../src/traversal/probe.ts'
import { ProbeBudget } from '../../src/traversal/probe-budget.ts'
import { at } from './puppet.ts'

/** One public address: a NAT that gives every destination another port. */
const PEER = '192.0.2.1'

/** A session asks each of these ports as often as it may, then the peer proves itself from another one, or does not. */
function session(purses: AddressPurses, now: Instant, ports: readonly number[]): number {
  const budget = new ProbeBudget(purses)
  let asked = 0
  for (const target of ports.map((port) => at(PEER, port))) {
    budget.name(target)
    while (budget.spendOnQuestion(now, target, QUESTION_BYTES)) asked += 1
  }
  const reflexive = at(PEER, 60_000)
  budget.receive(reflexive, QUESTION_BYTES)
  budget.prove(now, reflexive)
  return asked
}

describe('ProbeBudget', () => {
  it('lets a second session ask an address where the peer proved itself in the first', () => {
    const purses = new AddressPurses()

    assert.equal(session(purses, instant(0), [1, 2, 3, 4]), UNPROVED_ADDRESS_QUESTIONS)
    assert.equal(session(purses, instant(1000), [5, 6, 7, 8]), UNPROVED_ADDRESS_QUESTIONS)
  })

  it('gives strangers who share a NAT with a hostile buddy thirty questions in 30 s, over all sessions', () => {
    const purses = new AddressPurses()
    let asked = 0

    for (let now = 0; now < REFILL_MS; now += 500) {
      asked += session(purses, instant(now), [1, 2, 3, 4, 5, 6, 7, 8])
    }

    assert.equal(asked, 2 * UNPROVED_ADDRESS_QUESTIONS)
  })
})
