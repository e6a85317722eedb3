import assert from 'node:assert/strict'
import { Lines } from '../../src/core/lines.ts'

describe('Lines', () => {
  const limits = { most: 6, mostPerNetwork: 3 }
  const anyone = (): boolean => true

  /** Items are named after their network, with a number; `0` to `9` alone have none. */
  function linesOf(...items: readonly string[]): Lines<string> {
    const lines = new Lines<string>(limits)
    for (const item of items) lines.add(item, /^[a-z]/.exec(item)?.[0])
    return lines
  }

  function order(lines: Lines<string>): readonly string[] {
    const items: string[] = []
    for (let next = lines.next(anyone); next !== undefined; next = lines.next(anyone))
      items.push(next.item)
    return items
  }

  it('let the newest of a network go first', () => {
    assert.deepEqual(order(linesOf('a1', 'a2', 'a3')), ['a3', 'a2', 'a1'])
  })

  it('let networks take turns, however many of one wait', () => {
    const lines = linesOf('a1', 'a2', 'a3', 'b1', '1')

    assert.deepEqual(order(lines), ['a3', 'b1', '1', 'a2', 'a1'])
    assert.equal(lines.size, 0)
  })

  it('pass over a network that may send nobody, which keeps its turn', () => {
    const lines = linesOf('a1', 'b1', 'b2')
    const notOfA = (network: string | undefined): boolean => network !== 'a'

    assert.deepEqual(lines.next(notOfA), { item: 'b2', network: 'b' })
    assert.deepEqual(lines.next(anyone), { item: 'a1', network: 'a' })
    assert.equal(
      lines.next(() => false),
      undefined,
    )
    assert.equal(lines.size, 1)
  })

  it('turn out the oldest of a network of which too many wait', () => {
    const lines = linesOf('b1', 'a1', 'a2', 'a3')

    assert.equal(lines.add('a4', 'a'), 'a1')
    assert.deepEqual(order(lines), ['b1', 'a4', 'a3', 'a2'])
  })

  it('turn out the oldest of the next in turn where too many wait in all', () => {
    const lines = linesOf()
    for (const item of ['1', '2', '3', '4', '5'])
      assert.equal(lines.add(item, undefined), undefined)
    assert.equal(lines.add('a1', 'a'), undefined)

    assert.equal(lines.add('b1', 'b'), '1')
    assert.equal(lines.size, 6)
  })

  it('turn out whoever is alone in a line, and the line with it', () => {
    const lines = linesOf('a', 'b', 'c', 'd', 'e', 'f')

    assert.equal(lines.add('g', 'g'), 'a')
    assert.deepEqual(order(lines), ['b', 'c', 'd', 'e', 'f', 'g'])
  })

  it('can be taken all at once', () => {
    const lines = linesOf('a1', 'b1')

    assert.deepEqual(lines.takeAll(), ['a1', 'b1'])
    assert.equal(lines.size, 0)
    assert.equal(lines.next(anyone), undefined)
  })
})
