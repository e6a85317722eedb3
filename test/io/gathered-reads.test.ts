import assert from 'node:assert/strict'
import { describe, it } from 'mocha'
import { GatheredReads } from '../../src/io/gathered-reads.ts'

function readsOf(unreadable: readonly string[] = []): {
  readonly reads: GatheredReads
  readonly asked: string[][]
} {
  const asked: string[][] = []
  const valueOf = (key: string): Uint8Array => {
    if (unreadable.includes(key)) throw new Error(`${key} cannot be read`)
    return Buffer.from(key)
  }
  const reads = new GatheredReads({
    one: async (key) => {
      asked.push([key])
      return await Promise.resolve(key).then(valueOf)
    },
    many: async (keys) => {
      asked.push(keys)
      return await Promise.resolve(keys).then((all) => all.map(valueOf))
    },
  })
  return { reads, asked }
}

describe('GatheredReads', () => {
  it('reads what is asked for at once in one go, and each gets its own', async () => {
    const { reads, asked } = readsOf()

    const values = await Promise.all(['a', 'b', 'a'].map((key) => reads.get(key)))
    const later = await reads.get('c')

    assert.deepEqual(values.map(String), ['a', 'b', 'a'])
    assert.equal(String(later), 'c')
    assert.deepEqual(asked, [['a', 'b', 'a'], ['c']])
  })

  it('reads what several ask for in a turn of the event loop in one go', async () => {
    const { reads, asked } = readsOf()
    const askAfter = async (steps: number, key: string): Promise<Uint8Array | undefined> => {
      for (let step = 0; step < steps; step++) await Promise.resolve()
      return await reads.get(key)
    }

    await Promise.all([askAfter(0, 'a'), askAfter(3, 'b'), askAfter(9, 'c')])

    assert.deepEqual(asked, [['a', 'b', 'c']])
  })

  it('lets what cannot be read take nothing else with it', async () => {
    const { reads } = readsOf(['b'])

    const [a, b, c] = await Promise.allSettled(['a', 'b', 'c'].map((key) => reads.get(key)))

    assert.equal(a?.status === 'fulfilled' && String(a.value), 'a')
    assert.match(String(b?.status === 'rejected' && b.reason), /b cannot be read/)
    assert.equal(c?.status === 'fulfilled' && String(c.value), 'c')
  })
})
