import assert from 'node:assert/strict'
import type { DurableEvent } from '../../src/daemon/events.ts'
import { Journal } from '../../src/daemon/journal.ts'
import type { ControlEvent } from '../../src/protocol/control/schema.ts'
import { memoryStore } from '../support/memory-store.ts'
import { ManualClock } from './support/manual-clock.ts'
import { FaultyStore, onEveryStore } from './support/stores.ts'

const clock = new ManualClock()

function notice(text: string): DurableEvent {
  return { type: 'server.notice', data: { text } }
}

async function eventsOf(journal: Journal, seq = 0, limit = 1000): Promise<ControlEvent[]> {
  const events: ControlEvent[] = []
  for await (const event of journal.read(seq, limit)) events.push(event)
  return events
}

async function textsOf(journal: Journal, seq = 0): Promise<unknown[]> {
  return (await eventsOf(journal, seq)).map(({ data }) => data['text'])
}

describe('Journal', () => {
  onEveryStore((place) => {
    it('numbers events from 1 and goes on after a restart', async () => {
      const store = await place().open()
      const journal = await Journal.open({ store, clock })
      await journal.commit([], [notice('one'), notice('two')])
      await store.close()

      const again = await place().open()
      const reopened = await Journal.open({ store: again, clock })
      await reopened.commit([], [notice('three')])

      assert.equal(reopened.lastSeq, 3)
      assert.deepEqual(
        (await eventsOf(reopened)).map(({ seq, type, data }) => [seq, type, data['text']]),
        [
          [1, 'server.notice', 'one'],
          [2, 'server.notice', 'two'],
          [3, 'server.notice', 'three'],
        ],
      )
      await again.close()
    })

    it('reads from a cursor, up to a limit', async () => {
      const store = await place().open()
      const journal = await Journal.open({ store, clock })
      await journal.commit([], ['a', 'b', 'c', 'd'].map(notice))

      assert.deepEqual(
        (await eventsOf(journal, 1, 2)).map(({ seq }) => seq),
        [2, 3],
      )
      await store.close()
    })

    it('writes changes and their events together', async () => {
      const store = await place().open()
      const journal = await Journal.open({ store, clock })

      await journal.commit(
        [{ kind: 'put', key: 'x', value: Buffer.from('changed') }],
        [notice('changed')],
      )

      assert.equal(Buffer.from((await store.get('x')) ?? []).toString(), 'changed')
      assert.deepEqual(await textsOf(journal), ['changed'])
      await store.close()
    })

    it('keeps the order in which commits were asked for, many at once', async () => {
      const store = await place().open()
      const journal = await Journal.open({ store, clock })
      const texts = Array.from({ length: 1000 }, (_, index) => `event ${index}`)

      await Promise.all(texts.map((text) => journal.commit([], [notice(text)])))

      assert.deepEqual(await textsOf(journal), texts)
      await store.close()
    })

    it('forgets the oldest events beyond its size, also across a restart', async () => {
      const store = await place().open()
      const journal = await Journal.open({ store, clock, maxEvents: 10 })

      for (let n = 1; n <= 35; n++) await journal.commit([], [notice(`event ${n}`)])
      const reopened = await Journal.open({ store, clock, maxEvents: 10 })

      assert.equal(journal.lastSeq, 35)
      assert.ok(journal.firstSeq > 1 && journal.firstSeq <= 26, `first is ${journal.firstSeq}`)
      assert.equal(reopened.firstSeq, journal.firstSeq)
      assert.equal((await textsOf(journal)).length, 35 - journal.firstSeq + 1)
      await store.close()
    })
  })

  it('announces events only when they are on disk', async () => {
    const store = memoryStore()
    const journal = await Journal.open({ store, clock })
    const seen: unknown[] = []
    const looked: Promise<void>[] = []
    journal.onGrown((lastSeq) => {
      looked.push(textsOf(journal, lastSeq - 1).then((texts) => void seen.push(...texts)))
    })

    await journal.commit([], [notice('stored first')])
    await Promise.all(looked)

    assert.deepEqual(seen, ['stored first'])
  })

  it('writes commits of one moment as few batches', async () => {
    const store = new FaultyStore(memoryStore())
    const journal = await Journal.open({ store, clock })

    await Promise.all(Array.from({ length: 200 }, () => journal.commit([], [notice('x')])))

    assert.equal(store.writes, 1)
  })

  it('fails the commit and announces nothing when the disk does not write, and goes on when it does', async () => {
    const store = new FaultyStore(memoryStore())
    const journal = await Journal.open({ store, clock })
    const grown: number[] = []
    journal.onGrown((lastSeq) => grown.push(lastSeq))

    store.isFull = true
    await assert.rejects(journal.commit([], [notice('lost')]), /ENOSPC/)
    store.isFull = false
    await journal.commit([], [notice('kept')])

    assert.deepEqual(grown, [1])
    assert.deepEqual(await textsOf(journal), ['kept'])
  })
})
