import assert from 'node:assert/strict'
import type { Store, StoreRange } from '../../src/core/store.ts'

/** What every implementation of the `Store` port does. `open` gives an empty store each time. */
export function storeContract(name: string, open: () => Promise<Store>): void {
  describe(`${name} as a Store`, () => {
    let store: Store

    beforeEach(async () => {
      store = await open()
    })

    afterEach(async () => {
      await store.close()
    })

    const put = (key: string, value: string) =>
      ({ kind: 'put', key, value: Buffer.from(value) }) as const

    async function keys(range: StoreRange): Promise<string[]> {
      const found: string[] = []
      for await (const [key] of store.range(range)) found.push(key)
      return found
    }

    it('gives back what was put, and undefined for what was not', async () => {
      await store.write([put('a', 'one')])

      assert.deepEqual(Buffer.from((await store.get('a')) ?? []).toString(), 'one')
      assert.equal(await store.get('b'), undefined)
    })

    it('answers each of many reads at once with its own', async () => {
      const names = Array.from({ length: 200 }, (_, index) => `key ${index}`)
      await store.write(names.filter((_, index) => index % 3 > 0).map((name) => put(name, name)))

      const values = await Promise.all(names.map((name) => store.get(name)))

      assert.deepEqual(
        values.map((value) => value && Buffer.from(value).toString()),
        names.map((name, index) => (index % 3 > 0 ? name : undefined)),
      )
    })

    it('keeps bytes as they are', async () => {
      const value = Uint8Array.from({ length: 256 }, (_, byte) => byte)

      await store.write([{ kind: 'put', key: 'bytes', value }])

      assert.deepEqual(Uint8Array.from((await store.get('bytes')) ?? []), value)
    })

    it('applies a write in order, so that the last word on a key counts', async () => {
      await store.write([
        put('a', 'one'),
        { kind: 'delete', key: 'a' },
        put('b', 'x'),
        put('b', 'y'),
      ])

      assert.equal(await store.get('a'), undefined)
      assert.equal(Buffer.from((await store.get('b')) ?? []).toString(), 'y')
    })

    it('walks a range as it was at the first step, whatever is written meanwhile', async () => {
      const many = Array.from({ length: 2_000 }, (_, n) => `key-${String(n).padStart(4, '0')}`)
      await store.write(many.map((key) => put(key, 'then')))
      const found: string[] = []

      for await (const [key, value] of store.range({})) {
        if (found.length === 0) {
          await store.write([put('key-9999', 'new'), put('key-1999', 'now')])
          await store.write([{ kind: 'delete', key: 'key-1998' }])
        }
        found.push(`${key} ${Buffer.from(value).toString()}`)
      }

      assert.deepEqual(
        found,
        many.map((key) => `${key} then`),
      )
    })

    it('walks a range by bytes, the end excluded, both ways, up to a limit', async () => {
      await store.write(['b', 'a', 'c', 'a1', 'é', 'z'].map((key) => put(key, key)))

      assert.deepEqual(await keys({}), ['a', 'a1', 'b', 'c', 'z', 'é'])
      assert.deepEqual(await keys({ from: 'a1', before: 'c' }), ['a1', 'b'])
      assert.deepEqual(await keys({ reverse: true, limit: 2 }), ['é', 'z'])
      assert.deepEqual(await keys({ before: 'c', reverse: true, limit: 1 }), ['b'])
    })

    it('does not see later changes to bytes that were handed in', async () => {
      const value = Buffer.from('kept')

      await store.write([{ kind: 'put', key: 'a', value }])
      value.fill(0)

      assert.equal(Buffer.from((await store.get('a')) ?? []).toString(), 'kept')
    })
  })
}
