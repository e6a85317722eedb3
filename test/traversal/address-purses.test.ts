import assert from 'node:assert/strict'
import { instant } from '../../src/core/instant.ts'
import {
  AddressPurses,
  MAX_PURSES,
  UNPROVED_ADDRESS_QUESTIONS,
} from '../../src/traversal/address-purses.ts'

const VICTIM = '192.0.2.66'

function emptied(): AddressPurses {
  const purses = new AddressPurses()
  for (let n = 0; n < UNPROVED_ADDRESS_QUESTIONS; n++) purses.spend(instant(0), VICTIM)
  return purses
}

describe('AddressPurses', () => {
  it('hold fifteen questions for an address, and again half a minute after the last', () => {
    const purses = emptied()

    assert.equal(purses.mayAsk(instant(29_999), VICTIM), false)
    assert.equal(purses.mayAsk(instant(29_999), '192.0.2.67'), true)
    assert.equal(purses.mayAsk(instant(30_000), VICTIM), true)
  })

  it('take back what was wanted', () => {
    const purses = emptied()

    purses.giveBack(VICTIM, 1)
    assert.equal(purses.mayAsk(instant(1), VICTIM), true)
    purses.spend(instant(1), VICTIM)
    assert.equal(purses.mayAsk(instant(1), VICTIM), false)
  })

  it('forgive all that was asked of an address where a peer lives, once in half a minute', () => {
    const purses = emptied()

    purses.forgive(instant(1000), VICTIM)
    for (let n = 0; n < UNPROVED_ADDRESS_QUESTIONS; n++) {
      assert.equal(purses.mayAsk(instant(2000), VICTIM), true)
      purses.spend(instant(2000), VICTIM)
    }
    purses.forgive(instant(30_999), VICTIM)
    assert.equal(purses.mayAsk(instant(30_999), VICTIM), false)
    purses.forgive(instant(31_000), VICTIM)
    assert.equal(purses.mayAsk(instant(31_000), VICTIM), true)
  })

  it('are as many as their bound, and forget the one that was not used for longest', () => {
    const purses = emptied()
    for (let n = 0; n < MAX_PURSES - 1; n++) purses.spend(instant(1), `10.0.${n >> 8}.${n & 255}`)
    assert.equal(purses.size, MAX_PURSES)
    assert.equal(purses.mayAsk(instant(1), VICTIM), false)

    purses.spend(instant(1), '192.0.2.1')

    assert.equal(purses.size, MAX_PURSES)
    assert.equal(purses.mayAsk(instant(1), VICTIM), true)
  })
})
