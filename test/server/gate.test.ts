import assert from 'node:assert/strict'
import { Gate, MOST_STRANGERS, MOST_STRANGERS_PER_NETWORK } from '../../src/server/gate.ts'
import { at } from './support/test-server.ts'

class TestStranger {
  readonly remote
  why: string | undefined

  constructor(remote: string) {
    this.remote = at(remote)
  }

  cut(why: string): void {
    this.why = why
  }
}

function crowd(count: number, address: (n: number) => string): TestStranger[] {
  return Array.from({ length: count }, (_, n) => new TestStranger(address(n)))
}

describe('Gate', () => {
  it('cuts the oldest of a network that brings too many', () => {
    const gate = new Gate()
    const neighbour = new TestStranger('[2001:db8:0:1ff::1]:1')
    const many = crowd(MOST_STRANGERS_PER_NETWORK + 2, (n) => `[2001:db8:0:${200 + (n % 56)}::1]:1`)

    gate.enter(neighbour)
    for (const stranger of many) gate.enter(stranger)

    assert.deepEqual(
      many.filter(({ why }) => why !== undefined),
      many.slice(0, 2),
    )
    assert.equal(neighbour.why, undefined)
  })

  it('cuts the oldest of all where many networks bring too many', () => {
    const gate = new Gate()
    const many = crowd(MOST_STRANGERS + 3, (n) => `10.${n >> 8}.${n & 255}.1:1`)

    for (const stranger of many) gate.enter(stranger)

    assert.deepEqual(
      many.filter(({ why }) => why !== undefined),
      many.slice(0, 3),
    )
    assert.equal(gate.size, MOST_STRANGERS)
  })

  it('does not count who has left, and takes loopback for no network', () => {
    const gate = new Gate()
    const come = crowd(MOST_STRANGERS_PER_NETWORK * 2, () => '192.0.2.1:1')
    for (const stranger of come) {
      gate.enter(stranger)
      gate.leave(stranger)
    }
    const local = crowd(MOST_STRANGERS_PER_NETWORK * 2, () => '127.0.0.1:1')
    for (const stranger of local) gate.enter(stranger)

    assert.ok([...come, ...local].every(({ why }) => why === undefined))
    assert.equal(gate.size, local.length)
  })
})
