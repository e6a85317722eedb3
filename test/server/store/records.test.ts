import assert from 'node:assert/strict'
import { z } from 'zod'
import { putRecord } from '../../../src/server/store/record.ts'
import { Records } from '../../../src/server/store/records.ts'
import { memoryStore } from '../../support/memory-store.ts'

describe('Records.readAlike()', () => {
  it('reads a likeness where there is no record, and says that there is none', async () => {
    const read: string[] = []
    const schema = z.object({ name: z.string() }).transform(({ name }) => {
      read.push(name)
      return name
    })
    const plain = z.object({ name: z.string() })
    const store = memoryStore()
    const records = new Records(store)
    const likeness = putRecord(plain, 'person/nobody', { name: 'nobody' })
    await records.write([putRecord(plain, 'person/alice', { name: 'alice' })])

    const alice = await records.readAlike(schema, 'person/alice', likeness)
    const bob = await records.readAlike(schema, 'person/bob', likeness)

    assert.deepEqual([alice, bob], ['alice', undefined])
    assert.deepEqual(read, ['alice', 'nobody'])
  })
})
