import assert from 'node:assert/strict'
import fc from 'fast-check'
import { z } from 'zod'
import {
  bytesField,
  everyKeyUnder,
  lastNumberOf,
  putRecord,
  readRecord,
  sortable,
} from '../../src/daemon/records.ts'
import { memoryStore } from '../support/memory-store.ts'

describe('sortable()', () => {
  it('makes the order of bytes the order of numbers', () => {
    fc.assert(
      fc.property(fc.maxSafeNat(), fc.maxSafeNat(), (a, b) => {
        const order = Buffer.compare(Buffer.from(sortable(a)), Buffer.from(sortable(b)))
        assert.equal(order, Math.sign(a - b))
        assert.equal(lastNumberOf(`x/${sortable(a)}`), a)
      }),
    )
  })
})

describe('everyKeyUnder()', () => {
  it('holds every key with the prefix and no other', async () => {
    const store = memoryStore()
    const inside = ['a/', 'a/0', 'a/z', 'a/é', 'a/\u{10fffe}']
    for (const key of [...inside, 'a', 'a.', 'a0', 'b/x']) {
      await store.write([{ kind: 'put', key, value: new Uint8Array(0) }])
    }

    const found: string[] = []
    for await (const [key] of store.range(everyKeyUnder('a/'))) found.push(key)

    assert.deepEqual(found.sort(), inside.sort())
  })
})

describe('readRecord()', () => {
  const schema = z.object({ name: z.string(), bytes: bytesField })

  it('reads back what putRecord wrote, bytes included', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), fc.uint8Array(), (name, bytes) => {
        const change = putRecord(schema, 'key', { name, bytes })
        assert.ok(change.kind === 'put')

        const read = readRecord(schema, 'key', change.value)

        assert.equal(read.name, name)
        assert.deepEqual(Uint8Array.from(read.bytes), bytes)
      }),
    )
  })

  it('says which record is damaged', () => {
    for (const text of ['', '{', '{"name":1}', '{"name":"x","bytes":"%"}']) {
      assert.throws(() => readRecord(schema, 'account/1', Buffer.from(text)), {
        code: 'STORE_UNUSABLE',
        message: /"account\/1"/,
      })
    }
  })
})
