import assert from 'node:assert/strict'
import { after, instant } from '../../src/core/instant.ts'
import { StunWitness, WITNESS_MS } from '../../src/server/stun-witness.ts'
import { at } from './support/test-server.ts'

const start = instant(5)

describe('StunWitness', () => {
  it('remembers an address with its port for two minutes', () => {
    const witness = new StunWitness(new Uint8Array(32))

    witness.note(start, at('192.0.2.1:1000'))

    assert.equal(witness.has(start, at('192.0.2.1:1000')), true)
    assert.equal(witness.has(start, at('192.0.2.1:1001')), false)
    assert.equal(witness.has(start, at('192.0.2.2:1000')), false)
    assert.equal(witness.has(after(start, WITNESS_MS), at('192.0.2.1:1000')), true)
    assert.equal(witness.has(after(start, WITNESS_MS + 1), at('192.0.2.1:1000')), false)
  })

  it('keeps most of 10,000 clients, and invents nobody', () => {
    const witness = new StunWitness(new Uint8Array(32).fill(1))
    const client = (n: number) => at(`192.0.${n >> 8}.${n & 255}:4000`)
    const count = (from: number): number =>
      Array.from({ length: 10_000 }, (_, n) => client(from + n)).filter((address) =>
        witness.has(start, address),
      ).length

    for (let n = 0; n < 10_000; n++) witness.note(start, client(n))

    assert.ok(count(0) > 8_500)
    assert.equal(count(10_000), 0)
  })
})
